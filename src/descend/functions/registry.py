"""Every operation, with the inputs that show what it does.

An operation is declared in one place, in one of two ways. A primitive is a `Function` with a rule:

    class Sin(Function):
        samples = (Sample((3, 4)),)
        ...

    sin = primitive(Sin)

A composition is a function of other operations and needs no rule:

    @composition(Sample((3, 4)))
    def sigmoid(x): ...

Tests, documentation and the checkers of `descend.testing` go through `OPERATIONS`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from descend.core import Function
from descend.core.errors import OperandError

Implementation = TypeVar("Implementation", bound=Callable[..., Any])


class Sample:
    """Arguments to try an operation on: what a shape stands for is differentiated.

    Each of ``inputs`` is a shape (standing for random float64 values between ``low`` and ``high``),
    an array or a number (a constant), or a list of those. With ``complex`` a shape stands for
    complex128 numbers, both of whose parts lie there. ``params`` are handed on by name.

    >>> Sample((2,), np.array([1, 0]), low=0, high=1, axis=0)
    Sample((2,), array([1, 0]), axis=0)
    """

    def __init__(
        self,
        *inputs: Any,
        low: float = -2.0,
        high: float = 2.0,
        order: int = 3,
        complex: bool = False,
        **params: Any,
    ) -> None:
        self.inputs = inputs
        self.low = low
        self.high = high
        self.order = order
        self.complex = complex
        self.params = params

    def arrays(self, seed: int = 0, dtype: Any = np.float64) -> list[Any]:
        """The arguments: an ndarray for each shape, everything else as it is."""
        rng = np.random.default_rng(seed)
        return [self._array(x, rng, dtype) for x in self.inputs]

    def _array(self, x: Any, rng: np.random.Generator, dtype: Any) -> Any:
        if isinstance(x, list):
            return [self._array(part, rng, dtype) for part in x]
        if isinstance(x, tuple) and all(isinstance(size, int) for size in x):
            numbers = np.asarray(rng.uniform(self.low, self.high, x))
            if self.complex:
                numbers = numbers + 1j * rng.uniform(self.low, self.high, x)
                dtype = np.result_type(dtype, np.complex64)
            return np.asarray(numbers).astype(dtype)
        return x

    def __repr__(self) -> str:
        params = {"complex": True, **self.params} if self.complex else self.params
        named = [f"{key}={value!r}" for key, value in params.items()]
        return f"Sample({', '.join([*map(repr, self.inputs), *named])})"


@dataclass(frozen=True)
class Operation:
    """One entry of the registry."""

    name: str
    function: Callable[..., Any]
    samples: tuple[Sample, ...]
    primitive: type[Function] | None
    """The class that has the rule; None for a composition."""


OPERATIONS: dict[str, Operation] = {}


def primitive(cls: type[Function]) -> Callable[..., Any]:
    """The public function of a primitive: ``sum(x, axis=0)`` makes and calls ``Sum(axis=0)``.

    The positional arguments of ``forward`` come first, then those of the class.
    """
    signature = _signature(cls)
    inputs = list(inspect.signature(cls.forward).parameters.values())[1:]
    required = len([p for p in inputs if p.default is p.empty])
    count, names = len(inputs), frozenset(p.name for p in inputs)

    # The commonest kinds of primitives get a function that costs least to call.
    def call_1(x: Any) -> Any:
        return cls()(x)

    def call_2(x0: Any, x1: Any) -> Any:
        return cls()(x0, x1)

    def call(*arguments: Any, **params: Any) -> Any:
        if len(arguments) < required or (params and not names.isdisjoint(params)):
            bound = _bind(cls.name, signature, arguments, params)
            arguments, params = tuple(bound.values()), {}
        try:
            function = cls(*arguments[count:], **params)
        except TypeError:
            _bind(cls.name, signature, arguments, params)
            raise
        return function(*arguments[:count])

    function = {("x",): call_1, ("x0", "x1"): call_2}.get(tuple(signature.parameters), call)
    function.__name__ = function.__qualname__ = cls.name
    function.__module__ = cls.__module__
    function.__doc__ = cls.__doc__
    function.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    OPERATIONS[cls.name] = Operation(cls.name, function, cls.samples, cls)
    return function


def composition(*samples: Sample) -> Callable[[Implementation], Implementation]:
    """Register a function of other operations, with the samples it is tested on."""

    def enter(function: Implementation) -> Implementation:
        @functools.wraps(function)
        def call(*arguments: Any, **params: Any) -> Any:
            try:
                y = function(*arguments, **params)
            except OperandError as error:
                raise TypeError(f"{function.__name__}: {error}") from None
            # Operators leave NumPy's scalars where there is no axis: arrays in, arrays out
            return np.asarray(y) if isinstance(y, np.generic) else y

        OPERATIONS[function.__name__] = Operation(function.__name__, call, samples, None)
        return cast(Implementation, call)

    return enter


def _signature(cls: type[Function]) -> inspect.Signature:
    """The arguments of ``forward``, then those of the class."""
    inputs = list(inspect.signature(cls.forward).parameters.values())[1:]
    params = [] if cls.__init__ is object.__init__ else inspect.signature(cls).parameters.values()
    return inspect.Signature([p.replace(annotation=p.empty) for p in (*inputs, *params)])


def _bind(name: str, signature: inspect.Signature, arguments: Any, params: Any) -> dict[str, Any]:
    """The arguments by name; TypeError in the operation's name if they do not fit."""
    try:
        bound = signature.bind(*arguments, **params)
    except TypeError as error:
        raise TypeError(f"{name}: {error}; the call is {name}{signature}") from None
    bound.apply_defaults()
    return bound.arguments
