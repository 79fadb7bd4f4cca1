"""Activations of networks."""

from __future__ import annotations

from math import inf, pi, sqrt

import numpy as np

from descend import functions as F
from descend.core.arrays import get_array_module
from descend.core.function import Function, as_operand
from descend.core.variable import array_of
from descend.functions.arithmetic import UNARY
from descend.functions.registry import Sample, composition, primitive


class Sigmoid(Function):
    """1 / (1 + exp(-x)), without overflow.

    >>> F.sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """

    samples = UNARY

    def forward(self, x):
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
    samples = UNARY

    def forward(self, x):
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
    samples = (*UNARY, Sample((3, 4), negative_slope=0.2))

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x):
        return get_array_module(x).where(x > 0, x, self.negative_slope * x)

    def backward(self, gy, *, x):
        return F.where(x > 0, gy, self.negative_slope * gy)


sigmoid = primitive(Sigmoid)
logsigmoid = primitive(LogSigmoid)
relu = primitive(ReLU)
leaky_relu = primitive(LeakyReLU)


@composition(*UNARY, Sample((3, 4), approximate="tanh"))
def gelu(x, approximate="none"):
    """x times the probability that a normal variable is below x.

    ``approximate="tanh"`` takes tanh(sqrt(2/pi) * (x + 0.044715 x**3)) for the error function.
    Hendrycks and Gimpel, 2016, https://doi.org/10.48550/arXiv.1606.08415.

    >>> F.gelu(np.array([-1.0, 0.0, 1.0]))
    array([-0.15865525,  0.        ,  0.84134475])
    """
    x = as_operand(x)
    if approximate == "none":
        return 0.5 * x * (1 + F.erf(x * sqrt(0.5)))
    if approximate == "tanh":
        return 0.5 * x * (1 + F.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))
    raise ValueError(f'gelu: approximate={approximate!r} came, "none" or "tanh" is needed')


@composition(Sample((3, 4)), Sample((3, 4), axis=0), Sample((3,), low=-400, high=400))
def log_softmax(x, axis=-1):
    """log(softmax(x)) over ``axis``, without overflow; -inf stays -inf.

    Where all of x is -inf so is the result, with gradient 0.

    >>> F.log_softmax(np.array([1000.0, 1000.0, -np.inf]))
    array([-0.69314718, -0.69314718,        -inf])
    """
    x = as_operand(x)
    # The largest element cancels, so it can be taken for a constant.
    largest = F.max(array_of(x), axis=axis, keepdims=True)
    shifted = x - F.where(F.isfinite(largest), largest, 0)
    total = F.logsumexp(shifted, axis=axis, keepdims=True)
    y = shifted - F.where(F.isfinite(total), total, 0)
    masked = array_of(largest) == -inf
    if isinstance(masked, np.ndarray) and not masked.any():
        return y
    return F.where(masked, -inf, y)


@composition(Sample((3, 4)), Sample((3, 4), axis=0), Sample((3,), low=-400, high=400))
def softmax(x, axis=-1):
    """exp(x) over its sum along ``axis``; where all of x is -inf it is 0.

    >>> F.softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return F.exp(log_softmax(x, axis))
