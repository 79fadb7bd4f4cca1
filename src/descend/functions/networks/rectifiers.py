"""Activations made of pieces: one rule left of a bound, another one right of it.

Where two pieces meet, the slope is that of the piece the docstring names.
"""

from __future__ import annotations

from typing import Any

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.functions.axis import axis_of
from descend.functions.elementwise.arithmetic import UNARY
from descend.functions.registry import Sample, composition

SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717
"""With these, activations of mean 0 and variance 1 keep them: the paper's, to more digits."""

WIDE = Sample((3, 4), low=-8, high=8)


@composition(*UNARY, Sample((3,), alpha=0.5))
def elu(x, alpha=1.0):
    """x where it is positive, alpha * (exp(x) - 1) elsewhere, with slope alpha at 0.

    Clevert, Unterthiner and Hochreiter, 2015, https://doi.org/10.48550/arXiv.1511.07289.

    >>> F.elu(np.array([-1000.0, 0.0, 2.0]))
    array([-1.,  0.,  2.])
    """
    return _elu(as_operand(x), scale=1.0, alpha=alpha, width=1.0)


@composition(*UNARY)
def selu(x):
    """`elu` with alpha = 1.6733, times 1.0507: mean 0 and variance 1 go through layer by layer.

    Klambauer, Unterthiner, Mayr and Hochreiter, 2017, https://doi.org/10.48550/arXiv.1706.02515.

    >>> F.selu(np.array([-1000.0, 0.0, 1.0])).round(4)
    array([-1.7581,  0.    ,  1.0507])
    """
    return _elu(as_operand(x), scale=SELU_SCALE, alpha=SELU_ALPHA, width=1.0)


@composition(*UNARY, Sample((3,), alpha=2.0))
def celu(x, alpha=1.0):
    """x where it is positive, alpha * (exp(x / alpha) - 1) elsewhere, with slope 1 at 0.

    Barron, 2017, https://doi.org/10.48550/arXiv.1704.07483.

    >>> F.celu(np.array([-1000.0, 0.0, 2.0]), alpha=0.5)
    array([-0.5,  0. ,  2. ])
    """
    if alpha == 0:
        raise ValueError("celu: alpha is 0, another number is needed")
    return _elu(as_operand(x), scale=1.0, alpha=alpha, width=alpha)


@fused
def _elu(x: Any, *, scale: float, alpha: float, width: float) -> Any:
    """scale * x where x is positive, scale * alpha * (exp(x / width) - 1) elsewhere."""
    positive = x > 0
    left = F.where(positive, 0, x)  # the exponential of a large x would be infinite
    left = scale * alpha * F.expm1(left if width == 1 else left / width)
    return F.where(positive, x if scale == 1 else scale * x, left)


@composition(Sample((3, 4), low=-9, high=9), Sample((), low=-9, high=9))
def relu6(x):
    """x held between 0 and 6; the slope at both bounds is 0.

    >>> F.relu6(np.array([-1.0, 2.0, 7.0]))
    array([0., 2., 6.])
    """
    return _held(as_operand(x), low=0.0, high=6.0)


@composition(*UNARY, Sample((3, 4), min_val=-0.5, max_val=1.5))
def hardtanh(x, min_val=-1.0, max_val=1.0):
    """x held between ``min_val`` and ``max_val``; the slope at both bounds is 0.

    >>> F.hardtanh(np.array([-2.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    if not min_val < max_val:
        raise ValueError(f"hardtanh: min_val={min_val} must be less than max_val={max_val}")
    return _held(as_operand(x), low=min_val, high=max_val)


@composition(WIDE, Sample((), low=-8, high=8))
def hardsigmoid(x):
    """(x + 3) / 6 held between 0 and 1; the slope at both bounds is 0.

    >>> F.hardsigmoid(np.array([-4.0, 0.0, 1.5, 4.0]))
    array([0.  , 0.5 , 0.75, 1.  ])
    """
    return _hardsigmoid(as_operand(x))


@composition(WIDE, Sample((), low=-8, high=8))
def hardswish(x):
    """x * `hardsigmoid` (x): 0 up to -3 and x from 3 on, with the slopes 0 and 1 there.

    Howard et al., 2019, https://doi.org/10.48550/arXiv.1905.02244.

    >>> F.hardswish(np.array([-4.0, 1.0, 4.0])).round(4)
    array([-0.    ,  0.6667,  4.    ])
    """
    return _hardswish(as_operand(x))


@fused
def _held(x: Any, *, low: float, high: float) -> Any:
    """x between two bounds; NaN stays."""
    return F.where(x <= low, low, F.where(x >= high, high, x))


@fused
def _hardsigmoid(x: Any) -> Any:
    return _held(x + 3, low=0.0, high=6.0) / 6


@fused
def _hardswish(x: Any) -> Any:
    return x * _hardsigmoid(x)


@composition(*UNARY, Sample((3, 4), lambd=1.0))
def softshrink(x, lambd=0.5):
    """x brought nearer to 0 by ``lambd``, 0 (with slope 0) where it is no further away.

    >>> F.softshrink(np.array([-2.0, 0.5, 2.0]))
    array([-1.5,  0. ,  1.5])
    """
    if lambd < 0:
        raise ValueError(f"softshrink: lambd is {lambd}, at least 0 is needed")
    return _softshrink(as_operand(x), lambd=lambd)


@fused
def _softshrink(x: Any, *, lambd: float) -> Any:
    return F.where(abs(x) <= lambd, 0, x - lambd * F.sign(x))


@composition(*UNARY, Sample((3, 4), lambd=1.0))
def hardshrink(x, lambd=0.5):
    """x where it is further than ``lambd`` away from 0, 0 (with slope 0) elsewhere.

    >>> F.hardshrink(np.array([-2.0, 0.5, 2.0]))
    array([-2.,  0.,  2.])
    """
    x = as_operand(x)
    return F.where(abs(x) <= lambd, 0, x)


@composition(Sample((3, 4), 0.1, 20.0), Sample((), -0.5, -3.0))
def threshold(x, threshold, value):
    """x where it is larger than ``threshold``, ``value`` (with slope 0) elsewhere.

    >>> F.threshold(np.array([-1.0, 0.5, 2.0]), 0.5, -7.0)
    array([-7., -7.,  2.])
    """
    x = as_operand(x)
    return F.where(x <= threshold, value, x)


@composition(Sample((2, 3, 2), (3,)), Sample((3, 4), (1,)), Sample((3,), ()), Sample((0, 3), (3,)))
def prelu(x, weight):
    """x where it is positive, ``weight`` times x elsewhere.

    ``weight`` is one number, () or (1,), or one for each channel of x (N, C, ...): (C,). The slope
    at 0 is the weight. He, Zhang, Ren and Sun, 2015, https://doi.org/10.48550/arXiv.1502.01852.

    >>> F.prelu(np.array([[-1.0, -1.0], [2.0, 2.0]]), np.array([0.1, 0.5]))
    array([[-0.1, -0.5],
           [ 2. ,  2. ]])
    """
    x, weight = as_operand(x), as_operand(weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.shape not in ((), (1,), (channels,)):
        raise ValueError(
            f"prelu: weight {shape_of(weight)} came, for x {shape_of(x)} it must be "
            f"{'(1,)' if channels == 1 else f'(1,) or ({channels},)'}"
        )
    each = weight.shape == (channels,) and x.ndim > 1
    return _prelu(x, F.reshape(weight, (-1,) + (1,) * (x.ndim - 2) if each else ()))


@fused
def _prelu(x: Any, weight: Any) -> Any:
    return F.where(x > 0, x, weight * x)


@composition(Sample((2, 6), 3), Sample((4, 2), 2, axis=0), Sample((2, 4, 3), 4))
def maxout(x, pool_size, axis=1):
    """The largest of each ``pool_size`` features that follow each other along ``axis``.

    (N, C, ...) becomes (N, C / pool_size, ...); equal elements share the gradient evenly.
    Goodfellow et al., 2013, https://doi.org/10.48550/arXiv.1302.4389.

    >>> F.maxout(np.array([[1.0, 5.0, 2.0, 0.0]]), 2)
    array([[5., 2.]])
    """
    x = as_operand(x)
    axis = axis_of("maxout", axis, x.ndim)
    if pool_size < 1 or x.shape[axis] % pool_size:
        raise ValueError(
            f"maxout: axis {axis} of x {x.shape} does not divide into groups of {pool_size}"
        )
    groups = (*x.shape[:axis], x.shape[axis] // pool_size, pool_size, *x.shape[axis + 1 :])
    return F.max(F.reshape(x, groups), axis + 1)
