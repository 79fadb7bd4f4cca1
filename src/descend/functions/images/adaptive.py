"""Pooling with as many windows as the result has elements, and the way back from the largest."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import as_array
from descend.core.errors import shape_of
from descend.core.function import Function
from descend.core.variable import array_of
from descend.functions.images.pooling import MaxPool, WindowSum, indices_of_largest, smallest
from descend.functions.images.taps import Resample, Taps
from descend.functions.images.windows import Lengths, Windows, as_it_came, image_batch, per_axis
from descend.functions.registry import Sample, composition


@composition(
    Sample((2, 2, 6), 3), Sample((2, 7), 4), Sample((1, 1, 3), 5), Sample((0, 2, 4), output_size=1)
)
def adaptive_avg_pool1d(x, output_size):
    """The means of ``output_size`` windows of x (N, C, L), as `adaptive_avg_pool2d`.

    >>> F.adaptive_avg_pool1d(np.array([[[1.0, 3.0, 5.0]]]), 2)
    array([[[2., 4.]]])
    """
    return _adaptive_avg("adaptive_avg_pool1d", 1, x, output_size)


@composition(
    Sample((2, 2, 4, 6), 2),
    Sample((1, 2, 5, 3), output_size=(3, 5)),
    Sample((2, 3, 4), output_size=(None, 3)),
    Sample((2, 3, 2, 2), 1),
)
def adaptive_avg_pool2d(x, output_size):
    """The means of the windows of x (N, C, H, W) that give a result of ``output_size``.

    That is one number, or one for each axis, None for x's own length. Window i of n on an axis of
    length L begins at floor(i L / n) and ends before ceil((i + 1) L / n): where n does not divide
    L, windows overlap and differ in size.

    >>> F.adaptive_avg_pool2d(np.arange(6.0).reshape(1, 1, 2, 3), (1, 2))
    array([[[[2., 3.]]]])
    """
    return _adaptive_avg("adaptive_avg_pool2d", 2, x, output_size)


@composition(Sample((1, 2, 2, 3, 3), output_size=(1, 2, 3)), Sample((1, 2, 2, 4), 2))
def adaptive_avg_pool3d(x, output_size):
    """The means of the windows of x (N, C, D, H, W), as `adaptive_avg_pool2d`.

    >>> F.adaptive_avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), (2, 1, 1))
    array([[[[1.5]],
    <BLANKLINE>
            [[5.5]]]])
    """
    return _adaptive_avg("adaptive_avg_pool3d", 3, x, output_size)


@composition(Sample((2, 2, 6), 3), Sample((2, 7), 4), Sample((1, 1, 3), output_size=5))
def adaptive_max_pool1d(x, output_size, return_indices=False):
    """The largest of ``output_size`` windows of x (N, C, L), as `adaptive_max_pool2d`.

    >>> F.adaptive_max_pool1d(np.array([[[1.0, 3.0, 5.0]]]), 2)
    array([[[3., 5.]]])
    """
    return _adaptive_max("adaptive_max_pool1d", 1, x, output_size, return_indices)


@composition(
    Sample((2, 2, 4, 6), 2),
    Sample((1, 2, 5, 3), output_size=(3, 5)),
    Sample((2, 3, 4), output_size=(None, 3)),
)
def adaptive_max_pool2d(x, output_size, return_indices=False):
    """The largest of each window of x (N, C, H, W), windows as those of `adaptive_avg_pool2d`.

    Equal largest elements of a window share its gradient evenly. With ``return_indices`` it is
    (largest, indices), as with `max_pool2d`.

    >>> F.adaptive_max_pool2d(np.arange(6.0).reshape(1, 1, 2, 3), (1, 2))
    array([[[[4., 5.]]]])
    """
    return _adaptive_max("adaptive_max_pool2d", 2, x, output_size, return_indices)


@composition(Sample((1, 2, 2, 3, 3), output_size=(1, 2, 3)), Sample((1, 2, 2, 4), output_size=2))
def adaptive_max_pool3d(x, output_size, return_indices=False):
    """The largest of each window of x (N, C, D, H, W), as `adaptive_max_pool2d`.

    >>> F.adaptive_max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), (2, 1, 1))
    array([[[[3.]],
    <BLANKLINE>
            [[7.]]]])
    """
    return _adaptive_max("adaptive_max_pool3d", 3, x, output_size, return_indices)


@composition(
    Sample((2, 3), np.array([[1, 2, 4], [0, 3, 5]]), 2),
    Sample((1, 1, 2), np.array([[[2, 2]]]), 2, stride=2, padding=1, output_size=(3,)),
)
def max_unpool1d(x, indices, kernel_size, stride=None, padding=0, output_size=None):
    """The elements of x (N, C, L) where `max_pool1d` took them from, as `max_unpool2d`.

    >>> F.max_unpool1d(np.array([[5.0, 6.0]]), np.array([[1, 2]]), 2)
    array([[0., 5., 6., 0.]])
    """
    return _max_unpool("max_unpool1d", 1, x, indices, kernel_size, stride, padding, output_size)


@composition(
    Sample((1, 2, 1, 2), np.array([[[[0, 7]], [[5, 2]]]]), 2),
    Sample((1, 2, 2), np.array([[[5, 5], [5, 15]]]), 3, stride=1, output_size=(4, 4)),
)
def max_unpool2d(x, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros (N, C, H', W') with the elements of x (N, C, H, W) at ``indices``.

    ``indices``, in x's shape, are those of `max_pool2d` with the same ``kernel_size``, ``stride``
    and ``padding``. The result is as large as these windows reach, or of ``output_size``, whose
    last numbers are H' and W'. A place that comes several times gets the mean of its elements,
    which are equal where one element was the largest of several windows.

    >>> x = np.array([[[1.0, 2.0], [4.0, 3.0]]])
    >>> F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)
    array([[[0., 0.],
            [4., 0.]]])
    """
    return _max_unpool("max_unpool2d", 2, x, indices, kernel_size, stride, padding, output_size)


@composition(Sample((1, 1, 1, 1, 2), np.array([[[[[3, 15]]]]]), 2))
def max_unpool3d(x, indices, kernel_size, stride=None, padding=0, output_size=None):
    """The elements of x (N, C, D, H, W) where `max_pool3d` took them from, as `max_unpool2d`.

    >>> F.max_unpool3d(np.array([[[[7.0]]]]), np.array([[[[1]]]]), (1, 1, 2))
    array([[[[0., 7.]]]])
    """
    return _max_unpool("max_unpool3d", 3, x, indices, kernel_size, stride, padding, output_size)


def _lengths(operation: str, x: Any, axes: int, output_size: Any) -> Lengths:
    """The lengths of the result; x must have elements to pool."""
    several = isinstance(output_size, (tuple, list))
    sizes = tuple(output_size) if several else (output_size,) * axes
    if len(sizes) == axes:
        sizes = tuple(n if s is None else s for s, n in zip(sizes, x.shape[2:], strict=True))
    if 0 in x.shape[2:]:
        raise ValueError(f"{operation}: x {x.shape} came, whose images have no elements")
    return per_axis(operation, "output_size", sizes, axes, 1)


def _even_windows(lengths: Lengths, counts: Lengths) -> Windows | None:
    """The windows if all have one size, else None."""
    if any(n % count for n, count in zip(lengths, counts, strict=True)):
        return None
    size = tuple(n // count for n, count in zip(lengths, counts, strict=True))
    one, zero = (1,) * len(size), (0,) * len(size)
    return Windows(size, size, one, zero, zero)


def _windows(length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the elements of each window lie: (count, size), and the window's own size: (count, 1).

    Behind its own elements a window has its last one again.
    """
    starts = np.arange(count) * length // count
    ends = -(-np.arange(1, count + 1) * length // count)
    sizes = ends - starts
    places = np.minimum(starts[:, None] + np.arange(sizes.max()), ends[:, None] - 1)
    return places, sizes[:, None]


@lru_cache
def _means(length: int, count: int) -> Taps:
    """The means of the windows."""
    places, sizes = _windows(length, count)
    weights = np.where(np.arange(places.shape[1]) < sizes, 1 / sizes, 0)
    return Taps(length, places.T, weights.T)


def _adaptive_avg(operation: str, axes: int, x: Any, output_size: Any) -> Any:
    """The means of windows over ``axes`` spatial axes."""
    x, alone = image_batch(operation, x, axes)
    lengths = x.shape[2:]
    counts = _lengths(operation, x, axes, output_size)
    if x.dtype.kind in "bui":
        x = F.astype(x, np.float64)  # as mean
    windows = _even_windows(lengths, counts)
    if set(counts) == {1}:
        x = F.mean(x, axis=tuple(range(2, x.ndim)), keepdims=True)
    elif windows is not None and not isinstance(array_of(x), np.ndarray):  # one loop, elsewhere
        x = WindowSum(windows)(x) / prod(windows.size)
    else:  # a mean of means, axis by axis
        for axis, (length, count) in enumerate(zip(lengths, counts, strict=True)):
            x = Resample(axis - axes, _means(length, count))(x)
    return as_it_came(x, alone)


def _adaptive_max(operation: str, axes: int, x: Any, output_size: Any, return_indices: bool) -> Any:
    """The largest of windows over ``axes`` spatial axes."""
    x, alone = image_batch(operation, x, axes)
    lengths = x.shape[2:]
    counts = _lengths(operation, x, axes, output_size)
    windows = _even_windows(lengths, counts)
    parts = [_windows(length, count) for length, count in zip(lengths, counts, strict=True)]
    if isinstance(array_of(x), np.ndarray):
        y = AdaptiveMax(counts)(x)
    else:
        y = _uneven_max(x, parts) if windows is None else MaxPool(windows)(x)
    y = as_it_came(y, alone)
    if not return_indices:
        return y
    return y, as_it_came(indices_of_largest(array_of(x), [places for places, _ in parts]), alone)


class AdaptiveMax(Function):
    """The largest of windows, ``counts`` along the spatial axes, of NumPy's arrays.

    Axis by axis: the largest of a window is that of the largest of its rows.
    """

    needs_values = True

    def __init__(self, counts: Lengths) -> None:
        self.counts = counts

    def forward(self, x):
        stages = [x]
        for axis in range(x.ndim - 1, 1, -1):
            places, _ = _windows(x.shape[axis], self.counts[axis - 2])
            first, *others = (np.take(stages[-1], tap, axis=axis) for tap in places.T)
            for part in others:
                np.maximum(first, part, out=first)
            stages.append(first)
        self.keep(stages=stages)
        return stages[-1]

    def backward(self, gy, *, stages):
        # Which elements are the largest is a constant to the next derivative.
        windows, elements = self._largest(stages)
        sharers = np.maximum(np.bincount(windows, minlength=gy.size), 1)
        share = F.ravel(gy) / sharers.astype(gy.dtype)
        gx = F.scatter_to(F.getitem(share, windows), elements, (stages[0].size,))
        return F.reshape(gx, stages[0].shape)

    def _largest(self, stages: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the windows, and of an element in each that is its largest.

        A window comes as often as it has such elements; NaN is none.
        """
        windows = elements = np.arange(stages[-1].size)
        for axis, (after, before) in enumerate(pairwise(stages[::-1]), start=2):
            places, sizes = _windows(before.shape[axis], after.shape[axis])
            rest = prod(after.shape[axis + 1 :])
            outer, inner = np.divmod(elements, rest)
            lead, window = np.divmod(outer, after.shape[axis])
            row = lead[:, None] * before.shape[axis] + places[window]
            tried = row * rest + inner[:, None]
            found = before.reshape(-1)[tried] == after.reshape(-1)[elements][:, None]
            found &= np.arange(places.shape[1]) < sizes[window]  # not what a window has again
            one, tap = np.nonzero(found)
            windows, elements = windows[one], tried[one, tap]
        return windows, elements

    def like(self, x):
        """What a recorder needs to know."""
        return np.zeros((*x.shape[:2], *self.counts), x.dtype)


def _uneven_max(x: Any, parts: list[tuple[np.ndarray, np.ndarray]]) -> Any:
    """The largest of windows of several sizes: all in the largest size, in one array."""
    shape = x.shape[:2]
    own = np.ones((), bool)
    for axis, (places, sizes) in enumerate(parts):
        x = Resample(axis - len(parts), Taps(x.shape[2 + axis], places.reshape(1, -1)))(x)
        shape = (*shape, *places.shape)
        own = np.multiply.outer(own, np.arange(places.shape[1]) < sizes)
    # What a window has again must not get a share of its gradient
    x = F.where(own, F.reshape(x, shape), np.asarray(smallest(x.dtype), x.dtype))
    return F.max(x, axis=tuple(range(3, x.ndim, 2)))


def _max_unpool(
    operation: str,
    axes: int,
    x: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Any:
    """The elements at their places, over ``axes`` spatial axes."""
    x, alone = image_batch(operation, x, axes)
    indices = as_array(array_of(indices))
    given = x.shape[1:] if alone else x.shape
    if indices.shape != given or indices.dtype.kind not in "iu":
        raise ValueError(
            f"{operation}: indices {shape_of(indices)} of {indices.dtype} came, integers in x's "
            f"shape {given} are needed"
        )
    size = per_axis(operation, "kernel_size", kernel_size, axes, 1)
    strides = size if stride is None else per_axis(operation, "stride", stride, axes, 1)
    border = per_axis(operation, "padding", padding, axes, 0)
    lengths = tuple(
        (n - 1) * s - 2 * p + k
        for n, s, p, k in zip(x.shape[2:], strides, border, size, strict=True)
    )
    if output_size is not None:
        lengths = _wanted(operation, output_size, lengths, strides)
    elements = prod(lengths)
    if isinstance(indices, np.ndarray) and indices.size:
        low, high = int(indices.min()), int(indices.max())
        if low < 0 or high >= elements:
            raise ValueError(
                f"{operation}: indices from {low} to {high} came, those of a result of {lengths} "
                f"are below {elements}: use the output_size that was pooled"
            )
    planes = x.shape[0] * x.shape[1]
    places = indices.reshape(planes, -1) + np.arange(planes)[:, None] * elements
    y = F.scatter_to(F.reshape(x, (planes, -1)), places, (planes * elements,))
    ones = np.ones(places.shape, x.dtype)
    comings = array_of(F.scatter_to(ones, places, (planes * elements,)))
    y = y / F.maximum(comings, 1)
    return as_it_came(F.reshape(y, (*x.shape[:2], *lengths)), alone)


def _wanted(operation: str, output_size: Any, reach: Lengths, strides: Lengths) -> Lengths:
    """The last numbers of ``output_size``, if windows with these strides can have come from it."""
    lengths = tuple(output_size)[-len(reach) :]
    fits = len(lengths) == len(reach) and all(
        n - s < wanted < n + s for wanted, n, s in zip(lengths, reach, strides, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{operation}: output_size={output_size!r} came, lengths less than the stride "
            f"{strides} from {reach} are needed"
        )
    return lengths
