"""Layers that convolve images."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from descend import functions as F
from descend.core.variable import Parameter
from descend.functions.images.windows import per_axis
from descend.functions.random import Generator
from descend.nn.linear import fill_uniform
from descend.nn.module import Module

Pair = int | tuple[int, ...]
"""One number for all spatial axes, or one for each."""

BORDERS = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""What a layer puts around x, and its name in `functions.pad`."""


class Convolution(Module):
    """The base of the layers with a window of weights."""

    axes: ClassVar[int]
    """How many spatial axes there are."""

    bias: Parameter | None
    padding: Any
    padding_mode = "zeros"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair | str,
        dilation: Pair,
        groups: int,
    ) -> None:
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if groups < 1 or channels % groups:
                raise ValueError(
                    f"{type(self).__name__}: {name}={channels} does not divide into groups={groups}"
                )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._each("kernel_size", kernel_size, 1)
        self.stride = self._each("stride", stride, 1)
        self.padding = padding if padding in ("same", "valid") else self._each("padding", padding)
        self.dilation = self._each("dilation", dilation, 1)
        self.groups = groups

    def _each(self, name: str, value: Any, least: int = 0) -> Any:
        """A size given once for all axes, or for each."""
        return per_axis(type(self).__name__, name, value, self.axes, least)

    def _make(self, shape: tuple[int, ...], bias: bool, dtype: Any, rng: Any) -> None:
        """Weight and bias with their first values."""
        self.weight = Parameter(np.empty(shape, dtype), "weight")
        self.bias = Parameter(np.empty(self.out_channels, dtype), "bias") if bias else None
        fill_uniform(self.weight, self.bias, rng)

    def extra_repr(self) -> str:
        """PyTorch's: the sizes, then what differs from the defaults."""
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}, stride={self.stride}",
        ]
        zeros, ones = (0,) * self.axes, (1,) * self.axes
        rest = {"padding": zeros, "dilation": ones, "output_padding": zeros, "groups": 1}
        for name, default in rest.items():
            value = getattr(self, name, default)
            if value != default:
                parts.append(f"{name}={value}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class Conv(Convolution):
    """The base of the convolutions over one, two and three axes."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = np.float32,
        rng: Generator | int | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        if padding_mode not in BORDERS:
            known = ", ".join(f'"{name}"' for name in BORDERS)
            raise ValueError(
                f"{type(self).__name__}: padding_mode={padding_mode!r} came, one of {known} is "
                f"needed"
            )
        self.padding_mode = padding_mode
        self._make((out_channels, in_channels // groups, *self.kernel_size), bias, dtype, rng)

    def forward(self, x: Any) -> Any:
        """The convolution (N, out_channels, ...)."""
        padding = self.padding
        if self.padding_mode != "zeros" and padding != "valid":
            x, padding = self._bordered(x), 0
        convolve = getattr(F, f"conv{self.axes}d")
        return convolve(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _bordered(self, x: Any) -> Any:
        """X with its border, where that is not zeros."""
        if self.padding == "same":
            total = [(k - 1) * d for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            borders = [(t // 2, t - t // 2) for t in total]
        else:
            borders = [(p, p) for p in self.padding]
        inner = [(0, 0)] * (x.ndim - self.axes)
        return F.pad(x, [*inner, *borders], mode=BORDERS[self.padding_mode])


class Conv1d(Conv):
    """Windows of x times weight, plus bias: (N, C, L) becomes (N, out_channels, L').

    ``weight`` is (out_channels, in_channels / groups, length of the window). It and ``bias`` start
    uniform within 1 / sqrt(elements of a window).
    """

    axes = 1


class Conv2d(Conv):
    """Windows of x times weight, plus bias: (N, C, H, W) becomes (N, out_channels, H', W').

    ``weight`` is (out_channels, in_channels / groups, height, width of the window). It and ``bias``
    start uniform within 1 / sqrt(elements of a window). ``padding_mode`` is what lies around x:
    "zeros", or x itself, as "reflect", "replicate" or "circular" (see `functions.pad`).
    """

    axes = 2


class Conv3d(Conv):
    """Windows of x times weight, plus bias: (N, C, D, H, W) becomes (N, out_channels, ...).

    ``weight`` is (out_channels, in_channels / groups, depth, height, width of the window). It and
    ``bias`` start uniform within 1 / sqrt(elements of a window).
    """

    axes = 3


class ConvTranspose(Convolution):
    """The base of the transposed convolutions over one, two and three axes."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        output_padding: Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Pair = 1,
        *,
        dtype: Any = np.float32,
        rng: Generator | int | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.output_padding = self._each("output_padding", output_padding)
        self._make((in_channels, out_channels // groups, *self.kernel_size), bias, dtype, rng)

    def forward(self, x: Any) -> Any:
        """The transposed convolution (N, out_channels, ...)."""
        convolve = getattr(F, f"conv_transpose{self.axes}d")
        return convolve(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(ConvTranspose):
    """The adjoint of a convolution: (N, C, L) becomes (N, out_channels, L'), longer.

    ``weight`` is (in_channels, out_channels / groups, length of the window).
    """

    axes = 1


class ConvTranspose2d(ConvTranspose):
    """The adjoint of a convolution: (N, C, H, W) becomes (N, out_channels, H', W'), larger.

    ``weight`` is (in_channels, out_channels / groups, height, width of the window).
    """

    axes = 2


class ConvTranspose3d(ConvTranspose):
    """The adjoint of a convolution: (N, C, D, H, W) becomes (N, out_channels, ...), larger.

    ``weight`` is (in_channels, out_channels / groups, depth, height, width of the window).
    """

    axes = 3
