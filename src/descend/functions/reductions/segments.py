"""Rows reduced in groups: each row of x belongs to the segment that its id names."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import as_array, get_array_module
from descend.core.errors import shape_of
from descend.core.function import Function, as_operand
from descend.core.variable import array_of
from descend.functions.registry import Sample, composition

IDS = np.array([2, 0, 2, 2])
"""The ids of a sample: not in order, and segment 1 is empty."""


class SegmentMax(Function):
    """The largest element of each segment."""

    def __init__(self, ids: Any, count: int) -> None:
        self.ids = ids
        self.count = count

    def forward(self, x):
        xp = get_array_module(x)
        lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        y = xp.full((self.count, *x.shape[1:]), lowest, x.dtype)
        with np.errstate(invalid="ignore"):  # NaN is the largest, without a warning
            xp.maximum.at(y, self.ids, x)
        return y

    def backward(self, gy, *, x, y):
        chosen = array_of(x) == array_of(y)[self.ids]
        count = F.scatter_to(chosen.astype(gy.dtype), self.ids, y.shape)
        # NaN equals nothing: at least 1, so that the gradient is 0 and not 0 / 0
        return (gy / F.maximum(count, 1))[self.ids] * chosen.astype(gy.dtype)


@composition(Sample((4,), IDS), Sample((4, 2), IDS, num_segments=5), Sample((0, 2), IDS[:0], 2))
def segment_sum(x, segment_ids, num_segments=None):
    """The sum of the rows of each segment: (num_segments, ...).

    x is (n, ...), ``segment_ids`` (n,) in any order, from 0 on. Without ``num_segments`` there is
    one more than the largest id. The sum of a segment without rows is 0.

    >>> F.segment_sum(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]))
    array([5., 0., 2.])
    """
    x, ids, count = _checked("segment_sum", x, segment_ids, num_segments)
    return F.scatter_to(x, ids, (count, *x.shape[1:]))


@composition(Sample((4,), IDS), Sample((4, 2), IDS, num_segments=5))
def segment_mean(x, segment_ids, num_segments=None):
    """The mean of the rows of each segment, as in `segment_sum`; 0 for one without rows.

    >>> F.segment_mean(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]))
    array([2.5, 0. , 2. ])
    """
    x, ids, count = _checked("segment_mean", x, segment_ids, num_segments)
    if x.dtype == np.float16:
        return F.astype(segment_mean(F.astype(x, np.float32), ids, count), np.float16)
    x = x if x.dtype.kind in "fc" else F.astype(x, np.float64)
    size = F.scatter_to(F.ones_like(array_of(x)), ids, (count, *x.shape[1:]))
    return F.scatter_to(x, ids, size.shape) / F.maximum(array_of(size).real, 1)


@composition(Sample((4,), np.array([2, 0, 2, 1])), Sample((4, 2), np.array([1, 0, 0, 1])))
def segment_max(x, segment_ids, num_segments=None):
    """The largest element of each segment, as in `segment_sum`; equal ones share the gradient.

    It is -inf for a segment without rows, and for integers the smallest there is.

    >>> F.segment_max(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]))
    array([  4., -inf,   2.])
    """
    x, ids, count = _checked("segment_max", x, segment_ids, num_segments)
    return SegmentMax(ids, count)(x)


@composition(Sample((4,), IDS), Sample((4, 2), np.array([1, 0, 0, 1]), num_segments=3))
def segment_softmax(x, segment_ids, num_segments=None):
    """exp(x) over its sum in each row's segment: numbers that add up to 1 in each segment.

    >>> F.segment_softmax(np.array([0.0, 5.0, 0.0]), np.array([0, 2, 0]))
    array([0.5, 1. , 0.5])
    """
    x, ids, count = _checked("segment_softmax", x, segment_ids, num_segments)
    if x.dtype == np.float16:
        return F.astype(segment_softmax(F.astype(x, np.float32), ids, count), np.float16)
    largest = SegmentMax(ids, count)(array_of(x))
    largest = F.where(F.isfinite(largest), largest, 0)
    powers = F.exp(x - largest[ids])
    return powers / F.scatter_to(powers, ids, largest.shape)[ids]


def _checked(name: str, x: Any, ids: Any, count: int | None) -> tuple[Any, Any, int]:
    """The rows, their ids and the number of segments, or an error in the operation's name."""
    x, ids = as_operand(x), as_array(array_of(ids))
    if ids.dtype.kind not in "iu":
        raise TypeError(f"{name}: segment_ids are {ids.dtype}, integers are needed")
    if x.ndim == 0 or ids.shape != x.shape[:1]:
        raise ValueError(
            f"{name}: x {x.shape} and segment_ids {shape_of(ids)} do not fit: one id for each row "
            f"is needed"
        )
    if count is None:
        count = int(ids.max()) + 1 if ids.size else 0
    if ids.size and (ids.min() < 0 or ids.max() >= count):
        raise IndexError(f"{name}: an id lies outside of the {count} segments")
    return x, ids, int(count)
