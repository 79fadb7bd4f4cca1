"""Elements in order, and what is chosen by its rank: the largest, the median, quantiles.

The order is the stable one everywhere: of equal elements the first comes first, so it is known
which of them gets a gradient. NaN comes after every number.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.function import as_operand
from descend.core.variable import Variable, array_of
from descend.functions.arrangement.indexing import places_along_axis
from descend.functions.axis import along, axes_of, axis_of
from descend.functions.kinds import beside
from descend.functions.registry import Sample, composition

BACKWARDS = slice(None, None, -1)


@composition(
    Sample((5,)), Sample((3, 4), axis=0), Sample((2, 3), axis=None), Sample((2, 0), axis=-1)
)
def sort(x, axis=-1):
    """The elements along ``axis`` from the smallest to the largest; None sorts the flattened x.

    Each gradient goes to where its element came from; of equal elements the first comes first.

    >>> x = Variable(np.array([3.0, 1.0, 1.0]))
    >>> gx = gradients(F.sort(x), x, [np.array([1.0, 2.0, 3.0])])
    >>> gx[0]
    Variable([3. 1. 2.])
    """
    x = as_operand(x)
    if axis is None:
        x, axis = F.ravel(x), 0
    axis = axis_of("sort", axis, x.ndim)
    return _chosen_once(x, F.argsort(x, axis=axis, kind="stable"), axis)


def _chosen_once(x: Any, indices: Any, axis: int) -> Any:
    """The elements at indices along an axis that differ in each line: gradients are not summed."""
    places = places_along_axis("sort", array_of(indices), x.shape, axis)
    return F.getitem(x, places, distinct=True)


@composition(
    Sample((5,), 2),
    Sample((3, 4), 3, axis=0),
    Sample((4,), 2, largest=False),
    Sample(np.array([1.0, 3.0, 3.0, 2.0]), 2),
)
def topk(x, k, axis=-1, largest=True):
    """The k largest (or smallest) elements along ``axis``, and where they are: (values, indices).

    They come in order, of equal ones the first first. NaN counts as larger than every number.

    >>> F.topk(np.array([1.0, 3.0, 2.0]), 2)
    (array([3., 2.]), array([1, 2]))
    """
    x = as_operand(x)
    axis = axis_of("topk", axis, x.ndim)
    size = x.shape[axis]
    if not 0 <= k <= size:
        raise ValueError(f"topk: k is {k}, axis {axis} of x {x.shape} has {size} elements")
    backwards, front = along(axis, BACKWARDS), along(axis, slice(k))
    values = array_of(x)
    if largest:  # counted from the end, so that of equal ones the first is the last to come
        order = size - 1 - F.argsort(values[backwards], axis=axis, kind="stable")[backwards]
    else:
        order = F.argsort(values, axis=axis, kind="stable")
    indices = order[front]
    y = _chosen_once(x, indices, axis)
    return y, Variable(indices, requires_grad=False) if isinstance(x, Variable) else indices


# ---- ranks ------------------------------------------------------------------------------------

BETWEEN = {
    "linear": (1.0, 1.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
"""The methods that draw lines from element to element, with the constants a and b of the rank."""

AT_ONE = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")
"""The methods that choose one element."""

HALFWAY = ("midpoint", "averaged_inverted_cdf")
"""The methods that choose one element, or the middle of two."""

METHODS = (*BETWEEN, *AT_ONE, *HALFWAY)


@composition(
    Sample((5,), 0.3),
    Sample((3, 4), np.array([0.1, 0.9]), axis=0),
    Sample((2, 3, 2), 0.6, axis=(0, -1), keepdims=True),
    Sample((4,), [0.4, 0.45], method="midpoint"),
    Sample((4,), 0.4, method="nearest"),
    Sample((5,), (2,), low=0.05, high=0.95),
    Sample((5,), (3,), low=0.25, high=0.75, method="median_unbiased"),
    Sample((2, 4), [0.05, 0.25, 0.3], axis=1, method="averaged_inverted_cdf"),
)
def quantile(x, q, axis=None, method="linear", keepdims=False, *, weights=None):
    """The value below which the part ``q`` (0 to 1) of the elements over ``axis`` lies.

    It is found by its rank among the n elements in order, counted from 0, in one of the ways that
    NumPy has from R. Hyndman, Y. Fan, "Sample quantiles in statistical packages", 1996,
    doi:10.1080/00031305.1996.10473566:

    - on the line between the elements next to the rank n q + a + q (1 - a - b) - 1: "linear"
      (a = b = 1), "interpolated_inverted_cdf" (a = 0, b = 1), "hazen" (both 1/2), "weibull" (0),
      "median_unbiased" (1/3), "normal_unbiased" (3/8);
    - next to that of "linear": the element below ("lower") or above ("higher") it, the nearest
      ("nearest", the even one of two), or the middle of both ("midpoint");
    - next to n q - 1: the element from there on ("inverted_cdf"), the middle of the two where it
      is a whole number ("averaged_inverted_cdf"), or the nearest element, the odd one of two
      ("closest_observation").

    The elements it was found at get the gradient, of equal ones those that a stable sort puts
    there; ``q`` gets one, too, from the lines. A NaN makes the answer NaN, with gradient 0.
    Several q give a first axis, as in NumPy, whose ``weights`` are not known here.

    >>> x = Variable(np.array([4.0, 1.0, 3.0]))
    >>> F.quantile(x, 0.25).backward()
    >>> x.grad
    Variable([0.  0.5 0.5])
    """
    _refuse_weights("quantile", weights)
    return _quantile("quantile", x, q, axis, method, keepdims, skips=False)


@composition(
    Sample((5,), 30.0),
    Sample((3, 4), np.array([10.0, 90.0]), axis=1),
    Sample((5,), 30.0, method="hazen"),
)
def percentile(x, q, axis=None, method="linear", keepdims=False, *, weights=None):
    """The `quantile` of q / 100.

    >>> F.percentile(np.array([1.0, 2.0, 3.0]), 50)
    array(2.)
    """
    _refuse_weights("percentile", weights)
    q = as_operand(q) / 100
    return _quantile("percentile", x, q, axis, method, keepdims, skips=False)


@composition(Sample((5,)), Sample((4, 3), axis=0), Sample((2, 3, 2), axis=(0, -1), keepdims=True))
def median(x, axis=None, keepdims=False):
    """The middle element over ``axis``; the mean of two where their number is even.

    A NaN makes the answer NaN, with gradient 0.

    >>> x = Variable(np.array([3.0, 1.0, 2.0, 2.0]))
    >>> F.median(x).backward()
    >>> x.grad
    Variable([0.  0.  0.5 0.5])
    """
    return _quantile("median", x, 0.5, axis, "linear", keepdims, skips=False)


HOLES = np.array([[1.0, np.nan, 3.0, 2.0], [np.nan, 5.0, np.nan, 4.0]])


@composition(Sample((2, 3), axis=1), Sample(HOLES), Sample(HOLES, axis=1, keepdims=True))
def nanmedian(x, axis=None, keepdims=False):
    """The `median` of what is not NaN; NaN with gradient 0 where there is nothing else.

    >>> F.nanmedian(np.array([1.0, np.nan, 3.0]))
    array(2.)
    """
    return _quantile("nanmedian", x, 0.5, axis, "linear", keepdims, skips=True)


@composition(
    Sample((2, 3), 0.3),
    Sample(HOLES, np.array([0.2, 0.7]), axis=1),
    Sample(HOLES, 0.6, axis=1, method="weibull"),
)
def nanquantile(x, q, axis=None, method="linear", keepdims=False, *, weights=None):
    """The `quantile` of what is not NaN; NaN with gradient 0 where there is nothing else.

    >>> F.nanquantile(np.array([1.0, np.nan, 3.0]), 0.25)
    array(1.5)
    """
    _refuse_weights("nanquantile", weights)
    return _quantile("nanquantile", x, q, axis, method, keepdims, skips=True)


@composition(Sample((2, 3), 30.0), Sample(HOLES, np.array([20.0, 70.0]), axis=1))
def nanpercentile(x, q, axis=None, method="linear", keepdims=False, *, weights=None):
    """The `nanquantile` of q / 100.

    >>> F.nanpercentile(np.array([1.0, np.nan, 3.0]), 25)
    array(1.5)
    """
    _refuse_weights("nanpercentile", weights)
    q = as_operand(q) / 100
    return _quantile("nanpercentile", x, q, axis, method, keepdims, skips=True)


def _quantile(
    name: str, x: Any, q: Any, axis: Any, method: str, keepdims: bool, *, skips: bool
) -> Any:
    """The quantiles of the lines of x, of what is not NaN in them if it ``skips``."""
    if method not in METHODS:
        raise ValueError(f"{name}: method is {method!r}, one of {', '.join(METHODS)} is needed")
    x, q = as_operand(x), as_operand(q)
    _check_parts(name, array_of(q))
    axes = axes_of(name, axis, x.ndim)
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    size = prod(x.shape[i] for i in axes)
    if size == 0:
        raise ValueError(f"{name}: x {x.shape} has no elements along axis {axis}")
    lines = F.reshape(F.transpose(x, (*kept, *axes)), (*(x.shape[i] for i in kept), size))
    lines = lines if lines.dtype.kind in "fc" else F.astype(lines, np.float64)
    y = _of_lines(lines, F.ravel(q), method, skips)
    full = tuple(1 if i in axes else length for i, length in enumerate(x.shape))
    shape = full if keepdims else tuple(x.shape[i] for i in kept)
    return F.reshape(F.moveaxis(y, -1, 0), (*q.shape, *shape))


def _check_parts(name: str, q: Any) -> None:
    """ValueError for a part that is none; where q is recorded its values are not known."""
    if isinstance(q, np.ndarray) and not np.all((q >= 0) & (q <= 1)):
        limit = 100 if "percentile" in name else 1
        raise ValueError(f"{name}: q must lie between 0 and {limit}")


def _refuse_weights(name: str, weights: Any) -> None:
    """ValueError for the weights that NumPy's function of this name takes."""
    if weights is not None:
        raise ValueError(
            f"{name}: weights came, which change the ranks and are not known here; leave them out, "
            f"or repeat each element as often as it counts"
        )


def _of_lines(lines: Any, q: Any, method: str, skips: bool) -> Any:
    """The quantiles (..., Q) of lines (..., N)."""
    missing = F.sum(F.isnan(array_of(lines)), axis=-1, keepdims=True)
    last = F.maximum(lines.shape[-1] - missing - 1, 0) if skips else lines.shape[-1] - 1
    void = missing == lines.shape[-1] if skips else missing > 0
    place = _rank(F.reshape(beside(lines, q), (1,) * (lines.ndim - 1) + (-1,)), last, method)
    rank = array_of(place)
    below = F.floor(rank)
    ordered = sort(lines)

    def element(number: Any) -> Any:
        held = F.minimum(F.maximum(number, 0), last)  # some ranks lie beyond the ends
        return F.take_along_axis(ordered, held.astype(np.int64), -1)

    if method in AT_ONE:
        y = element(_chosen(rank, below, method))
    else:
        if method in BETWEEN:
            part = place - below
        else:
            part = F.where(rank == below, *((0, 0.5) if method == "midpoint" else (0.5, 1)))
        y = _between(element(below), element(below + 1), F.astype(part, lines.dtype))
    return F.where(void, np.nan, y)


def _rank(q: Any, last: Any, method: str) -> Any:
    """Where the quantiles lie among the elements 0 to ``last`` in order."""
    if "inverted_cdf" == method.removeprefix("averaged_"):
        return q * (last + 1) - 1
    if method == "closest_observation":
        return q * (last + 1) - 1.5
    a, b = BETWEEN.get(method, (1, 1))
    if a == b == 1:
        return q * last  # the same without rounding
    return q * (last + 1) + (a + q * (1 - a - b)) - 1


def _chosen(rank: Any, below: Any, method: str) -> Any:
    """The number of the element that a method chooses by its rank."""
    if method == "lower":
        return below
    if method == "nearest":
        return F.round(rank)
    if method == "closest_observation":  # whose rank lies 1/2 lower
        odd = below - 2 * F.floor(below / 2) == 1
        return F.where(F.logical_and(rank == below, odd), below, below + 1)
    return F.ceil(rank)


def _between(x0: Any, x1: Any, part: Any) -> Any:
    """x0 + part * (x1 - x0), where neither 0 * inf nor inf - inf makes a NaN of an infinite one."""
    infinite = F.logical_or(F.isinf(x0), F.isinf(x1))
    low, high = F.where(infinite, 0, x0), F.where(infinite, 0, x1)
    reached = F.logical_and(infinite, F.not_equal(part, 0))
    return low + part * (high - low) + F.where(infinite, x0, 0) + F.where(reached, x1, 0)
