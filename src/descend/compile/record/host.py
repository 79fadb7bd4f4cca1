"""Calls of Python while the program runs, for what the graph has no operations for."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# (NumPy's arrays have unknown parameters here)

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from descend.compile.errors import TraceError
from descend.compile.graph import Node, Shape
from descend.compile.lazy.array import A_VALUE, LazyArray, emit
from descend.core.config import using_config

Type = tuple[Shape, np.dtype[Any]]


class Place:
    """Where an array stands in a structure of lists, tuples and dicts."""

    def __init__(self, index: int) -> None:
        self.index = index


def taken_apart(structure: Any, kinds: tuple[type, ...]) -> tuple[Any, list[Any]]:
    """The structure with a Place for everything of these kinds, and what stood there."""
    found: list[Any] = []

    def walk(x: Any) -> Any:
        if isinstance(x, kinds):
            found.append(x)
            return Place(len(found) - 1)
        return _with_parts(x, walk)

    return walk(structure), found


def put_together(structure: Any, xs: list[Any]) -> Any:
    """The structure with these in the places."""
    if isinstance(structure, Place):
        return xs[structure.index]
    return _with_parts(structure, lambda part: put_together(part, xs))


def _with_parts(x: Any, change: Callable[[Any], Any]) -> Any:
    """A list, tuple, named tuple or dict with its parts changed; anything else itself."""
    if type(x) in (list, tuple):
        return type(x)(change(part) for part in x)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(change(part) for part in x))
    if type(x) is dict:
        return {key: change(part) for key, part in x.items()}
    return x


def builder(structure: Any) -> Callable[[Sequence[Any]], Any]:
    """`put_together` for a structure that is known beforehand."""
    if isinstance(structure, Place):
        return itemgetter(structure.index)
    if not taken_apart(structure, (Place, list, dict))[1]:  # nothing to fill in or to change
        return lambda xs: structure
    if type(structure) is dict:
        keys: list[Any] = list(structure)
        values = builder(list(structure.values()))
        return lambda xs: dict(zip(keys, values(xs), strict=True))
    kind: Any = type(structure)
    parts = [builder(part) for part in structure]

    def build(xs: Sequence[Any]) -> Any:
        found = [part(xs) for part in parts]
        return kind(found) if kind in (list, tuple) else kind(*found)

    return build


class HostCall:
    """A function with its arguments, in which the recorded arrays are still to come."""

    def __init__(self, function: Callable[..., Any], structure: Any) -> None:
        self.function = function
        args, kwargs = structure
        self.args, self.kwargs = builder(args), builder(kwargs)
        self.types: tuple[Type, ...] | None = None
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def answer(self, arrays: Sequence[Any]) -> Any:
        """What the function answers for these arrays."""
        return self.function(*self.args(arrays), **self.kwargs(arrays))

    def __call__(self, *arrays: Any) -> list[Any]:
        """The arrays in the answer; ValueError if they are not as they were recorded."""
        answer = self.answer(arrays)
        found = [answer] if isinstance(answer, ARRAYS) else taken_apart(answer, ARRAYS)[1]
        types = tuple([(x.shape, x.dtype) for x in found])
        if self.types is not None and types != self.types:
            raise ValueError(
                f"{self.__name__}: answered {types} while the program ran, and {self.types} while "
                f"it was recorded: take it out of the compiled function"
            )
        return found


ARRAYS = (np.ndarray, np.generic)


def host_call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    like: Callable[..., Any] | None = None,
) -> Any:
    """``function(*args, **kwargs)``, called while the program runs; the answer has LazyArrays.

    The shapes and dtypes of its arrays are those that ``like`` answers for the same arguments, or
    they are found by calling it once, on ones; where it refuses those (the inverse of a matrix of
    ones), on unit matrices.
    """
    structure, xs = taken_apart((args, kwargs), (LazyArray,))
    call = HostCall(like or function, structure)
    with using_config("trace", None), np.errstate(all="ignore"):
        try:
            answer = call.answer([np.ones(x.shape, x.dtype) for x in xs])
        except (ValueError, ArithmeticError):  # LinAlgError is a ValueError
            answer = call.answer([_unit(x.shape, x.dtype) for x in xs])
    call.function = function
    call.__name__ = getattr(function, "__name__", call.__name__)
    shape, found = taken_apart(answer, ARRAYS)
    if not found:
        raise TraceError(A_VALUE, "take it out of the compiled function")
    call.types = tuple((np.shape(x), x.dtype) for x in found)
    host = emit("host", *[x.node for x in xs], call=call, types=call.types)
    return put_together(shape, [LazyArray(_part(host, i)) for i in range(len(found))])


def _unit(shape: Shape, dtype: np.dtype[Any]) -> Any:
    """Unit matrices; ones where there are less than two axes."""
    unit = np.eye(*shape[-2:], dtype=dtype) if len(shape) > 1 else np.ones((), dtype)
    return np.broadcast_to(unit, shape).copy()


def _part(host: Node, index: int) -> Node:
    return emit("part", host, index=index)
