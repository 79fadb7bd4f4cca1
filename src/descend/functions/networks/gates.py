"""Smooth activations: x scaled by a gate between 0 and 1, and their kin."""

from __future__ import annotations

from math import factorial
from typing import Any

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.arrays import conj, get_array_module
from descend.core.errors import shape_of
from descend.core.function import Function, as_operand
from descend.functions.axis import axis_of
from descend.functions.elementwise.arithmetic import UNARY
from descend.functions.kinds import check_real
from descend.functions.networks.activation import SOFTMAX
from descend.functions.registry import Sample, composition, primitive


class Softplus(Function):
    """log(1 + exp(beta * x)) / beta, without overflow: never less than x, nor than 0.

    Where beta * x is larger than ``threshold`` it is x, with slope 1; None needs no such place,
    as the value is exact for any x. (PyTorch's threshold of 20 leaves out up to 2e-9.)

    >>> F.softplus(np.array([-1000.0, 0.0, 30.0])).round(4)
    array([ 0.    ,  0.6931, 30.    ])
    """

    elementwise = True
    samples = (*UNARY, Sample((3, 4), beta=2.0), Sample((3,), low=-40, high=40))
    native_forward = native_rule = True

    def __init__(self, beta: float = 1.0, threshold: float | None = None) -> None:
        if beta == 0:
            raise ValueError("softplus: beta is 0, another number is needed")
        self.beta = beta
        self.threshold = threshold

    def forward(self, x):
        check_real(x)
        xp = get_array_module(x)
        scaled = x if self.beta == 1 else self.beta * x
        y = xp.maximum(scaled, 0) + xp.log1p(xp.exp(-xp.abs(scaled)))
        y = y if self.beta == 1 else y / self.beta
        return y if self.threshold is None else xp.where(scaled > self.threshold, x, y)

    def backward(self, gy, *, x):
        scaled = self.beta * x
        gx = gy * F.sigmoid(scaled)
        return gx if self.threshold is None else F.where(scaled > self.threshold, gy, gx)


class Softsign(Function):
    """x / (1 + abs(x)).

    >>> F.softsign(np.array([-3.0, 0.0, 1.0]))
    array([-0.75,  0.  ,  0.5 ])
    """

    elementwise = True
    samples = UNARY
    native_forward = native_rule = True

    def forward(self, x):
        check_real(x)
        return x / (1 + get_array_module(x).abs(x))

    def backward(self, gy, *, x):
        share = 1 / (1 + F.abs(x))
        return gy * (share * share)


class TanhShrink(Function):
    """x - tanh(x), exact for small x.

    >>> F.tanhshrink(np.array([-1000.0, 0.0, 1.0, 1e-3]))
    array([-9.99000000e+02,  0.00000000e+00,  2.38405844e-01,  3.33333200e-10])
    """

    name = "tanhshrink"
    elementwise = True
    samples = UNARY
    native_forward = native_rule = True

    def forward(self, x):
        xp = get_array_module(x)
        near = xp.abs(x) < 1
        low = xp.where(near, x, 0)
        square, y = low * low, 0.0
        for k in range(9, 0, -1):  # the power series of x * cosh(x) - sinh(x)
            y = y * square + 2 * k / factorial(2 * k + 1)
        return xp.where(near, y * square * low / xp.cosh(low), x - xp.tanh(x))

    def backward(self, gy, *, x):
        return gy * conj(F.square(F.tanh(x)))


softplus = primitive(Softplus)
softsign = primitive(Softsign)
tanhshrink = primitive(TanhShrink)


@composition(*UNARY)
def silu(x):
    """x * sigmoid(x), also called swish.

    Elfwing, Uchibe and Doya, 2017, https://doi.org/10.48550/arXiv.1702.03118.

    >>> F.silu(np.array([-1.0, 0.0, 1.0]))
    array([-0.26894142,  0.        ,  0.73105858])
    """
    return _silu(as_operand(x))


@fused
def _silu(x: Any) -> Any:
    return x * F.sigmoid(x)


@composition(*UNARY)
def mish(x):
    """x * tanh(softplus(x)).

    Misra, 2019, https://doi.org/10.48550/arXiv.1908.08681.

    >>> F.mish(np.array([-1.0, 0.0, 1.0]))
    array([-0.30340146,  0.        ,  0.86509839])
    """
    return _mish(as_operand(x))


@fused
def _mish(x: Any) -> Any:
    return x * F.tanh(F.softplus(x))


@composition(Sample((2, 4)), Sample((4, 3), axis=0), Sample((0, 2)))
def glu(x, axis=-1):
    """The first half of x along ``axis``, times the sigmoid of the second half.

    Dauphin, Fan, Auli and Grangier, 2016, https://doi.org/10.48550/arXiv.1612.08083.

    >>> F.glu(np.array([1.0, 2.0, 0.0, 1000.0]))
    array([0.5, 2. ])
    """
    x = as_operand(x)
    axis = axis_of("glu", axis, x.ndim)
    if x.shape[axis] % 2:
        raise ValueError(f"glu: axis {axis} of x {shape_of(x)} has no halves, its length is odd")
    return _glu(x, axis=axis)


@fused
def _glu(x: Any, *, axis: int) -> Any:
    a, b = F.split(x, 2, axis)
    return a * F.sigmoid(b)


@composition(*SOFTMAX)
def softmin(x, axis=-1):
    """`softmax` of -x: the smallest elements along ``axis`` get the largest shares.

    >>> F.softmin(np.array([0.0, 0.0, 1000.0]))
    array([0.5, 0.5, 0. ])
    """
    return F.softmax(-as_operand(x), axis)
