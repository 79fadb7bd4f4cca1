"""What is not NaN: reductions, running sums and extremes that leave NaN out."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.reductions.statistics import root
from descend.functions.registry import Sample, composition

HOLES = np.array([[1.0, np.nan, 3.0, 2.0], [np.nan, 5.0, np.nan, 4.0]])
PATCHY = (Sample((3, 4), axis=0), Sample(HOLES), Sample(HOLES, axis=1, keepdims=True))


def _filled(x: Any, value: float) -> tuple[Any, Any]:
    """x with ``value`` for NaN, and where it was; values that are left out get no gradient."""
    x = as_operand(x)
    missing = F.isnan(array_of(x))
    return (F.where(missing, value, x) if x.dtype.kind in "fc" else x), missing


@composition(*PATCHY)
def nansum(x, axis=None, keepdims=False):
    """The sum over ``axis`` of what is not NaN.

    >>> F.nansum(np.array([1.0, np.nan, 3.0]))
    array(4.)
    """
    return F.sum(_filled(x, 0)[0], axis, keepdims)


@composition(*PATCHY)
def nanprod(x, axis=None, keepdims=False):
    """The product over ``axis`` of what is not NaN.

    >>> F.nanprod(np.array([2.0, np.nan, 3.0]))
    array(6.)
    """
    return F.prod(_filled(x, 1)[0], axis, keepdims)


@composition(*PATCHY)
def nanmax(x, axis=None, keepdims=False):
    """The largest element over ``axis`` of what is not NaN; NaN where there is nothing else.

    >>> F.nanmax(np.array([1.0, np.nan, 3.0]))
    array(3.)
    """
    return _nan_extreme(F.max, x, -np.inf, axis, keepdims)


@composition(*PATCHY)
def nanmin(x, axis=None, keepdims=False):
    """The smallest element over ``axis`` of what is not NaN; NaN where there is nothing else.

    >>> F.nanmin(np.array([1.0, np.nan, 3.0]))
    array(1.)
    """
    return _nan_extreme(F.min, x, np.inf, axis, keepdims)


def _nan_extreme(extreme: Any, x: Any, fill: float, axis: Any, keepdims: bool) -> Any:
    filled, missing = _filled(x, fill)
    y = extreme(filled, axis, keepdims)
    if filled.dtype.kind not in "fc":
        return y
    return F.where(F.all(missing, axis=axis, keepdims=keepdims), np.nan, y)


@composition(*PATCHY)
def nanmean(x, axis=None, keepdims=False):
    """The mean over ``axis`` of what is not NaN; NaN with gradient 0 where there is nothing else.

    >>> F.nanmean(np.array([1.0, np.nan, 3.0]))
    array(2.)
    """
    x = as_operand(x)
    if x.dtype == np.float16:
        return F.astype(nanmean(F.astype(x, np.float32), axis, keepdims), np.float16)
    filled, missing = _filled(x, 0)
    return _ratio(F.sum(filled, axis, keepdims), _number(missing, axis, keepdims))


@composition(*PATCHY, Sample(HOLES, axis=1, ddof=1))
def nanvar(x, axis=None, ddof=0, keepdims=False):
    """The variance over ``axis`` of what is not NaN, see `var`; NaN where n - ddof is not positive.

    >>> F.nanvar(np.array([1.0, np.nan, 3.0]))
    array(1.)
    """
    x = as_operand(x)
    if x.dtype == np.float16:
        return F.astype(nanvar(F.astype(x, np.float32), axis, ddof, keepdims), np.float16)
    filled, missing = _filled(x, 0)
    center = _ratio(F.sum(filled, axis, True), F.maximum(_number(missing, axis, True), 1))
    distance = F.where(missing, 0, filled - center)
    count = _number(missing, axis, keepdims) - ddof
    return _ratio(F.sum(F.square(distance), axis, keepdims), count)


@composition(*PATCHY[:2], Sample(HOLES, axis=1, ddof=1))
def nanstd(x, axis=None, ddof=0, keepdims=False):
    """The standard deviation over ``axis`` of what is not NaN, see `nanvar` and `std`.

    >>> F.nanstd(np.array([1.0, np.nan, 3.0]))
    array(1.)
    """
    return root(nanvar(x, axis, ddof, keepdims), 0.5)


def _number(missing: Any, axis: Any, keepdims: bool) -> Any:
    """How many are not missing."""
    return F.sum(F.logical_not(missing), axis, keepdims)


def _ratio(total: Any, count: Any) -> Any:
    """total / count in total's dtype, NaN without a gradient where there is nothing to count."""
    some = count > 0
    dtype = total.dtype if total.dtype.kind in "fc" else np.dtype(np.float64)
    return F.where(some, total / F.astype(as_operand(F.maximum(count, 1)), dtype), np.nan)


@composition(Sample((3, 4)), Sample((2, 3), axis=-1), Sample(HOLES, axis=0), Sample(HOLES))
def nancumsum(x, axis=None):
    """The running sum along ``axis``, of the flattened x if None, in which NaN counts as 0.

    >>> F.nancumsum(np.array([1.0, np.nan, 3.0]))
    array([1., 1., 4.])
    """
    return F.cumsum(_filled(x, 0)[0], axis)


@composition(Sample((3, 4)), Sample((2, 3), axis=-1), Sample(HOLES, axis=0), Sample(HOLES))
def nancumprod(x, axis=None):
    """The running product along ``axis``, of the flattened x if None, in which NaN counts as 1.

    >>> F.nancumprod(np.array([2.0, np.nan, 3.0]))
    array([2., 2., 6.])
    """
    return F.cumprod(_filled(x, 1)[0], axis)


@composition(Sample((3,), (3,)), Sample(HOLES, HOLES[::-1]), Sample((2, 1), 0.5))
def fmax(x0, x1):
    """The larger of x0 and x1, or the one that is not NaN; equal ones get half the gradient each.

    >>> F.fmax(np.array([1.0, np.nan]), np.array([0.0, 2.0]))
    array([1., 2.])
    """
    return F.maximum(*_without_nan(x0, x1))


@composition(Sample((3,), (3,)), Sample(HOLES, HOLES[::-1]), Sample((2, 1), 0.5))
def fmin(x0, x1):
    """The smaller of x0 and x1, or the one that is not NaN; equal ones get half the gradient each.

    >>> F.fmin(np.array([1.0, np.nan]), np.array([0.0, 2.0]))
    array([0., 2.])
    """
    return F.minimum(*_without_nan(x0, x1))


def _without_nan(x0: Any, x1: Any) -> tuple[Any, Any]:
    """Both, each with the other in the place of NaN: then equal, they share one gradient."""
    nan0, nan1 = F.isnan(array_of(x0)), F.isnan(array_of(x1))
    return F.where(nan0, x1, x0), F.where(nan1, x0, x1)
