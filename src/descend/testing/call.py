"""A function together with the arguments that it is checked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from descend.core import Variable
from descend.core.backward import gradients
from descend.functions.registry import Sample


class Place:
    """Where an input stands among the arguments."""

    def __init__(self, index: int) -> None:
        self.index = index


class Call:
    """A function and its arguments, in which the differentiated arrays can be exchanged.

    ``arrays`` are the positional arguments, or one `Sample`. Every float or complex array among
    them and in lists of them is an input; a constant Variable stands for an array that is none.
    """

    def __init__(
        self, function: Callable[..., Any], arrays: Any, params: dict[str, Any], seed: int = 0
    ) -> None:
        if len(arrays) == 1 and isinstance(arrays[0], Sample):
            sample = arrays[0]
            params = {**sample.params, **params}
            arrays = _constants_marked(sample.arrays(seed), sample.inputs)
        self.name = getattr(function, "__name__", type(function).__name__)
        self.function = function
        self.params = params
        self.inputs: list[np.ndarray] = []
        self.labels: list[str] = []
        self._arguments = [self._enter(x, f"argument {i}") for i, x in enumerate(arrays)]

    def _enter(self, x: Any, label: str) -> Any:
        """The argument with a Place for each input; the inputs themselves are collected."""
        if isinstance(x, list):
            return [self._enter(part, f"{label}[{i}]") for i, part in enumerate(x)]
        if isinstance(x, Variable):
            return x.data
        if isinstance(x, np.ndarray) and x.dtype.kind in "fc":
            self.inputs.append(x)
            self.labels.append(label)
            return Place(len(self.inputs) - 1)
        return x

    def __call__(self, inputs: list[Any]) -> list[Any]:
        """The outputs, with these in the places of the inputs."""
        ys = self.function(*[_filled(x, inputs) for x in self._arguments], **self.params)
        return list(ys) if isinstance(ys, (tuple, list)) else [ys]

    def on_variables(self, inputs: Iterable[np.ndarray]) -> tuple[list[Variable], list[Variable]]:
        """New Variables of the inputs, and those of the outputs that have a gradient."""
        xs = [Variable(x) for x in inputs]
        ys = [y for y in self(xs) if isinstance(y, Variable) and y.requires_grad]
        return xs, ys

    def gradients(
        self, inputs: Iterable[np.ndarray], gys: list[np.ndarray] | None = None
    ) -> list[Any]:
        """The gradient of each input as an array, from these gradients of the outputs."""
        xs, ys = self.on_variables(inputs)
        return gradient_arrays(self.name, ys, xs, gys)

    def constants(self) -> list[np.ndarray]:
        """The arrays among the arguments that are no inputs."""
        return list(_arrays([*self._arguments, *self.params.values()]))

    def with_constants(self, change: Callable[[np.ndarray], np.ndarray]) -> Call:
        """The same call with ``change`` applied to each constant array."""
        twin = object.__new__(Call)
        twin.__dict__.update(self.__dict__)
        twin._arguments = [_changed(x, change) for x in self._arguments]
        twin.params = {key: _changed(x, change) for key, x in self.params.items()}
        return twin


def gradient_arrays(
    name: str, ys: list[Variable], xs: list[Variable], gys: list[np.ndarray] | None
) -> list[np.ndarray]:
    """The gradients of ``ys`` to ``xs`` as arrays, zeros where there is none."""
    if not ys or not xs:
        return [np.zeros_like(x.data) for x in xs]
    gxs = refusals_told(name, lambda: gradients(ys, xs, gys, allow_unused=True))
    return [np.zeros_like(x.data) if gx is None else gx.data for x, gx in zip(xs, gxs, strict=True)]


def refusals_told(name: str, walk: Callable[[], Any]) -> Any:
    """What ``walk`` answers; an error in it is an AssertionError about the derivative rule."""
    try:
        return walk()
    except (ValueError, TypeError, IndexError, AttributeError, NotImplementedError) as error:
        raise AssertionError(f"{name}: backward failed: {error}") from error


def random_like(x: Any, rng: np.random.Generator) -> np.ndarray:
    """Random numbers in the shape and dtype of ``x``, none of them near 0 or an axis."""
    numbers = rng.uniform(0.5, 1.5, x.shape) * rng.choice([-1.0, 1.0], x.shape)
    if x.dtype.kind == "c":
        numbers = numbers + 1j * random_like(x.real, rng)
    return np.asarray(numbers).astype(x.dtype)


def _filled(x: Any, inputs: list[Any]) -> Any:
    if isinstance(x, list):
        return [_filled(part, inputs) for part in x]
    return inputs[x.index] if isinstance(x, Place) else x


def _arrays(xs: Any) -> Iterable[np.ndarray]:
    for x in xs:
        if isinstance(x, np.ndarray):
            yield x
        elif isinstance(x, (list, tuple)):
            yield from _arrays(x)


def _changed(x: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    if type(x) in (list, tuple):
        return type(x)(_changed(part, change) for part in x)
    return change(x) if isinstance(x, np.ndarray) else x


def _constants_marked(arrays: list[Any], inputs: Any) -> list[Any]:
    """A Sample's arguments, where what is given as an array is a constant."""
    marked: list[Any] = []
    for array, given in zip(arrays, inputs, strict=True):
        if isinstance(array, list):
            marked.append(_constants_marked(array, given))
        elif array is given and isinstance(array, np.ndarray):
            marked.append(Variable(array, requires_grad=False))
        else:
            marked.append(array)
    return marked
