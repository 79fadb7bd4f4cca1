"""Pooling: each window of an image becomes one element."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import Array, get_array_module
from descend.core.function import Function
from descend.core.variable import array_of
from descend.functions.images.windows import (
    Lengths,
    Windows,
    as_it_came,
    check_fit,
    image_batch,
    per_axis,
)
from descend.functions.registry import Sample, composition


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
    Sample((2, 2, 6), 2),
    Sample((1, 2, 7), 3, stride=2, padding=1, dilation=2, ceil_mode=True),
    Sample((2, 5), 2, stride=1),
)
def max_pool1d(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """The largest element of each window of x (N, C, L); the arguments are `max_pool2d`'s.

    >>> F.max_pool1d(np.array([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    array([[[3., 2.]]])
    """
    return _max_pool(
        "max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


@composition(
    Sample((2, 2, 4, 6), 2),
    Sample((1, 2, 5, 7), kernel_size=(2, 3), stride=(2, 1), padding=(1, 0)),
    Sample((1, 2, 6, 5), 2, stride=1, padding=1, dilation=2),
    Sample((1, 1, 5, 4), 2, ceil_mode=True),
    Sample((0, 2, 4, 4), 2),
    Sample((2, 3, 4), 2, stride=1),
)
def max_pool2d(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """The largest element of each window of x (N, C, H, W).

    The stride is ``kernel_size`` unless given. The border counts as -inf. ``ceil_mode`` keeps a
    last window that sticks out at the far end. Equal largest elements of a window share its
    gradient evenly. With ``return_indices`` it is (largest, indices): where the first of each
    window's largest lies in the image's flattened H * W, for `max_unpool2d`.

    >>> x = Variable(np.array([[[[1.0, 3.0], [3.0, 2.0]]]]))
    >>> F.max_pool2d(x, 2).sum().backward()
    >>> x.grad[0, 0]
    Variable([[0.  0.5]
              [0.5 0. ]])
    """
    return _max_pool(
        "max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


@composition(
    Sample((1, 2, 2, 4, 3), 2, stride=1),
    Sample((1, 3, 2, 4), kernel_size=(3, 2, 2), stride=2, padding=(1, 0, 1), ceil_mode=True),
)
def max_pool3d(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """The largest element of each window of x (N, C, D, H, W); the arguments are `max_pool2d`'s.

    >>> F.max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    array([[[[7.]]]])
    """
    return _max_pool(
        "max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


@composition(
    Sample((2, 2, 6), 2),
    Sample((2, 7), 3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
)
def avg_pool1d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of x (N, C, L); the arguments are those of `avg_pool2d`.

    >>> F.avg_pool1d(np.array([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    array([[[2., 1.]]])
    """
    return _avg_pool(
        "avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


@composition(
    Sample((2, 2, 4, 6), 2),
    Sample((1, 2, 5, 7), kernel_size=(2, 3), stride=(2, 1), padding=(1, 0)),
    Sample(
        (1, 2, 5, 7), kernel_size=(2, 3), stride=(2, 1), padding=(1, 0), count_include_pad=False
    ),
    Sample((1, 1, 5, 4), 3, stride=2, padding=1, ceil_mode=True),
    Sample((0, 2, 4, 4), 2),
    Sample((2, 3, 4), 2, padding=1, divisor_override=3),
)
def avg_pool2d(
    x,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """The mean of each window of x (N, C, H, W).

    The stride is ``kernel_size`` unless given. The border counts as zeros, or with
    ``count_include_pad=False`` not at all. ``ceil_mode`` keeps a last window that sticks out at the
    far end; what lies beyond the border is never counted. A ``divisor_override`` divides the sums
    in place of the number of elements.

    >>> F.avg_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), 2)
    array([[[[2.5, 4.5]]]])
    """
    return _avg_pool(
        "avg_pool2d",
        2,
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


@composition(
    Sample((1, 2, 2, 4, 3), kernel_size=(2, 3, 2), stride=1, padding=1),
    Sample((1, 3, 2, 4), 2, padding=(1, 0, 1), ceil_mode=True, count_include_pad=False),
)
def avg_pool3d(
    x,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """The mean of each window of x (N, C, D, H, W); the arguments are those of `avg_pool2d`.

    >>> F.avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), (1, 2, 2))
    array([[[[1.5]],
    <BLANKLINE>
            [[5.5]]]])
    """
    return _avg_pool(
        "avg_pool3d",
        3,
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


@composition(
    Sample((2, 2, 6), 2.0, 2),
    Sample((2, 5), 3, 2, stride=1, low=0.5, ceil_mode=True),
    Sample((1, 2, 4), 1, 3),
)
def lp_pool1d(x, norm_type, kernel_size, stride=None, ceil_mode=False):
    """sum(x ** norm_type) ** (1 / norm_type) over each window of x (N, C, L), as `lp_pool2d`.

    >>> F.lp_pool1d(np.array([[[3.0, 4.0, 0.0, 1.0]]]), 2, 2)
    array([[[5., 1.]]])
    """
    return _lp_pool("lp_pool1d", 1, x, norm_type, kernel_size, stride, ceil_mode)


@composition(
    Sample((2, 2, 4, 5), 2, 2),
    Sample((1, 4, 4), 2.5, kernel_size=(3, 2), stride=(1, 2), low=0.5),
)
def lp_pool2d(x, norm_type, kernel_size, stride=None, ceil_mode=False):
    """sum(x ** norm_type) ** (1 / norm_type) over each window of x (N, C, H, W).

    That is the sum for 1 and the length for 2; the largest is approached as it grows. The stride is
    ``kernel_size`` unless given; with ``ceil_mode`` a last window that sticks out sums what it
    holds. Where the sum is 0, so is the gradient.

    Signs are kept, as in PyTorch: with an odd ``norm_type`` above 1 a negative sum gives NaN.

    >>> x = Variable(np.array([[[[3.0, 4.0, 0.0, 0.0]]]]))
    >>> y = F.lp_pool2d(x, 2, (1, 2))
    >>> y.sum().backward()
    >>> y, x.grad
    (Variable([[[[5. 0.]]]]), Variable([[[[0.6 0.8 0.  0. ]]]]))
    """
    return _lp_pool("lp_pool2d", 2, x, norm_type, kernel_size, stride, ceil_mode)


@composition(Sample((1, 2, 2, 4, 3), 2, 2, stride=1))
def lp_pool3d(x, norm_type, kernel_size, stride=None, ceil_mode=False):
    """sum(x ** norm_type) ** (1 / norm_type) over windows of x (N, C, D, H, W), as `lp_pool2d`.

    >>> F.lp_pool3d(np.ones((1, 1, 2, 2)), 2, (1, 2, 2))
    array([[[[2.]]]])
    """
    return _lp_pool("lp_pool3d", 3, x, norm_type, kernel_size, stride, ceil_mode)


def _max_pool(
    operation: str,
    axes: int,
    x: Any,
    size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    """The largest of each window over ``axes`` spatial axes."""
    x, alone = image_batch(operation, x, axes)
    windows = _pool_windows(operation, size, stride, padding, dilation, ceil_mode, axes)
    check_fit(operation, windows, x.shape[2:])
    y = as_it_came(MaxPool(windows)(x), alone)
    if not return_indices:
        return y
    places = _places(windows, x.shape[2:])
    return y, as_it_came(indices_of_largest(array_of(x), places), alone)


def _avg_pool(
    operation: str,
    axes: int,
    x: Any,
    size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Any:
    """The mean of each window over ``axes`` spatial axes."""
    x, alone = image_batch(operation, x, axes)
    windows = _pool_windows(operation, size, stride, padding, 1, ceil_mode, axes)
    check_fit(operation, windows, x.shape[2:])
    if x.dtype.kind in "bui":
        x = F.astype(x, np.float64)  # as mean
    sums = as_it_came(WindowSum(windows)(x), alone)
    if divisor_override is not None:
        return sums / divisor_override
    sizes = _sizes(windows, x.shape[2:], count_include_pad)
    whole = prod(windows.size)
    return sums / (whole if (sizes == whole).all() else sizes.astype(sums.dtype))


def _lp_pool(
    operation: str, axes: int, x: Any, p: Any, size: Any, stride: Any, ceil_mode: bool
) -> Any:
    """The p-norm of each window over ``axes`` spatial axes."""
    if not 0 < p < np.inf:
        raise ValueError(
            f"{operation}: norm_type={p!r} came, a positive number is needed; max_pool{axes}d is "
            f"the one of infinity"
        )
    x, alone = image_batch(operation, x, axes)
    windows = _pool_windows(operation, size, stride, 0, 1, ceil_mode, axes)
    check_fit(operation, windows, x.shape[2:])
    sums = as_it_came(WindowSum(windows)(x if p == 1 else x**p), alone)
    if p == 1:
        return sums
    nothing = array_of(sums) == 0  # the root's slope is infinite there
    return F.where(nothing, 0, F.where(nothing, 1, sums) ** (1 / p))


def _places(windows: Windows, lengths: Lengths) -> list[np.ndarray]:
    """For each axis where the elements of its windows lie: (counts, size).

    In the border it is that of the first element inside.
    """
    places = []
    for length, count, size, stride, dilation, before in zip(
        lengths,
        windows.counts(lengths),
        windows.size,
        windows.stride,
        windows.dilation,
        windows.before,
        strict=True,
    ):
        own = np.arange(count)[:, None] * stride - before + np.arange(size) * dilation
        inside = (own >= 0) & (own < length)
        first = np.take_along_axis(own, inside.argmax(1)[:, None], axis=1)
        places.append(np.where(inside, own, np.clip(first, 0, length - 1)))
    return places


def indices_of_largest(x: Array, places: list[np.ndarray]) -> Array:
    """Where in its flattened image the first of the largest elements of each window lies.

    x is (N, C, lengths), the result (N, C, counts); ``places`` has for each axis where the
    elements of its windows lie: (counts, size).
    """
    xp = get_array_module(x)
    axes = len(places)
    index = np.zeros((1,) * 2 * axes, np.int64)
    for axis, (own, length) in enumerate(zip(places, x.shape[2:], strict=True)):
        shape = [1] * 2 * axes
        shape[axis], shape[axes + axis] = own.shape
        index = index * length + own.reshape(shape)
    counts = index.shape[:axes]
    index = index.reshape(prod(counts), -1)
    elements = xp.reshape(x, (*x.shape[:2], prod(x.shape[2:])))[:, :, index]
    largest = xp.argmax(elements, axis=-1)
    chosen = xp.asarray(index)[np.arange(len(index)), largest]
    return xp.reshape(chosen, (*x.shape[:2], *counts))


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
