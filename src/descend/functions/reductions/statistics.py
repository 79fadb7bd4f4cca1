"""Norms, averages, covariances and counts."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import conj
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.axis import axes_of
from descend.functions.kinds import beside
from descend.functions.reductions.reduction import REDUCTIONS
from descend.functions.registry import Sample, composition

# ---- norms and averages -----------------------------------------------------------------------


@composition(
    Sample((3, 4)),
    Sample((3, 4), 3, axis=0),
    Sample((2, 3), 1, axis=-1, keepdims=True),
    Sample((2, 3, 2), 1.5, axis=(0, 2)),
    Sample((5,), np.inf),
    Sample((2, 3), 0, axis=1),
    Sample((2, 2), 3, axis=1, complex=True),
)
def norm(x, p=2, axis=None, keepdims=False):
    """The p-norm sum(abs(x)**p)**(1 / p) of the elements over ``axis``, of all if None.

    p = inf is the largest absolute value, -inf the smallest, 0 the number of elements that are
    not 0. Where x is all 0 the gradient is 0; for a p that is no even number also where an
    element is 0.

    >>> x = Variable(np.array([[3.0, 4.0], [0.0, 0.0]]))
    >>> y = F.norm(x, axis=1)
    >>> y.sum().backward()
    >>> x.grad
    Variable([[0.6 0.8]
              [0.  0. ]])
    """
    x = as_operand(x)
    axes_of("norm", axis, x.ndim)
    if x.dtype == np.float16:
        return F.astype(norm(F.astype(x, np.float32), p, axis, keepdims), np.float16)
    if x.dtype.kind not in "fc":
        x = F.astype(x, np.float64)
    if x.dtype.kind == "c":
        x = F.abs(x)
    if p == 1:
        return F.sum(F.abs(x), axis, keepdims)
    if p == 0:
        return F.sum(F.abs(F.sign(x)), axis, keepdims)
    if p in (np.inf, -np.inf):
        return (F.max if p > 0 else F.min)(F.abs(x), axis, keepdims)
    if p == 2:
        return root(F.sum(F.square(x), axis, keepdims), 0.5)
    # Divided by the largest, powers neither overflow nor vanish; as a constant it cancels
    size = F.abs(array_of(x))
    largest = F.max(size, axis, keepdims=True) if x.size else beside(x, np.ones((), x.dtype))
    scale = F.where(F.logical_and(largest > 0, F.isfinite(largest)), largest, 1)
    total = root(F.sum(_power(x / scale, p), axis, keepdims), 1 / p)
    return total * F.reshape(F.astype(scale, x.dtype), total.shape if x.size else ())


def _power(x: Any, p: float) -> Any:
    """abs(x)**p, without derivatives that are infinite at 0."""
    if p > 0 and p % 2 == 0:
        return x**p
    zero = F.equal(x, 0)
    return F.where(zero, 0 if p > 0 else np.inf, F.where(zero, 1, F.abs(x)) ** p)


def root(x: Any, power: float) -> Any:
    """x**power of numbers that are not negative, with derivatives 0 where x is 0 or infinite."""
    regular = F.logical_and(F.not_equal(x, 0), F.isfinite(x))
    y = F.where(regular, x, 1)
    y = F.sqrt(y) if power == 0.5 else y**power
    edge = F.where(regular, 1, array_of(x)) ** power
    return F.where(regular, y, edge)


@composition(
    Sample((3, 4)),
    Sample((3, 4), 0, (3,), low=0.3, high=2),
    Sample((2, 3), axis=(0, 1), weights=np.arange(6.0).reshape(2, 3), keepdims=True),
)
def average(x, axis=None, weights=None, returned=False, keepdims=False):
    """The mean over ``axis`` in which each element counts by its weight.

    The weights have x's shape, or that of the axes that are averaged over; they get a gradient,
    too. With ``returned`` their sums come second. Weights that add up to 0 give NaN or infinity.

    >>> F.average(np.array([1.0, 3.0]), weights=np.array([3.0, 1.0]))
    array(1.5)
    """
    x = as_operand(x)
    axes = axes_of("average", axis, x.ndim)
    if weights is None:
        y = F.mean(x, axis, keepdims)
        total = prod(x.shape[i] for i in axes)
        return (y, F.full_like(y, total)) if returned else y
    weights = _weights_for("average", beside(x, weights), x, axes if axis is not None else None)
    total = F.sum(weights, axis, keepdims)
    y = F.sum(x * weights, axis, keepdims) / total
    return (y, F.broadcast_to(total, y.shape)) if returned else y


def _weights_for(name: str, weights: Any, x: Any, axes: tuple[int, ...] | None) -> Any:
    """The weights in x's shape."""
    if weights.shape == x.shape:
        return weights
    if axes is None or weights.shape != tuple(x.shape[i] for i in axes):
        raise ValueError(
            f"{name}: weights {weights.shape} are neither of x's shape {x.shape} nor of that of "
            f"the axes averaged over"
        )
    order = sorted(range(len(axes)), key=lambda i: axes[i])
    shape = tuple(size if i in axes else 1 for i, size in enumerate(x.shape))
    return F.broadcast_to(F.reshape(F.transpose(weights, order), shape), x.shape)


@composition(*REDUCTIONS)
def ptp(x, axis=None, keepdims=False):
    """The largest element over ``axis`` minus the smallest; equal ones share the gradient evenly.

    >>> F.ptp(np.array([1.0, 4.0, 3.0]))
    array(3.)
    """
    return F.max(x, axis, keepdims) - F.min(x, axis, keepdims)


# ---- several variables ------------------------------------------------------------------------


@composition(
    Sample((3, 5)),
    Sample((4,), (4,), ddof=0),
    Sample((5, 2), rowvar=False, aweights=np.array([1.0, 2.0, 0.5, 1.0, 3.0])),
    Sample((2, 3), bias=True, fweights=np.array([1, 0, 2])),
    Sample((2, 3), complex=True),
)
def cov(x, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None):
    """The covariance of the rows of x (and y), of the columns without ``rowvar``: (N, N).

    It is divided by n - ddof, where ddof is 1, or 0 with ``bias``. ``fweights`` say how often an
    observation counts, ``aweights`` how much. For a single row it has no axes.

    >>> F.cov(np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    rows = _variables("cov", x, rowvar)
    if y is not None:
        rows = F.concatenate([rows, _variables("cov", y, rowvar)], 0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    count = rows.shape[1]
    weights = [beside(rows, part) for part in (fweights, aweights) if part is not None]
    if not weights:
        distance = rows - F.mean(rows, 1, keepdims=True)
        freedom = count - ddof
        left = distance
    else:
        for part in weights:
            if part.shape != (count,):
                raise ValueError(f"cov: weights {part.shape} came for {count} observations")
        weight = F.astype(weights[0] if len(weights) == 1 else weights[0] * weights[1], rows.dtype)
        total = F.sum(weight)
        distance = rows - (F.sum(rows * weight, 1, keepdims=True) / total)
        left = distance * weight
        again = total * ddof
        if ddof and aweights is not None:
            again = ddof * F.sum(weight * F.astype(weights[-1], rows.dtype))
            freedom = total - again / total
        else:
            freedom = total - ddof
    product = F.matmul(left, conj(F.transpose(distance)))
    return F.squeeze(product / freedom)


def _variables(name: str, x: Any, rowvar: bool) -> Any:
    """The variables as rows, floating."""
    x = as_operand(x)
    if x.ndim > 2:
        raise ValueError(f"{name}: x {x.shape} has {x.ndim} axes, at most 2 are needed")
    x = x if x.dtype.kind in "fc" else F.astype(x, np.float64)
    rows = F.atleast_2d(x)
    return rows if rowvar or x.ndim < 2 else F.transpose(rows)


@composition(Sample((3, 5)), Sample((4,), (4,)), Sample((5, 2), rowvar=False))
def corrcoef(x, y=None, rowvar=True):
    """The correlation of the rows of x (and y), of the columns without ``rowvar``: (N, N).

    A row whose elements are all equal has NaN.

    >>> F.corrcoef(np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    c = cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    deviation = F.sqrt(F.diagonal(c).real)
    return c / deviation[:, None] / deviation


# ---- counts -----------------------------------------------------------------------------------


@composition(Sample(np.array([0, 2, 2, 1]), (4,)), Sample(np.array([1, 1]), (2,), minlength=4))
def bincount(x, weights=None, minlength=0):
    """How often each number from 0 on comes in x (N,); with ``weights`` (N,), their sums.

    The weights get a gradient. The answer is as long as x's largest number needs, or
    ``minlength``.

    >>> F.bincount(np.array([0, 2, 2]), np.array([1.0, 0.5, 0.25]))
    array([1.  , 0.  , 0.75])
    """
    x = np.asarray(array_of(x)) if isinstance(array_of(x), (list, tuple)) else array_of(x)
    if x.ndim != 1 or x.dtype.kind not in "iub":
        raise ValueError(f"bincount: x is {x.dtype} {x.shape}, integers along one axis are needed")
    if x.size and int(x.min()) < 0:
        raise ValueError(f"bincount: x has {int(x.min())}, no number may be negative")
    weights = beside(x, np.ones(x.shape, np.int64) if weights is None else weights)
    if weights.shape != x.shape:
        raise ValueError(f"bincount: weights {weights.shape} and x {x.shape} must be equal")
    size = max(minlength, int(x.max()) + 1 if x.size else 0)
    return F.scatter_to(weights, x.astype(np.intp), (size,))
