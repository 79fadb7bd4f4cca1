"""Layers that put a border around images."""

from __future__ import annotations

from typing import Any, ClassVar

from descend import functions as F
from descend.nn.module import Module

Border = int | tuple[int, ...]


class Padding(Module):
    """The base of the layers with a border."""

    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"
    """The name of the border in `functions.pad`."""

    value: Any = 0

    def __init__(self, padding: Border) -> None:
        several = isinstance(padding, (tuple, list))
        border = tuple(padding) if several else (padding,) * (2 * self.axes)
        fits = all(isinstance(width, int) and width >= 0 for width in border)
        if len(border) != 2 * self.axes or not fits:
            raise ValueError(
                f"{type(self).__name__}: padding={padding!r} came, an integer or "
                f"{2 * self.axes} of them, (before, after) of the last axis first, are needed, "
                f"each at least 0"
            )
        self.padding = border

    def forward(self, x: Any) -> Any:
        """x with the border around its last axes."""
        pairs = [self.padding[i : i + 2] for i in range(0, 2 * self.axes, 2)]
        widths = [(0, 0)] * (x.ndim - self.axes) + pairs[::-1]
        if self.mode == "constant":
            return F.pad(x, widths, constant_values=self.value)
        return F.pad(x, widths, mode=self.mode)

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"{self.padding}"


class ConstantPadding(Padding):
    """The base of the layers whose border has one value."""

    def __init__(self, padding: Border, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(ConstantPadding):
    """A border of ``value`` at the ends of (..., L): (left, right), or one number for both."""

    axes = 1


class ConstantPad2d(ConstantPadding):
    """A border of ``value`` around (..., H, W): (left, right, top, bottom), or one number."""

    axes = 2


class ConstantPad3d(ConstantPadding):
    """A border of ``value`` around (..., D, H, W): (left, right, top, bottom, front, back)."""

    axes = 3


class ZeroPad1d(Padding):
    """Zeros at the ends of (..., L): (left, right), or one number for both."""

    axes = 1


class ZeroPad2d(Padding):
    """Zeros around (..., H, W): (left, right, top, bottom), or one number."""

    axes = 2


class ZeroPad3d(Padding):
    """Zeros around (..., D, H, W): (left, right, top, bottom, front, back), or one number."""

    axes = 3


class ReflectionPad1d(Padding):
    """(..., L) and at its ends its elements backwards from the last but one: (left, right)."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(Padding):
    """(..., H, W) reflected at its outermost elements: (left, right, top, bottom)."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(Padding):
    """(..., D, H, W) reflected at its outermost elements: (left, ..., front, back)."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(Padding):
    """(..., L) and at its ends its first and last elements again: (left, right)."""

    axes, mode = 1, "edge"


class ReplicationPad2d(Padding):
    """(..., H, W) with its outermost elements again: (left, right, top, bottom)."""

    axes, mode = 2, "edge"


class ReplicationPad3d(Padding):
    """(..., D, H, W) with its outermost elements again: (left, ..., front, back)."""

    axes, mode = 3, "edge"


class CircularPad1d(Padding):
    """(..., L) and at each end the elements of the other end: (left, right)."""

    axes, mode = 1, "wrap"


class CircularPad2d(Padding):
    """(..., H, W) with at each end the elements of the other: (left, right, top, bottom)."""

    axes, mode = 2, "wrap"


class CircularPad3d(Padding):
    """(..., D, H, W) with at each end the elements of the other: (left, ..., front, back)."""

    axes, mode = 3, "wrap"
