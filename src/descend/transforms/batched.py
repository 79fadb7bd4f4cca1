"""An array of many examples that looks like the array of one: what `vmap` hands to a function.

A `Batched` holds an array or Variable with a hidden leading axis, one row for each example. A
Function that meets one is called with the hidden axis made explicit (`batching` says how), so that
Variables always know all their axes, and gradients need no rules of their own here.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

import numpy as np

from descend import functions as F
from descend.core import protocols
from descend.core.arrays import Overriding, as_array, get_array_module, register
from descend.core.operators import Operators
from descend.core.variable import Variable, array_of

_depths = itertools.count()


class Level:
    """A hidden axis: how many examples lie along it. Those made later lie deeper."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.depth = next(_depths)


_levels: ContextVar[tuple[Level, ...]] = ContextVar("levels", default=())


def levels_now() -> tuple[Level, ...]:
    """The hidden axes of the vmaps that are running, the outermost first."""
    return _levels.get()


@contextmanager
def using_levels(levels: tuple[Level, ...]) -> Iterator[None]:
    """A block in which these vmaps are running."""
    token = _levels.set(levels)
    try:
        yield
    finally:
        _levels.reset(token)


class Batched(Overriding, Operators):
    """What looks like one example; ``data`` has all of them along its first axis."""

    __array_priority__ = 300
    __slots__ = ("data", "level")

    def __init__(self, data: Any, level: Level) -> None:
        self.data = data
        self.level = level

    # ---- what an example answers ------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of an example's axes."""
        return self.data.shape[1:]

    @property
    def ndim(self) -> int:
        """The number of an example's axes."""
        return self.data.ndim - 1

    @property
    def size(self) -> int:
        """The number of an example's elements."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def dtype(self) -> Any:
        """The type of the elements."""
        return self.data.dtype

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient may be asked for."""
        return getattr(self.data, "requires_grad", False)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len: an example without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Any:
        if self.ndim == 0:
            raise TypeError("iteration: an example without axes has no elements to go through")
        return (self[i] for i in range(len(self)))

    def _refuse(self, what: str) -> NoReturn:
        raise TypeError(
            f"{what}: inside vmap the value differs from example to example; F.where chooses by "
            f"element, and what needs the numbers belongs outside"
        )

    def __bool__(self) -> bool:
        self._refuse("bool")

    def __float__(self) -> float:
        self._refuse("float")

    def __int__(self) -> int:
        self._refuse("int")

    def __index__(self) -> int:
        self._refuse("index")

    def item(self) -> Any:
        """TypeError: an element of one example is not known."""
        self._refuse("item")

    def tolist(self) -> Any:
        """TypeError: the elements of one example are not known."""
        self._refuse("tolist")

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("assignment: inside vmap elements are not set; use F.where")

    def __repr__(self) -> str:
        return f"Batched({self.level.size} examples of {self.dtype} {self.shape})"

    def detach(self) -> Batched:
        """The same without a gradient."""
        return Batched(F.stop_gradient(self.data), self.level)

    def values(self) -> Batched:
        """The same without Variables in it."""
        return Batched(array_of(self.data), self.level)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """The index of the largest element of each example."""
        return argmax(self, axis, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """The index of the smallest element of each example."""
        return argmin(self, axis, keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether any element is true, for each example."""
        return any(self, axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether all elements are true, for each example."""
        return all(self, axis, keepdims)

    def __eq__(self, other: object) -> Any:
        return equal(self, other)

    def __ne__(self, other: object) -> Any:
        return not_equal(self, other)

    def __lt__(self, other: Any) -> Any:
        return less(self, other)

    def __le__(self, other: Any) -> Any:
        return less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return greater_equal(self, other)

    __hash__ = object.__hash__

    def __and__(self, other: Any) -> Any:
        return of_values(np.bitwise_and, self, other)

    def __or__(self, other: Any) -> Any:
        return of_values(np.bitwise_or, self, other)

    def __xor__(self, other: Any) -> Any:
        return of_values(np.bitwise_xor, self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Any:
        return of_values(np.invert, self)

    __array_ufunc__ = protocols.array_ufunc
    __array_function__ = protocols.array_function

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        self._refuse("np.asarray")

    def apply(self, function: Any, xs: tuple[Any, ...]) -> Any:
        """What a Function answers for these: `batching` makes the hidden axis explicit."""
        from descend.transforms.batching import batched_call

        return batched_call(function, xs)


# ---- the hidden axis ----------------------------------------------------------------------------


def innermost(xs: Sequence[Any]) -> Level:
    """The level of the vmap that was begun last, of those whose examples are among these."""
    return max((x.level for x in xs if isinstance(x, Batched)), key=lambda level: level.depth)


def row(x: Any, level: Level) -> Any:
    """What an operation at this level sees of x: all examples, or x where it is no example."""
    return x.data if isinstance(x, Batched) and x.level is level else x


def aligned(xs: Sequence[Any], level: Level) -> list[Any]:
    """The examples with axes of length 1 behind the hidden one, so that they broadcast."""
    ndim = max(np.ndim(x) if not hasattr(x, "ndim") else x.ndim for x in xs)
    found: list[Any] = []
    for x in xs:
        if isinstance(x, Batched) and x.level is level:
            data = x.data
            if x.ndim < ndim:
                data = F.reshape(data, (level.size, *(1,) * (ndim - x.ndim), *x.shape))
            found.append(data)
        else:
            found.append(x)
    return found


def repeated(x: Any, level: Level) -> Any:
    """All examples of x, which is the same for each if it is no example: (size, ...)."""
    if isinstance(x, Batched) and x.level is level:
        return x.data
    x = x if isinstance(x, Variable | Batched) else as_array(x)
    return F.broadcast_to(x, (level.size, *x.shape))


def entered(x: Any, levels: tuple[Level, ...], leaf: Callable[[Any], Any]) -> Any:
    """x with ``leaf`` applied to what all vmaps' examples are: each has a part of its own."""
    if not levels:
        return leaf(x)
    *outer, level = levels
    return Batched(entered(repeated(x, level), tuple(outer), leaf), level)


def left(x: Any, levels: tuple[Level, ...]) -> Any:
    """What is behind x, with the hidden axes of all vmaps; x itself if it is no example."""
    if not isinstance(x, Batched) and not isinstance(x, Variable):
        return x
    for level in reversed(levels):
        x = repeated(x, level)
    return x


# ---- the array module: values without derivatives, and all the rest from F ----------------------


def of_values(function: Callable[..., Any], *xs: Any, **params: Any) -> Any:
    """A function of elements without a derivative."""
    level = innermost(xs)
    values = [array_of(x) for x in aligned(xs, level)]
    inner = next((x for x in values if isinstance(x, Batched)), None)
    if inner is not None:
        return Batched(of_values(function, *values, **params), level)
    return Batched(as_array(function(*values, **params)), level)


def _elements(name: str) -> Callable[..., Any]:
    def function(*xs: Any, **params: Any) -> Any:
        return of_values(getattr(np, name), *xs, **params)

    function.__name__ = name
    return function


def _places(name: str) -> Callable[..., Any]:
    """A function of values along axes: argmax, any, ..."""

    def function(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        values = array_of(x.data)
        xp = get_array_module(values)
        if axis is None:
            shape = x.shape
            flat = xp.reshape(values, (x.level.size, -1))
            y = getattr(xp, name)(flat, axis=1)
            y = xp.reshape(y, (x.level.size, *(1,) * len(shape))) if keepdims else y
        else:
            axes = axis if isinstance(axis, tuple) else (axis,)
            moved = tuple(a % x.ndim + 1 for a in axes)
            y = getattr(xp, name)(
                values, axis=moved if isinstance(axis, tuple) else moved[0], keepdims=keepdims
            )
        return Batched(y, x.level)

    function.__name__ = name
    return function


greater, greater_equal, less = map(_elements, ("greater", "greater_equal", "less"))
less_equal, equal, not_equal = map(_elements, ("less_equal", "equal", "not_equal"))
logical_and, logical_or = map(_elements, ("logical_and", "logical_or"))
logical_not = _elements("logical_not")
isfinite, isinf, isnan = map(_elements, ("isfinite", "isinf", "isnan"))
argmax, argmin, any, all = map(_places, ("argmax", "argmin", "any", "all"))


def argsort(x: Any, axis: int = -1, **params: Any) -> Any:
    """The order of the elements along ``axis`` of each example."""
    return Batched(np.argsort(array_of(x.data), axis=axis % x.ndim + 1, **params), x.level)


def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """``fill_value`` in the shape of x."""
    return Batched(np.full((x.level.size, *x.shape), fill_value, dtype or x.dtype), x.level)


def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros in the shape of x."""
    return full_like(x, 0, dtype)


def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones in the shape of x."""
    return full_like(x, 1, dtype)


OF_NUMPY = frozenset("zeros ones full empty arange asarray float32 float64 int64 bool lib".split())


def __getattr__(name: str) -> Any:
    """All else is F's, whose Functions find their way here; arrays out of nothing are NumPy's."""
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(np, name) if name in OF_NUMPY else getattr(F, name)


register(Batched, sys.modules[__name__])
