"""Activations as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from descend import functions as F
from descend.core.variable import Parameter
from descend.nn.module import Module


class Activation(Module):
    """The base of layers that call one function with some settings, their attributes."""

    function: ClassVar[Callable[..., Any]]
    settings: ClassVar[tuple[str, ...]] = ()
    """The names of the settings, in the order in which ``function`` takes them after x."""

    def forward(self, x: Any) -> Any:
        """The function of x."""
        return type(self).function(x, *(getattr(self, name) for name in self.settings))

    def extra_repr(self) -> str:
        """PyTorch's: the settings."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)


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


class ELU(Activation):
    """x where it is positive, alpha * (exp(x) - 1) elsewhere."""

    function = staticmethod(F.elu)
    settings = ("alpha",)

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha


class SELU(Activation):
    """`ELU` with the constants that keep mean 0 and variance 1; `functions.selu`."""

    function = staticmethod(F.selu)


class CELU(Activation):
    """x where it is positive, alpha * (exp(x / alpha) - 1) elsewhere."""

    function = staticmethod(F.celu)
    settings = ("alpha",)

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha


class SiLU(Activation):
    """x * sigmoid(x)."""

    function = staticmethod(F.silu)


class Mish(Activation):
    """x * tanh(softplus(x))."""

    function = staticmethod(F.mish)


class Softplus(Activation):
    """log(1 + exp(beta * x)) / beta, exact without ``threshold``; `functions.softplus`."""

    function = staticmethod(F.softplus)
    settings = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float | None = None) -> None:
        self.beta = beta
        self.threshold = threshold


class Softsign(Activation):
    """x / (1 + abs(x))."""

    function = staticmethod(F.softsign)


class Tanhshrink(Activation):
    """x - tanh(x)."""

    function = staticmethod(F.tanhshrink)


class LogSigmoid(Activation):
    """log(sigmoid(x))."""

    function = staticmethod(F.logsigmoid)


class ReLU6(Activation):
    """x held between 0 and 6."""

    function = staticmethod(F.relu6)


class Hardtanh(Activation):
    """x held between ``min_val`` and ``max_val``."""

    function = staticmethod(F.hardtanh)
    settings = ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val = min_val
        self.max_val = max_val


class Hardsigmoid(Activation):
    """(x + 3) / 6 held between 0 and 1."""

    function = staticmethod(F.hardsigmoid)


class Hardswish(Activation):
    """x * hardsigmoid(x)."""

    function = staticmethod(F.hardswish)


class Softshrink(Activation):
    """x brought nearer to 0 by ``lambd``, 0 where it is no further away."""

    function = staticmethod(F.softshrink)
    settings = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd


class Hardshrink(Activation):
    """x where it is further than ``lambd`` away from 0, 0 elsewhere."""

    function = staticmethod(F.hardshrink)
    settings = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd


class Threshold(Activation):
    """x where it is larger than ``threshold``, ``value`` elsewhere."""

    function = staticmethod(F.threshold)
    settings = ("threshold", "value")

    def __init__(self, threshold: float, value: float) -> None:
        self.threshold = threshold
        self.value = value


class GLU(Activation):
    """The first half of x along ``axis``, times the sigmoid of the second half."""

    function = staticmethod(F.glu)
    settings = ("axis",)

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis


class LogSoftmax(Activation):
    """log(softmax(x)) over ``axis``."""

    function = staticmethod(F.log_softmax)
    settings = ("axis",)

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis


class Softmin(Activation):
    """softmax(-x) over ``axis``."""

    function = staticmethod(F.softmin)
    settings = ("axis",)

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis


class PReLU(Module):
    """x where it is positive, ``weight`` times x elsewhere: one slope, or one for each channel.

    ``weight`` is (num_parameters,) and starts at ``init``.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = np.float32
    ) -> None:
        self.num_parameters = num_parameters
        self.weight = Parameter(np.full(num_parameters, init, dtype), "weight")

    def forward(self, x: Any) -> Any:
        """x with its negative elements scaled."""
        return F.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"num_parameters={self.num_parameters}"
