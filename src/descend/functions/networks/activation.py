"""Activations of networks."""

from __future__ import annotations

from math import inf, pi, sqrt
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.arrays import get_array_module
from descend.core.function import Function, as_operand
from descend.functions.elementwise.arithmetic import UNARY
from descend.functions.kinds import check_real
from descend.functions.registry import Sample, composition, primitive

SOFTMAX = (Sample((3, 4)), Sample((3, 4), axis=0), Sample((3,), low=-400, high=400))


class Sigmoid(Function):
    """1 / (1 + exp(-x)), without overflow.

    >>> F.sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """

    elementwise = True
    samples = UNARY
    native_forward = True

    def forward(self, x):
        check_real(x)
        xp = get_array_module(x)
        small = xp.exp(-xp.abs(x))
        return xp.where(x >= 0, 1, small) / (1 + small)

    def backward(self, gy, *, y):
        return gy * (y * (1 - y))


class LogSigmoid(Function):
    """log(sigmoid(x)), without overflow.

    >>> F.logsigmoid(np.array([-1000.0, 1000.0]))
    array([-1000.,     0.])
    """

    name = "logsigmoid"
    elementwise = True
    samples = UNARY
    native_forward = native_rule = True

    def forward(self, x):
        check_real(x)
        xp = get_array_module(x)
        return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))

    def backward(self, gy, *, x):
        return gy * F.sigmoid(-x)


class ReLU(Function):
    """The larger of x and 0; the derivative at 0 is 0.

    >>> F.relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    name = "relu"
    elementwise = True
    samples = UNARY

    def forward(self, x):
        return get_array_module(x).maximum(x, 0)

    def backward(self, gy, *, y):
        return gy * (y > 0)


class LeakyReLU(Function):
    """x where it is positive, ``negative_slope`` times x elsewhere.

    >>> F.leaky_relu(np.array([-1.0, 2.0]), negative_slope=0.1)
    array([-0.1,  2. ])
    """

    name = "leaky_relu"
    elementwise = True
    samples = (*UNARY, Sample((3, 4), negative_slope=0.2))

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x):
        return get_array_module(x).where(x > 0, x, self.negative_slope * x)

    def backward(self, gy, *, x):
        return F.where(x > 0, gy, self.negative_slope * gy)


class LogSoftmax(Function):
    """log(softmax(x)) over ``axis``, without overflow; -inf stays -inf.

    Where all of x is -inf so is the result, with gradient 0.

    >>> F.log_softmax(np.array([1000.0, 1000.0, -np.inf]))
    array([-0.69314718, -0.69314718,        -inf])
    """

    name = "log_softmax"
    samples = SOFTMAX
    native_forward = native_rule = True

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x):
        check_real(x)
        xp = get_array_module(x)
        shifted, empty = _shifted(x, self.axis)
        self.keep(empty=empty)
        total = xp.sum(xp.exp(shifted), axis=self.axis, keepdims=True, dtype=_wide(x))
        total = total if empty is None else xp.where(empty, 1, total)
        return shifted - xp.log(total).astype(x.dtype, copy=False)

    def backward(self, gy, *, y, empty):
        gx = gy - F.exp(y) * F.sum(gy, axis=self.axis, keepdims=True)
        return gx if empty is None else F.where(empty, 0, gx)


class Softmax(Function):
    """exp(x) over its sum along ``axis``; where all of x is -inf it is 0.

    >>> F.softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """

    samples = SOFTMAX
    native_forward = native_rule = True

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x):
        check_real(x)
        xp = get_array_module(x)
        shifted, empty = _shifted(x, self.axis)
        y = xp.exp(shifted)
        total = xp.sum(y, axis=self.axis, keepdims=True, dtype=_wide(x))
        total = total if empty is None else xp.where(empty, 1, total)
        return (y / total).astype(x.dtype, copy=False)

    def backward(self, gy, *, y):
        return y * (gy - F.sum(gy * y, axis=self.axis, keepdims=True))


sigmoid = primitive(Sigmoid)
logsigmoid = primitive(LogSigmoid)
relu = primitive(ReLU)
leaky_relu = primitive(LeakyReLU)
log_softmax = primitive(LogSoftmax)
softmax = primitive(Softmax)


@composition(*UNARY, Sample((3, 4), approximate="tanh"))
def gelu(x, approximate="none"):
    """x times the probability that a normal variable is below x.

    ``approximate="tanh"`` takes tanh(sqrt(2/pi) * (x + 0.044715 x**3)) for the error function.
    Hendrycks and Gimpel, 2016, https://doi.org/10.48550/arXiv.1606.08415.

    >>> F.gelu(np.array([-1.0, 0.0, 1.0]))
    array([-0.15865525,  0.        ,  0.84134475])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f'gelu: approximate={approximate!r} came, "none" or "tanh" is needed')
    return _gelu(as_operand(x), approximate=approximate)


@fused
def _gelu(x: Any, *, approximate: str) -> Any:
    if approximate == "none":
        return 0.5 * x * (1 + F.erf(x * sqrt(0.5)))
    # 1 + tanh(z) = 2 * sigmoid(2 * z), which has all its digits on the left
    return x * F.sigmoid(sqrt(8 / pi) * (x + 0.044715 * x**3))


def _shifted(x: Any, axis: int) -> tuple[Any, Any]:
    """x less its largest element, and where that is -inf; None if it is so nowhere."""
    xp = get_array_module(x)
    largest = xp.max(x, axis=axis, keepdims=True)
    empty = largest == -inf
    if isinstance(empty, np.ndarray) and not empty.any():  # only NumPy's are looked at
        return x - largest, None
    return x - xp.where(empty, 0, largest), empty


def _wide(x: Any) -> Any:
    """The dtype in which elements of x are summed."""
    return np.float32 if x.dtype == np.float16 else None
