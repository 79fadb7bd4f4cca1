"""What runs along an axis: products, sums of exponentials, extremes, differences."""

from __future__ import annotations

from itertools import pairwise
from math import isqrt
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import Array, conj, get_array_module
from descend.core.function import Function, as_operand
from descend.core.variable import Variable, array_of
from descend.functions.axis import along, axis_of
from descend.functions.kinds import beside
from descend.functions.registry import Sample, composition

ALL_BUT_FIRST, ALL_BUT_LAST = slice(1, None), slice(None, -1)
BACKWARDS = slice(None, None, -1)
LONG = 64
"""From this length on, of lines fewer than this, a `Recurrence` is computed in blocks."""


class Recurrence(Function):
    """y[0] = x[0], y[i] = factor[i - 1] * y[i - 1] + x[i] along an axis; or from its other end.

    The rule of what runs along an axis, and its own: the gradient to x is the recurrence with the
    same factors in the other direction. ``factor`` is one shorter than x along the axis.
    """

    def __init__(self, axis: int, backwards: bool = False) -> None:
        self.axis = axis
        self.backwards = backwards

    def forward(self, x, factor):
        size = x.shape[self.axis]
        if size == 0:
            return x.copy()
        if size >= LONG and x.size < LONG * size and isinstance(x, np.ndarray):
            y = self._in_blocks(x, factor)
            if y is not None:
                return y
        order = range(size - 1, -1, -1) if self.backwards else range(size)
        y = x[along(self.axis, order[0])]
        ys = [y]
        for before, place in pairwise(order):
            y = factor[along(self.axis, min(before, place))] * y + x[along(self.axis, place)]
            ys.append(y)
        return get_array_module(x).stack(ys[::-1] if self.backwards else ys, axis=self.axis)

    def _in_blocks(self, x: np.ndarray, factor: np.ndarray) -> np.ndarray | None:
        """Few long lines, cut into blocks that run beside each other: sqrt(N) steps instead of N.

        None where the product of a block's factors overflows: it may meet a 0.
        """
        order, dtype = BACKWARDS if self.backwards else slice(None), np.result_type(x, factor)
        x = np.moveaxis(x, self.axis, 0)[order]
        factor = np.moveaxis(factor, self.axis, 0)[order]
        count = isqrt(len(x))
        length = -(-len(x) // count)
        shape = (count, length, *x.shape[1:])
        wide = np.result_type(dtype, np.float32)  # small products leave the range of float16
        y, products = np.zeros((2, count * length, *x.shape[1:]), wide)
        y[: len(x)], products[1 : len(x)] = x, factor
        y, factor = y.reshape(shape), products.reshape(shape)
        products = factor.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            for i in range(1, length):
                y[:, i] += factor[:, i] * y[:, i - 1]
                products[:, i] *= products[:, i - 1]
        if not np.isfinite(products).all():
            return None
        for block in range(1, count):
            y[block] += products[block] * y[block - 1, -1]
        y = y.reshape(count * length, *shape[2:])[: len(x)][order]
        return np.moveaxis(y, 0, self.axis).astype(dtype, copy=False)

    def backward(self, gy, *, factor, y):
        gx = Recurrence(self.axis, not self.backwards)(gy, conj(factor))
        y = conj(y)
        first, rest = along(self.axis, ALL_BUT_LAST), along(self.axis, ALL_BUT_FIRST)
        return gx, gx[first] * y[rest] if self.backwards else gx[rest] * y[first]


class CumProd(Function):
    """The running product along ``axis``."""

    name = "cumprod"

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x):
        xp = get_array_module(x)
        if x.dtype == np.float16:
            return xp.cumprod(x, axis=self.axis, dtype=np.float32).astype(np.float16)
        return xp.cumprod(x, axis=self.axis)

    def backward(self, gy, *, x, y):
        # What comes before x[i] times the sum of gy times what lies between: no division by x
        first, rest = along(self.axis, ALL_BUT_LAST), along(self.axis, ALL_BUT_FIRST)
        one = F.ones_like(x[along(self.axis, slice(1))])
        before = F.concatenate([one, y[first]], self.axis)
        return conj(before) * Recurrence(self.axis, backwards=True)(gy, conj(x[rest]))


class LogCumSumExp(Function):
    """log(cumsum(exp(x))) along ``axis``."""

    name = "logcumsumexp"

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x):
        y = x.astype(np.float32) if x.dtype == np.float16 else x
        if isinstance(y, np.ndarray):
            return np.logaddexp.accumulate(y, axis=self.axis).astype(x.dtype, copy=False)
        reach = 1  # each element holds the sum of this many, of twice as many after each round
        while reach < x.shape[self.axis]:
            first, rest = along(self.axis, slice(reach)), along(self.axis, slice(reach, None))
            earlier = y[along(self.axis, slice(None, -reach))]
            added = _log_add(y[rest], earlier)
            y = get_array_module(x).concatenate([y[first], added], axis=self.axis)
            reach *= 2
        return y.astype(x.dtype)

    def backward(self, gy, *, x, y):
        # Of gy[k] a part exp(x[i] - y[k]) goes to x[i], i <= k: products of numbers up to 1
        finite = get_array_module(array_of(y)).isfinite(array_of(y))
        first, rest = along(self.axis, ALL_BUT_LAST), along(self.axis, ALL_BUT_FIRST)
        y = F.where(finite, y, 0)
        steps = F.exp(F.where(finite[first], y[first] - y[rest], 0))
        return F.exp(x - y) * Recurrence(self.axis, backwards=True)(gy, steps)


def _log_add(x0: Array, x1: Array) -> Array:
    """log(exp(x0) + exp(x1)) without overflow, of arrays."""
    xp = get_array_module(x0, x1)
    with np.errstate(invalid="ignore"):  # inf - inf, which is replaced
        distance = xp.where(x0 == x1, 0, x0 - x1)
    return xp.maximum(x0, x1) + xp.log1p(xp.exp(-xp.abs(distance)))


LINES = (Sample((3, 4)), Sample((2, 3), axis=-1), Sample((3, 2), axis=0), Sample((0,), axis=0))


@composition(*LINES, Sample((3,), complex=True))
def cumprod(x, axis=None):
    """The running product along ``axis``, along the flattened x if None.

    Nothing is divided: every derivative is right, too, where one or several elements are 0.

    >>> x = Variable(np.array([2.0, 0.0, 3.0]))
    >>> F.cumprod(x).sum().backward()
    >>> x.grad
    Variable([1. 8. 0.])
    """
    x, axis = _line("cumprod", x, axis)
    if x.dtype.kind in "bui":  # as NumPy: small integers would overflow
        x = F.astype(x, np.uint64 if x.dtype.kind == "u" else np.int64)
    return CumProd(axis)(x)


@composition(*LINES, Sample((4,), low=-400, high=400))
def logcumsumexp(x, axis=None):
    """log(cumsum(exp(x))) along ``axis``, along the flattened x if None, without overflow.

    It is -inf with gradient 0 as long as all of x is -inf.

    >>> F.logcumsumexp(np.array([1000.0, 1000.0]))
    array([1000.        , 1000.69314718])
    """
    x, axis = _line("logcumsumexp", x, axis)
    return LogCumSumExp(axis)(x)


def _line(name: str, x: Any, axis: int | None) -> tuple[Any, int]:
    """x and the axis, counted from the front; None makes x one line."""
    x = as_operand(x)
    if axis is None:
        return F.ravel(x), 0
    return x, axis_of(name, axis, x.ndim)


INITIAL = (Sample((3,)), Sample((2, 3), axis=-1), Sample((3, 2), axis=0, include_initial=True))


@composition(*INITIAL)
def cumulative_sum(x, *, axis=None, include_initial=False):
    """The array API's `cumsum`: ``axis`` is needed but where x has one only.

    With ``include_initial`` the sum of no elements, 0, stands in front.

    >>> F.cumulative_sum(np.array([1.0, 2.0]), include_initial=True)
    array([0., 1., 3.])
    """
    return _with_initial("cumulative_sum", F.cumsum, 0, x, axis, include_initial)


@composition(*INITIAL)
def cumulative_prod(x, *, axis=None, include_initial=False):
    """The array API's `cumprod`: ``axis`` is needed but where x has one only.

    With ``include_initial`` the product of no elements, 1, stands in front.

    >>> F.cumulative_prod(np.array([3.0, 2.0]), include_initial=True)
    array([1., 3., 6.])
    """
    return _with_initial("cumulative_prod", cumprod, 1, x, axis, include_initial)


def _with_initial(name: str, running: Any, initial: int, x: Any, axis: Any, included: bool) -> Any:
    """What runs along an axis, behind what it is of no elements."""
    x = as_operand(x)
    if axis is None and x.ndim != 1:
        raise ValueError(f"{name}: axis is needed for x {x.shape}, which has {x.ndim} axes")
    axis = axis_of(name, 0 if axis is None else axis, x.ndim)
    y = running(x, axis)
    if not included:
        return y
    shape = tuple(1 if i == axis else size for i, size in enumerate(x.shape))
    return F.concatenate([beside(x, np.full(shape, initial, y.dtype)), y], axis)


# ---- extremes ---------------------------------------------------------------------------------


@composition(Sample((4,), 0), Sample((2, 5), axis=-1), Sample(np.array([1.0, 3.0, 3.0, 2.0]), 0))
def cummax(x, axis):
    """The largest element so far along ``axis``, and where it is: (values, indices).

    Of equal ones the last counts, as in PyTorch: it gets the gradient. After a NaN all is NaN.

    >>> F.cummax(np.array([1.0, 3.0, 2.0]), 0)
    (array([1., 3., 3.]), array([0, 1, 1]))
    """
    return _running_extreme("cummax", x, axis)


@composition(Sample((4,), 0), Sample((2, 5), axis=-1), Sample(np.array([3.0, 1.0, 1.0, 2.0]), 0))
def cummin(x, axis):
    """The smallest element so far along ``axis``, and where it is: (values, indices).

    Of equal ones the last counts, as in PyTorch: it gets the gradient. After a NaN all is NaN.

    >>> F.cummin(np.array([3.0, 1.0, 2.0]), 0)
    (array([3., 1., 1.]), array([0, 1, 1]))
    """
    return _running_extreme("cummin", x, axis)


def _running_extreme(name: str, x: Any, axis: int) -> tuple[Any, Any]:
    """The values of cummax or cummin and their places."""
    x = as_operand(x)
    axis = axis_of(name, axis, x.ndim)
    values = array_of(x)
    lengths = tuple(-1 if i == axis else 1 for i in range(x.ndim))
    numbers = np.arange(x.shape[axis]).reshape(lengths)
    places = F.broadcast_to(beside(x, numbers), x.shape)
    reach = 1  # as in LogCumSumExp
    while reach < x.shape[axis]:
        first, rest = along(axis, slice(reach)), along(axis, slice(reach, None))
        before = along(axis, slice(None, -reach))
        earlier, later = values[before], values[rest]
        passes = earlier > later if name == "cummax" else earlier < later
        passes = F.logical_or(passes, F.logical_and(F.isnan(earlier), F.equal(later, later)))
        values = F.concatenate([values[first], F.where(passes, earlier, later)], axis)
        kept = F.where(passes, places[before], places[rest])
        places = F.concatenate([places[first], kept], axis)
        reach *= 2
    y = F.take_along_axis(x, places, axis)
    return y, Variable(places, requires_grad=False) if isinstance(x, Variable) else places


# ---- differences ------------------------------------------------------------------------------


@composition(
    Sample((3, 4)),
    Sample((4, 2), n=2, axis=0),
    Sample((2, 3), 1, -1, 0.0, (2, 2)),
    Sample((2,), n=3),
)
def diff(x, n=1, axis=-1, prepend=None, append=None):
    """The differences of neighbours along ``axis``, taken n times.

    ``prepend`` and ``append`` are put before and behind x first; a number is repeated.

    >>> F.diff(np.array([1.0, 4.0, 9.0]))
    array([3., 5.])
    """
    x = as_operand(x)
    if n < 0:
        raise ValueError(f"diff: n is {n}, it must not be negative")
    axis = axis_of("diff", axis, x.ndim)
    parts = [x if part is x else _border(part, x, axis) for part in (prepend, x, append)]
    x = F.concatenate([part for part in parts if part is not None], axis) if n else x
    for _ in range(n):
        later, earlier = x[along(axis, ALL_BUT_FIRST)], x[along(axis, ALL_BUT_LAST)]
        x = F.not_equal(later, earlier) if x.dtype == bool else later - earlier
    return x


def _border(part: Any, x: Any, axis: int) -> Any:
    """What is put beside x along an axis; a number is as wide as x and 1 long."""
    if part is None:
        return None
    if np.ndim(array_of(part)) == 0:
        shape = tuple(1 if i == axis else size for i, size in enumerate(x.shape))
        return beside(x, np.zeros(shape, x.dtype)) + part
    return as_operand(part)


@composition(Sample((2, 3)), Sample((3,), to_end=np.array([5.0, 6.0]), to_begin=-1.0))
def ediff1d(x, to_end=None, to_begin=None):
    """The differences of neighbours in the flattened x, with what is put beside them.

    >>> F.ediff1d(np.array([1.0, 4.0, 9.0]), to_begin=0.0)
    array([0., 3., 5.])
    """
    x = F.ravel(x)
    parts = [to_begin, x[1:] - x[:-1], to_end]
    parts = [F.astype(F.ravel(beside(x, part)), x.dtype) for part in parts if part is not None]
    return F.concatenate(parts) if len(parts) > 1 else parts[0]
