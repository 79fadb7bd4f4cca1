"""Many elements into one: sums, extremes, moments."""

from __future__ import annotations

from math import prod as product
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import as_array, broadcast_to, conj, get_array_module
from descend.core.function import Function, as_operand
from descend.core.variable import array_of
from descend.functions.axis import axes_of
from descend.functions.registry import Sample, composition, primitive

REDUCTIONS = (
    Sample((3, 4)),
    Sample((3, 4), axis=0),
    Sample((2, 3, 4), axis=(0, -1), keepdims=True),
    Sample(()),
    Sample((1, 3), axis=0),
)


class Reduction(Function):
    """The base of functions that reduce ``axis`` (None: every axis) to one element."""

    def __init__(self, axis: Any = None, keepdims: bool = False) -> None:
        self.axis = tuple(axis) if isinstance(axis, list) else axis
        self.keepdims = keepdims

    def expanded(self, y: Any, ndim: int) -> Any:
        """An output or its gradient, which broadcasts to the input: reduced axes have length 1."""
        if self.keepdims or ndim == 0 or self.axis is None:
            return y
        shape = [*y.shape]
        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        for axis in sorted(axis % ndim for axis in axes):
            shape.insert(axis, 1)
        return y.reshape(shape)


class Sum(Reduction):
    """The sum over ``axis``, over everything if None; float16 is summed in float32.

    >>> F.sum(Variable(np.ones((2, 3))), axis=0)
    Variable([2. 2. 2.])
    """

    samples = (*REDUCTIONS, Sample((0, 3), axis=0))

    def forward(self, x):
        x = as_array(x)
        if x.dtype.char == "e":
            wide = x.astype(np.float32)
            return wide.sum(axis=self.axis, keepdims=self.keepdims).astype(np.float16)
        return x.sum(axis=self.axis, keepdims=self.keepdims)

    def backward(self, gy, *, x_shape):
        return broadcast_to(self.expanded(gy, len(x_shape)), x_shape)


class Extreme(Reduction):
    """The base of max and min."""

    def forward(self, x):
        return getattr(get_array_module(x), self.name)(x, axis=self.axis, keepdims=self.keepdims)

    def backward(self, gy, *, x, y):
        chosen = array_of(x) == array_of(self.expanded(y, x.ndim))
        xp = get_array_module(chosen)
        # NaN equals nothing: at least 1, so that the gradient is 0 and not 0 / 0
        count = xp.maximum(xp.sum(chosen, axis=self.axis, keepdims=True), 1)
        return self.expanded(gy, x.ndim) * (chosen / count).astype(gy.dtype)


class Max(Extreme):
    """The largest element over ``axis``; equal ones share the gradient evenly.

    >>> x = Variable(np.array([1.0, 3.0, 3.0]))
    >>> F.max(x).backward()
    >>> x.grad
    Variable([0.  0.5 0.5])
    """

    samples = REDUCTIONS


class Min(Extreme):
    """The smallest element over ``axis``; equal ones share the gradient evenly.

    >>> F.min(np.array([[1.0, 3.0], [2.0, 0.0]]), axis=0)
    array([1., 0.])
    """

    samples = REDUCTIONS


class LogSumExp(Reduction):
    """log(sum(exp(x))) over ``axis``, without overflow.

    It is -inf with gradient 0 where all of x is -inf.

    >>> F.logsumexp(np.array([1000.0, 1000.0]))
    array(1000.69314718)
    """

    name = "logsumexp"
    samples = (*REDUCTIONS, Sample((5,), low=-400, high=400))

    def forward(self, x):
        xp = get_array_module(x)
        largest = xp.max(x.real, axis=self.axis, keepdims=True)
        largest = xp.where(xp.isfinite(largest), largest, 0)
        wide = np.float32 if x.dtype == np.float16 else None
        total = xp.sum(xp.exp(x - largest), axis=self.axis, keepdims=True, dtype=wide)
        with np.errstate(divide="ignore"):
            y = xp.log(total) + largest
        y = y if wide is None else y.astype(x.dtype)
        return y if self.keepdims else xp.squeeze(y, axis=self._axes(x.ndim))

    def _axes(self, ndim: int) -> Any:
        return tuple(range(ndim)) if self.axis is None else self.axis

    def backward(self, gy, *, x, y):
        y = F.where(get_array_module(array_of(y)).isfinite(array_of(y)), y, 0)
        return self.expanded(gy, x.ndim) * conj(F.exp(x - self.expanded(y, x.ndim)))


class CumSum(Function):
    """The running sum along ``axis``."""

    name = "cumsum"

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x):
        xp = get_array_module(x)
        if x.dtype == np.float16:
            return xp.cumsum(x, axis=self.axis, dtype=np.float32).astype(np.float16)
        return xp.cumsum(x, axis=self.axis)

    def backward(self, gy):
        axis = self.axis % gy.ndim
        backwards = (*(slice(None),) * axis, slice(None, None, -1))
        return F.cumsum(gy[backwards], axis=axis)[backwards]


sum = primitive(Sum)
max = primitive(Max)
min = primitive(Min)
amax, amin = max, min  # NumPy has both names
logsumexp = primitive(LogSumExp)


@composition(
    Sample((3, 4)), Sample((3, 4), axis=-1), Sample((2, 3, 2), axis=1), Sample((0,), axis=0)
)
def cumsum(x, axis=None):
    """The running sum along ``axis``, along the flattened x if None.

    >>> F.cumsum(np.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])
    """
    return CumSum(0)(F.flatten(x)) if axis is None else CumSum(axis)(x)


@composition(*REDUCTIONS)
def mean(x, axis=None, keepdims=False):
    """The arithmetic mean over ``axis``, over everything if None; float16 is summed in float32.

    >>> F.mean(np.array([[1.0, 3.0], [2.0, 4.0]]), axis=1)
    array([2., 3.])
    """
    x = as_operand(x)
    if x.dtype == np.float16:
        return F.astype(mean(F.astype(x, np.float32), axis, keepdims), np.float16)
    count = _count(x.shape, axes_of("mean", axis, x.ndim))
    return sum(x, axis, keepdims) / count


@composition(*REDUCTIONS, Sample((3, 4), axis=1, ddof=1))
def var(x, axis=None, ddof=0, keepdims=False):
    """The variance over ``axis``: the squared distance from the mean, divided by (n - ddof).

    That of complex numbers is real.

    >>> F.var(np.array([1.0, 3.0]), ddof=1)
    array(2.)
    """
    x = as_operand(x)
    if x.dtype == np.float16:
        return F.astype(var(F.astype(x, np.float32), axis, ddof, keepdims), np.float16)
    count = _count(x.shape, axes_of("var", axis, x.ndim)) - ddof
    distance = x - mean(x, axis, keepdims=True)
    squares = F.square(distance)
    if x.dtype.kind == "c":
        squares = F.square(distance.real) + F.square(distance.imag)
    return sum(squares, axis, keepdims) / (count if count > 0 else 0)


@composition(*REDUCTIONS[:3], Sample((3, 4), axis=1, ddof=1))
def std(x, axis=None, ddof=0, keepdims=False):
    """The standard deviation over ``axis``; where all elements are equal its gradient is 0.

    >>> x = Variable(np.array([2.0, 2.0]))
    >>> F.std(x).backward()
    >>> x.grad
    Variable([0. 0.])
    """
    square = var(x, axis, ddof, keepdims)
    constant = array_of(square) == 0
    return F.where(constant, 0, F.sqrt(F.where(constant, 1, square)))


@composition(*REDUCTIONS, Sample((0, 3), axis=0))
def prod(x, axis=None, keepdims=False):
    """The product over ``axis``, over everything if None.

    Neighbours are multiplied pair by pair, so nothing is divided and every derivative is right
    where some elements are 0.

    >>> x = Variable(np.array([0.0, 3.0, 4.0]))
    >>> F.prod(x).backward()
    >>> x.grad
    Variable([12.  0.  0.])
    """
    x = as_operand(x)
    axes = axes_of("prod", axis, x.ndim)
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    shape = tuple(x.shape[i] for i in kept)
    if x.dtype.kind in "bui":  # as NumPy: small integers would overflow
        x = F.astype(x, np.uint64 if x.dtype.kind == "u" else np.int64)
    count = _count(x.shape, axes)
    y = F.reshape(F.transpose(x, (*kept, *axes)), (*shape, count))
    if count == 0:
        y = sum(y, axis=-1) + 1
    while count > 1:
        half = count // 2
        pairs = y[..., :half] * y[..., half : 2 * half]
        y = F.concatenate([pairs, y[..., 2 * half :]], axis=-1) if count % 2 else pairs
        count -= half
    full = tuple(1 if i in axes else size for i, size in enumerate(x.shape))
    return F.reshape(y, full if keepdims else shape)


def _count(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """How many elements are reduced to one."""
    return product(shape[i] for i in axes)
