"""Layers that convolve images."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.variable import Parameter
from descend.functions.random import Generator
from descend.functions.windows import per_axis
from descend.nn.linear import fill_uniform
from descend.nn.module import Module

Pair = int | tuple[int, int]


class Convolution(Module):
    """The base of the layers with a window of weights."""

    bias: Parameter | None
    padding: Any

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
        self.kernel_size = self._pair("kernel_size", kernel_size, 1)
        self.stride = self._pair("stride", stride, 1)
        self.padding = padding if padding in ("same", "valid") else self._pair("padding", padding)
        self.dilation = self._pair("dilation", dilation, 1)
        self.groups = groups

    def _pair(self, name: str, value: Any, least: int = 0) -> Any:
        """A size given once for both axes, or twice."""
        return per_axis(type(self).__name__, name, value, 2, least)

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
        rest = {"padding": (0, 0), "dilation": (1, 1), "output_padding": (0, 0), "groups": 1}
        for name, default in rest.items():
            value = getattr(self, name, default)
            if value != default:
                parts.append(f"{name}={value}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


class Conv2d(Convolution):
    """Windows of x times weight, plus bias: (N, C, H, W) becomes (N, out_channels, H', W').

    ``weight`` is (out_channels, in_channels / groups, height, width of the window). It and ``bias``
    start uniform within 1 / sqrt(elements of a window).
    """

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
        *,
        dtype: Any = np.float32,
        rng: Generator | int | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self._make((out_channels, in_channels // groups, *self.kernel_size), bias, dtype, rng)

    def forward(self, x: Any) -> Any:
        """The convolution (N, out_channels, H', W')."""
        return F.conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class ConvTranspose2d(Convolution):
    """The adjoint of a convolution: (N, C, H, W) becomes (N, out_channels, H', W'), larger.

    ``weight`` is (in_channels, out_channels / groups, height, width of the window).
    """

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
        self.output_padding = self._pair("output_padding", output_padding)
        self._make((in_channels, out_channels // groups, *self.kernel_size), bias, dtype, rng)

    def forward(self, x: Any) -> Any:
        """The transposed convolution (N, out_channels, H', W')."""
        return F.conv_transpose2d(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )
