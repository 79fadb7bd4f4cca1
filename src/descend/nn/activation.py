"""Activations as layers."""

from __future__ import annotations

from typing import Any

from descend import functions as F
from descend.nn.module import Module


class ReLU(Module):
    """The larger of x and 0."""

    def forward(self, x: Any) -> Any:
        """The larger of x and 0."""
        return F.relu(x)


class LeakyReLU(Module):
    """x where it is positive, ``negative_slope`` times x elsewhere."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        """x where it is positive, ``negative_slope`` times x elsewhere."""
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"negative_slope={self.negative_slope}"


class GELU(Module):
    """x times the probability that a normal variable is below x; `functions.gelu`."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        """x times the probability that a normal variable is below x."""
        return F.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"approximate={self.approximate!r}"


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Any) -> Any:
        """The hyperbolic tangent."""
        return F.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Any) -> Any:
        """1 / (1 + exp(-x))."""
        return F.sigmoid(x)


class Softmax(Module):
    """exp(x) over its sum along ``axis``."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """exp(x) over its sum along ``axis``."""
        return F.softmax(x, self.axis)

    def extra_repr(self) -> str:
        """The axis."""
        return f"axis={self.axis}"
