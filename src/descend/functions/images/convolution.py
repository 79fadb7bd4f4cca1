"""Convolutions, as matrix products over the elements of their windows.

A convolution is linear in the image and in the weight, so three operations suffice: itself and its
two adjoints. The derivatives of each are the other two, to any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import Array, conj
from descend.core.errors import shape_of
from descend.core.function import Function, as_operand
from descend.functions.images.columns import collect, correlate, spread
from descend.functions.images.windows import (
    Lengths,
    Windows,
    as_it_came,
    check_fit,
    image_batch,
    per_axis,
)
from descend.functions.registry import Sample, composition


class OverWindows(Function):
    """The base of the three: left to the compiler where it has kernels, on up to two axes."""

    native_forward = True
    windows: Windows

    def is_large(self, xs: Sequence[Any]) -> bool:
        """Whether a native program for this call is worth its price, and there can be one."""
        return len(self.windows.size) < 3 and super().is_large(xs)


class Convolution(OverWindows):
    """The sums over windows of x (N, C, lengths) times each kernel of weight (K, C / groups, size).

    A bias (K,) is added if it is given.
    """

    kept_for = {"x": 1, "weight": 0}

    def __init__(self, windows: Windows, groups: int = 1) -> None:
        self.windows = windows
        self.groups = groups

    def forward(self, x, weight, bias=None):
        x, weight, dtype = _computable(x, weight)
        return correlate(x, weight, bias, self.windows, self.groups).astype(dtype, copy=False)

    def backward(self, gy, *, x, weight, x_shape, weight_shape):
        gx = gw = gb = None
        if self.edges[0]:
            gx = TransposedConvolution(self.windows, x_shape[2:], self.groups)(gy, conj(weight))
        if self.edges[1]:
            gw = WeightOfConvolution(self.windows, weight_shape, self.groups)(conj(x), gy)
        if len(self.edges) > 2 and self.edges[2]:
            gb = F.sum(gy, axis=(0, *range(2, gy.ndim)))
        return (gx, gw, gb)[: len(self.edges)]


class TransposedConvolution(OverWindows):
    """The adjoint of `Convolution` in x: each element of x (N, K, counts) adds its kernel.

    The result is (N, C, lengths).
    """

    kept_for = {"x": 1, "weight": 0}

    def __init__(self, windows: Windows, lengths: Lengths, groups: int = 1) -> None:
        self.windows = windows
        self.lengths = lengths
        self.groups = groups

    def forward(self, x, weight):
        x, weight, dtype = _computable(x, weight)
        y = spread(x, weight, self.lengths, self.windows, self.groups)
        return y.astype(dtype, copy=False)

    def backward(self, gy, *, x, weight, weight_shape):
        gx = gw = None
        if self.edges[0]:
            gx = Convolution(self.windows, self.groups)(gy, conj(weight))
        if self.edges[1]:
            gw = WeightOfConvolution(self.windows, weight_shape, self.groups)(gy, conj(x))
        return gx, gw


class WeightOfConvolution(OverWindows):
    """The adjoint of `Convolution` in its weight, from the image x0 and the gradient x1.

    The result is (K, C / groups, size).
    """

    kept_for = {"x0": 1, "x1": 0}

    def __init__(self, windows: Windows, shape: tuple[int, ...], groups: int = 1) -> None:
        self.windows = windows
        self.shape = shape
        self.groups = groups

    def forward(self, x0, x1):
        x0, x1, dtype = _computable(x0, x1)
        y = collect(x0, x1, self.shape, self.windows, self.groups)
        return y.astype(dtype, copy=False)

    def backward(self, gy, *, x0, x1, x0_shape):
        gx0 = gx1 = None
        if self.edges[0]:
            gx0 = TransposedConvolution(self.windows, x0_shape[2:], self.groups)(conj(x1), gy)
        if self.edges[1]:
            gx1 = Convolution(self.windows, self.groups)(conj(x0), gy)
        return gx0, gx1


def _computable(x0: Array, x1: Array) -> tuple[Array, Array, Any]:
    """Both in their common dtype, and that dtype; float16 is computed in float32."""
    dtype = np.result_type(x0.dtype, x1.dtype)
    working = np.float32 if dtype == np.float16 else dtype
    return x0.astype(working, copy=False), x1.astype(working, copy=False), dtype


@composition(
    Sample((2, 3, 6), (4, 3, 3), (4,)),
    Sample((1, 4, 7), (6, 2, 2), None, stride=2, padding=1, dilation=2, groups=2),
    Sample((2, 5), (3, 2, 4), padding="same"),
)
def conv1d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """The cross-correlation of signals x (N, C, L) with kernels weight (K, C / groups, k).

    The arguments are those of `conv2d`, with one number for the axis.

    >>> F.conv1d(np.array([[[1.0, 2.0, 4.0]]]), np.array([[[-1.0, 1.0]]]))
    array([[[1., 2.]]])
    """
    return _convolve("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


@composition(
    Sample((2, 3, 5, 4), (4, 3, 3, 2), (4,)),
    Sample((2, 2, 5, 6), (3, 2, 3, 3), stride=(2, 1), padding=(1, 2)),
    Sample((1, 2, 6, 7), (2, 2, 2, 3), None, padding=2, dilation=(2, 1)),
    Sample((1, 4, 4, 5), (6, 2, 3, 3), (6,), stride=2, padding=1, groups=2),
    Sample((1, 2, 4, 5), (2, 2, 2, 3), padding="same"),
    Sample((2, 3, 2, 3), (2, 3, 1, 1), (2,)),
    Sample((0, 2, 4, 4), (3, 2, 3, 3), (3,)),
)
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """The cross-correlation of images x (N, C, H, W) with kernels weight (K, C / groups, kh, kw).

    ``bias`` is (K,) or None. ``padding`` is zeros around the image: one number, one for each axis,
    "valid" for none, or "same", with which the result is as large as x (the odd element at the far
    end). Channels and kernels are split into ``groups`` that do not mix. One image (C, H, W) gives
    one result (K, H', W').

    >>> F.conv2d(np.ones((1, 1, 3, 4)), np.ones((1, 1, 2, 2)))
    array([[[[4., 4., 4.],
             [4., 4., 4.]]]])
    """
    return _convolve("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


@composition(
    Sample((1, 2, 3, 4, 3), (2, 2, 2, 3, 2), (2,), padding=(0, 1, 0), stride=(1, 2, 1)),
    Sample((2, 3, 2, 3), (2, 1, 2, 2, 2), (2,), groups=2, padding="same", dilation=(1, 1, 2)),
)
def conv3d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """The cross-correlation of volumes x (N, C, D, H, W) with weight (K, C / groups, kd, kh, kw).

    The arguments are those of `conv2d`, with up to three numbers for the axes.

    >>> F.conv3d(np.ones((1, 2, 3, 3)), np.ones((1, 1, 2, 2, 3)))
    array([[[[12.],
             [12.]]]])
    """
    return _convolve("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


@composition(
    Sample((2, 3, 4), (3, 4, 3), (4,)),
    Sample((4, 3), (4, 2, 3), None, stride=3, padding=1, output_padding=2, groups=2, dilation=2),
)
def conv_transpose1d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The transpose of `conv1d`: each element of x (N, C, L) adds its kernel (C, K / groups, k).

    The arguments are those of `conv_transpose2d`, with one number for the axis.

    >>> F.conv_transpose1d(np.array([[1.0, 2.0]]), np.array([[[1.0, 10.0]]]))
    array([[ 1., 12., 20.]])
    """
    return _transpose(
        "conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


@composition(
    Sample((2, 3, 3, 4), (3, 4, 3, 2), (4,)),
    Sample((2, 2, 3, 4), (2, 3, 3, 3), None, stride=(2, 1), padding=(1, 2)),
    Sample((1, 2, 3, 2), (2, 2, 2, 3), stride=2, padding=1, output_padding=(1, 0), dilation=2),
    Sample((1, 4, 3, 2), (4, 3, 2, 3), (6,), stride=2, groups=2),
    Sample((0, 2, 3, 3), (2, 3, 2, 2)),
)
def conv_transpose2d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The transpose of `conv2d`: each element of x (N, C, H, W) adds its kernel to the result.

    weight is (C, K / groups, kh, kw), ``bias`` (K,) or None. ``padding`` is cut off the result,
    ``output_padding`` added to its far ends: with ``conv2d``'s own stride, padding and dilation the
    result has the shape of ``conv2d``'s x, up to what its stride left over. One image (C, H, W)
    gives one result.

    >>> F.conv_transpose2d(np.ones((1, 1, 1, 2)), np.ones((1, 1, 2, 2)))
    array([[[[1., 2., 1.],
             [1., 2., 1.]]]])
    """
    return _transpose(
        "conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


@composition(
    Sample((1, 2, 2, 2, 1), (2, 3, 2, 1, 3), (3,), stride=(2, 1, 1), padding=(1, 0, 1)),
    Sample((2, 1, 2, 2), (2, 1, 1, 2, 2), None, stride=2, output_padding=(1, 0, 1), groups=2),
)
def conv_transpose3d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The transpose of `conv3d`: each element of x (N, C, D, H, W) adds its kernel to the result.

    weight is (C, K / groups, kd, kh, kw); the arguments are those of `conv_transpose2d`, with up to
    three numbers for the axes.

    >>> F.conv_transpose3d(np.full((1, 1, 1, 1), 3.0), np.ones((1, 1, 1, 1, 2)))
    array([[[[3., 3.]]]])
    """
    return _transpose(
        "conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def _convolve(
    operation: str,
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """A convolution over ``axes`` spatial axes."""
    x, alone = image_batch(operation, x, axes)
    weight = _kernels(operation, weight, axes, "out, in / groups")
    stride = per_axis(operation, "stride", stride, axes, 1)
    dilation = per_axis(operation, "dilation", dilation, axes, 1)
    size = weight.shape[2:]
    before, after = _borders(operation, padding, size, stride, dilation)
    _check_groups(operation, groups, weight.shape[0], "out")
    if x.shape[1] != weight.shape[1] * groups:
        raise ValueError(
            f"{operation}: x {x.shape} has {x.shape[1]} channels, weight {weight.shape} in "
            f"{groups} groups takes {weight.shape[1] * groups}: x.shape[1] must equal "
            f"weight.shape[1] * groups"
        )
    windows = Windows(size, stride, dilation, before, after)
    check_fit(operation, windows, x.shape[2:])
    given = () if bias is None else (_bias(operation, bias, weight.shape[0]),)
    return as_it_came(Convolution(windows, groups)(x, weight, *given), alone)


def _transpose(
    operation: str,
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    """A transposed convolution over ``axes`` spatial axes."""
    x, alone = image_batch(operation, x, axes)
    weight = _kernels(operation, weight, axes, "in, out / groups")
    stride = per_axis(operation, "stride", stride, axes, 1)
    dilation = per_axis(operation, "dilation", dilation, axes, 1)
    before = per_axis(operation, "padding", padding, axes, 0)
    extra = per_axis(operation, "output_padding", output_padding, axes, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ValueError(
            f"{operation}: output_padding={output_padding!r} must be smaller than the stride or "
            f"the dilation, {stride} and {dilation}"
        )
    _check_groups(operation, groups, weight.shape[0], "in")
    if x.shape[1] != weight.shape[0]:
        raise ValueError(
            f"{operation}: x {x.shape} has {x.shape[1]} channels, weight {weight.shape} takes "
            f"{weight.shape[0]}: x.shape[1] must equal weight.shape[0]"
        )
    # output_padding shows what the padding had cut off, and zeros beyond that
    after = tuple(max(b - e, 0) for b, e in zip(before, extra, strict=True))
    windows = Windows(weight.shape[2:], stride, dilation, before, after)
    left = tuple(
        (count - 1) * s + span - b - a
        for count, s, span, b, a in zip(
            x.shape[2:], stride, windows.span, before, after, strict=True
        )
    )
    lengths = tuple(n + max(e - b, 0) for n, b, e in zip(left, before, extra, strict=True))
    if min(lengths) < 1:
        raise ValueError(
            f"{operation}: padding={padding!r} leaves {lengths} of the result: use less of it"
        )
    if min(left) < 1:  # one element more, cut off afterwards, as there is no image without any
        before = tuple(b - max(1 - n, 0) for b, n in zip(before, left, strict=True))
        windows = replace(windows, before=before)
    y = TransposedConvolution(windows, tuple(max(n, 1) for n in left), groups)(x, weight)
    if min(left) < 1:
        y = y[(..., *(slice(max(n, 0)) for n in left))]
    zeros = [(0, n - max(m, 0)) for n, m in zip(lengths, left, strict=True)]
    if any(after for _, after in zeros):
        y = F.pad(y, [(0, 0), (0, 0), *zeros])
    if bias is not None:
        bias = _bias(operation, bias, weight.shape[1] * groups)
        y = y + F.reshape(bias, (-1, *(1,) * axes))
    return as_it_came(y, alone)


def _kernels(operation: str, weight: Any, axes: int, layout: str) -> Any:
    """The weight as an operand, if it has the axes of kernels."""
    weight = as_operand(weight)
    if weight.ndim != axes + 2 or 0 in weight.shape:
        sizes = ", ".join(("kd", "kh", "kw")[3 - axes :])
        raise ValueError(
            f"{operation}: weight {weight.shape} came, ({layout}, {sizes}) is needed, none of it 0"
        )
    return weight


def _bias(operation: str, bias: Any, channels: int) -> Any:
    """The bias as an operand, if there is one number for each channel."""
    bias = as_operand(bias)
    if bias.shape != (channels,):
        raise ValueError(f"{operation}: bias {shape_of(bias)} came, ({channels},) is needed")
    return bias


def _check_groups(operation: str, groups: Any, channels: int, side: str) -> None:
    """ValueError if the kernels do not fall into so many groups."""
    if not isinstance(groups, int) or groups < 1 or channels % groups:
        raise ValueError(
            f"{operation}: groups={groups!r} came, a divisor of the weight's {channels} {side} "
            f"channels is needed"
        )


def _borders(
    operation: str, padding: Any, size: Lengths, stride: Lengths, dilation: Lengths
) -> tuple[Lengths, Lengths]:
    """The zeros before and after each axis."""
    if padding == "valid":
        padding = 0
    if padding != "same":
        if isinstance(padding, str):
            raise ValueError(
                f'{operation}: padding={padding!r} came, integers, "same" or "valid" are needed'
            )
        border = per_axis(operation, "padding", padding, len(size), 0)
        return border, border
    if max(stride) > 1:
        raise ValueError(f'{operation}: padding="same" needs stride 1, {stride} came: give numbers')
    total = [(k - 1) * d for k, d in zip(size, dilation, strict=True)]
    return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
