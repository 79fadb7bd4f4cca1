"""Pooling: each window of an image becomes one element."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import Array, get_array_module
from descend.core.function import Function
from descend.core.variable import array_of
from descend.functions.registry import Sample, composition
from descend.functions.windows import Lengths, Windows, check_fit, image_batch, per_axis


class WindowSum(Function):
    """The sum of each window; with ``masks``, of the elements that its place's mask admits."""

    def __init__(self, windows: Windows, masks: list[Array] | None = None) -> None:
        self.windows = windows
        self.masks = masks

    def forward(self, x):
        lengths = x.shape[2:]
        y = get_array_module(x).zeros((*x.shape[:2], *self.windows.counts(lengths)), x.dtype)
        for tap, (_, windows, elements) in enumerate(self.windows.taps(lengths)):
            part = x[elements]
            y[windows] += part if self.masks is None else part * self.masks[tap][windows]
        return y

    def backward(self, gy, *, x_shape):
        return WindowSpread(self.windows, x_shape[2:], self.masks)(gy)


class WindowSpread(Function):
    """The adjoint of `WindowSum`: each image element gets the sum of its windows' values."""

    def __init__(
        self, windows: Windows, lengths: Lengths, masks: list[Array] | None = None
    ) -> None:
        self.windows = windows
        self.lengths = lengths
        self.masks = masks

    def forward(self, x):
        xp = get_array_module(x)
        y = xp.zeros((*x.shape[:2], *self.lengths), x.dtype)
        for tap, (_, windows, elements) in enumerate(self.windows.taps(self.lengths)):
            part = x[windows]
            if self.masks is None:
                y[elements] += part
            elif self.windows.disjoint:  # nothing was there yet: one pass less than adding
                xp.multiply(part, self.masks[tap][windows], out=y[elements])
            else:
                y[elements] += part * self.masks[tap][windows]
        return y

    def backward(self, gy):
        return WindowSum(self.windows, self.masks)(gy)


class MaxPool(Function):
    """The largest element of each window; the border never wins."""

    native_forward = native_rule = True

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def forward(self, x):
        xp = get_array_module(x)
        lengths = x.shape[2:]
        y = xp.full((*x.shape[:2], *self.windows.counts(lengths)), smallest(x.dtype), x.dtype)
        for _, windows, elements in self.windows.taps(lengths):
            xp.maximum(y[windows], x[elements], out=y[windows])
        return y

    def backward(self, gy, *, x, y):
        # Which elements are the largest is a constant to the next derivative.
        masks, sharers = self._largest(array_of(x), array_of(y))
        gy = gy if sharers is None else gy / sharers.astype(gy.dtype)
        return WindowSpread(self.windows, x.shape[2:], masks)(gy)

    def _largest(self, x: Array, y: Array) -> tuple[list[Array], Array | None]:
        """For each place in the window whether it holds the largest element, and how many do.

        The second is None where it is one everywhere.
        """
        xp = get_array_module(x)
        masks = []
        for _, windows, elements in self.windows.taps(x.shape[2:]):
            mask = x[elements] == y[windows]
            if mask.shape != y.shape:  # the rest of the windows have this place in the border
                inside, mask = mask, xp.zeros(y.shape, bool)
                mask[windows] = inside
            masks.append(mask)
        sharers = masks[0].astype(np.uint8 if len(masks) < 256 else np.uint32)
        for mask in masks[1:]:
            sharers += mask
        # Asking a recorded array, or a GPU, whether none is shared would cost more than dividing.
        if isinstance(sharers, np.ndarray) and (not sharers.size or xp.max(sharers) <= 1):
            return masks, None
        return masks, xp.maximum(sharers, 1)


def smallest(dtype: Any) -> Any:
    """What no number of this dtype is below."""
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else int(np.iinfo(dtype).min)


def _pool_windows(
    operation: str, size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, axes: int
) -> Windows:
    """The windows of a pooling; the stride is their size unless given."""
    size = per_axis(operation, "kernel_size", size, axes, 1)
    strides = size if stride is None else per_axis(operation, "stride", stride, axes, 1)
    border = per_axis(operation, "padding", padding, axes, 0)
    windows = Windows(
        size, strides, per_axis(operation, "dilation", dilation, axes, 1), border, border, ceil_mode
    )
    if any(2 * p > k for p, k in zip(border, size, strict=True)):
        raise ValueError(
            f"{operation}: padding={padding!r} is more than half of kernel_size {size}: some "
            f"windows would hold nothing but border"
        )
    return windows


@composition(
    Sample((2, 2, 4, 6), 2),
    Sample((1, 2, 5, 7), kernel_size=(2, 3), stride=(2, 1), padding=(1, 0)),
    Sample((1, 2, 6, 5), 2, stride=1, padding=1, dilation=2),
    Sample((1, 1, 5, 4), 2, ceil_mode=True),
    Sample((0, 2, 4, 4), 2),
)
def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """The largest element of each window of x (N, C, H, W).

    The stride is ``kernel_size`` unless given. The border counts as -inf. ``ceil_mode`` keeps a
    last window that sticks out at the far end. Equal largest elements of a window share its
    gradient evenly.

    >>> x = Variable(np.array([[[[1.0, 3.0], [3.0, 2.0]]]]))
    >>> F.max_pool2d(x, 2).sum().backward()
    >>> x.grad[0, 0]
    Variable([[0.  0.5]
              [0.5 0. ]])
    """
    x = image_batch("max_pool2d", x, 2)
    windows = _pool_windows("max_pool2d", kernel_size, stride, padding, dilation, ceil_mode, 2)
    check_fit("max_pool2d", windows, x.shape[2:])
    return MaxPool(windows)(x)


@composition(
    Sample((2, 2, 4, 6), 2),
    Sample((1, 2, 5, 7), kernel_size=(2, 3), stride=(2, 1), padding=(1, 0)),
    Sample(
        (1, 2, 5, 7), kernel_size=(2, 3), stride=(2, 1), padding=(1, 0), count_include_pad=False
    ),
    Sample((1, 1, 5, 4), 3, stride=2, padding=1, ceil_mode=True),
    Sample((0, 2, 4, 4), 2),
)
def avg_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of x (N, C, H, W).

    The stride is ``kernel_size`` unless given. The border counts as zeros, or with
    ``count_include_pad=False`` not at all. ``ceil_mode`` keeps a last window that sticks out at the
    far end; what lies beyond the border is never counted.

    >>> F.avg_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), 2)
    array([[[[2.5, 4.5]]]])
    """
    x = image_batch("avg_pool2d", x, 2)
    windows = _pool_windows("avg_pool2d", kernel_size, stride, padding, 1, ceil_mode, 2)
    check_fit("avg_pool2d", windows, x.shape[2:])
    if x.dtype.kind in "bui":
        x = F.astype(x, np.float64)  # as mean
    sums = WindowSum(windows)(x)
    sizes = _sizes(windows, x.shape[2:], count_include_pad)
    whole = prod(windows.size)
    return sums / (whole if (sizes == whole).all() else sizes.astype(sums.dtype))


def _sizes(windows: Windows, lengths: Lengths, count_include_pad: bool) -> np.ndarray:
    """How many elements each window counts: (counts)."""
    sizes = np.ones((), np.int64)
    for length, count, size, stride, before, after in zip(
        lengths,
        windows.counts(lengths),
        windows.size,
        windows.stride,
        windows.before,
        windows.after,
        strict=True,
    ):
        first = np.arange(count) * stride - before
        low, high = (-before, length + after) if count_include_pad else (0, length)
        inside = np.minimum(first + size, high) - np.maximum(first, low)
        sizes = np.multiply.outer(sizes, inside)
    return sizes
