"""Layers that make one element of each window of an image, and that undo it."""

from __future__ import annotations

from typing import Any, ClassVar

from descend import functions as F
from descend.functions.images.windows import per_axis
from descend.nn.convolution import Pair
from descend.nn.module import Module


class MaxPool(Module):
    """The base of the layers that take the largest."""

    axes: ClassVar[int]
    padding: Any
    dilation: Any

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, x: Any) -> Any:
        """The largest elements, with ``return_indices`` and where they lie."""
        return getattr(F, f"max_pool{self.axes}d")(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        """PyTorch's."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(MaxPool):
    """The largest element of each window: (N, C, L) becomes (N, C, L')."""

    axes = 1


class MaxPool2d(MaxPool):
    """The largest element of each window: (N, C, H, W) becomes (N, C, H', W')."""

    axes = 2


class MaxPool3d(MaxPool):
    """The largest element of each window: (N, C, D, H, W) becomes (N, C, D', H', W')."""

    axes = 3


class MaxUnpool(Module):
    """The base of the layers that put the largest back."""

    axes: ClassVar[int]

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        name = type(self).__name__
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, self.axes, 1)
        strides = self.kernel_size if stride is None else stride
        self.stride = per_axis(name, "stride", strides, self.axes, 1)
        self.padding: Any = per_axis(name, "padding", padding, self.axes, 0)

    def forward(self, x: Any, indices: Any, output_size: Any = None) -> Any:
        """Zeros with the elements of x at ``indices``, in ``output_size``."""
        return getattr(F, f"max_unpool{self.axes}d")(
            x, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(MaxUnpool):
    """What `MaxPool1d` took, at the places it came from: (N, C, L') becomes (N, C, L)."""

    axes = 1


class MaxUnpool2d(MaxUnpool):
    """What `MaxPool2d` took, at the places it came from: (N, C, H', W') becomes (N, C, H, W)."""

    axes = 2


class MaxUnpool3d(MaxUnpool):
    """What `MaxPool3d` took, at the places it came from: (N, C, D, H, W), larger."""

    axes = 3


class AvgPool1d(Module):
    """The mean of each window: (N, C, L) becomes (N, C, L')."""

    padding: Any

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size = per_axis("AvgPool1d", "kernel_size", kernel_size, 1, 1)
        strides = self.kernel_size if stride is None else stride
        self.stride = per_axis("AvgPool1d", "stride", strides, 1, 1)
        self.padding = per_axis("AvgPool1d", "padding", padding, 1, 0)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, x: Any) -> Any:
        """The means (N, C, L')."""
        return F.avg_pool1d(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool(Module):
    """The base of the means of images and volumes."""

    axes: ClassVar[int]
    padding: Any

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> Any:
        """The means."""
        return getattr(F, f"avg_pool{self.axes}d")(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(AvgPool):
    """The mean of each window: (N, C, H, W) becomes (N, C, H', W')."""

    axes = 2


class AvgPool3d(AvgPool):
    """The mean of each window: (N, C, D, H, W) becomes (N, C, D', H', W')."""

    axes = 3


class LPPool(Module):
    """The base of the layers that take the p-norm."""

    axes: ClassVar[int]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Pair,
        stride: Pair | None = None,
        ceil_mode: bool = False,
    ) -> None:
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, x: Any) -> Any:
        """The norms."""
        return getattr(F, f"lp_pool{self.axes}d")(
            x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        """PyTorch's."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(LPPool):
    """sum(x ** p) ** (1 / p) of each window: (N, C, L) becomes (N, C, L')."""

    axes = 1


class LPPool2d(LPPool):
    """sum(x ** p) ** (1 / p) of each window: (N, C, H, W) becomes (N, C, H', W')."""

    axes = 2


class LPPool3d(LPPool):
    """sum(x ** p) ** (1 / p) of each window: (N, C, D, H, W) becomes (N, C, D', H', W')."""

    axes = 3


class AdaptiveAvgPool(Module):
    """The base of the means over as many windows as the result has elements."""

    axes: ClassVar[int]

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        """The means (N, C, output_size)."""
        return getattr(F, f"adaptive_avg_pool{self.axes}d")(x, self.output_size)

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptiveAvgPool):
    """The means of ``output_size`` windows: (N, C, L) becomes (N, C, output_size)."""

    axes = 1


class AdaptiveAvgPool2d(AdaptiveAvgPool):
    """The means of ``output_size`` windows: (N, C, H, W) becomes (N, C, *output_size)."""

    axes = 2


class AdaptiveAvgPool3d(AdaptiveAvgPool):
    """The means of ``output_size`` windows: (N, C, D, H, W) becomes (N, C, *output_size)."""

    axes = 3


class AdaptiveMaxPool(Module):
    """The base of the largest of as many windows as the result has elements."""

    axes: ClassVar[int]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, x: Any) -> Any:
        """The largest (N, C, output_size), with ``return_indices`` and where they lie."""
        pool = getattr(F, f"adaptive_max_pool{self.axes}d")
        return pool(x, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(AdaptiveMaxPool):
    """The largest of ``output_size`` windows: (N, C, L) becomes (N, C, output_size)."""

    axes = 1


class AdaptiveMaxPool2d(AdaptiveMaxPool):
    """The largest of ``output_size`` windows: (N, C, H, W) becomes (N, C, *output_size)."""

    axes = 2


class AdaptiveMaxPool3d(AdaptiveMaxPool):
    """The largest of ``output_size`` windows: (N, C, D, H, W) becomes (N, C, *output_size)."""

    axes = 3
