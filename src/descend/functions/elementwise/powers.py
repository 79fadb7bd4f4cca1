"""Roots, and powers of numbers that become floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import conj, get_array_module
from descend.core.function import Function, as_operand
from descend.functions.elementwise.arithmetic import BINARY, POSITIVE, Broadcasting
from descend.functions.registry import Sample, composition, primitive


class Cbrt(Function):
    """The cube root, of negative numbers too; its derivative at 0 is infinite.

    >>> F.cbrt(np.array([-8.0, 27.0]))
    array([-2.,  3.])
    """

    elementwise = True
    samples = (*POSITIVE, Sample((3,), low=-3, high=-0.3))

    def forward(self, x):
        return get_array_module(x).cbrt(x)

    def backward(self, gy, *, y):
        return gy / (3 * (y * y))


class Rsqrt(Function):
    """1 / sqrt(x), infinite at 0 as its derivative is.

    >>> F.rsqrt(np.array([4.0, 0.25]))
    array([0.5, 2. ])
    """

    elementwise = True
    samples = POSITIVE

    def forward(self, x):
        return 1 / get_array_module(x).sqrt(x)

    def backward(self, gy, *, y):
        return -0.5 * gy * conj(y * y * y)


class Hypot(Broadcasting):
    """sqrt(x0**2 + x1**2), without overflow.

    The derivatives are x0 / y and x1 / y; both are 0 at (0, 0), where there are none.

    >>> x0, x1 = Variable(np.array([3.0, 0.0])), Variable(np.array([4.0, 0.0]))
    >>> F.hypot(x0, x1).sum().backward()
    >>> x0.grad, x1.grad
    (Variable([0.6 0. ]), Variable([0.8 0. ]))
    """

    elementwise = True
    samples = BINARY

    def forward(self, x0, x1):
        return get_array_module(x0, x1).hypot(x0, x1)

    def backward(self, gy, *, x0, x1):
        gx0 = gy * Direction()(x0, x1) if self.edges[0] else None
        return gx0, gy * Direction()(x1, x0) if self.edges[1] else None


class Direction(Broadcasting):
    """x0 / hypot(x0, x1), a cosine, and 0 at (0, 0).

    Its derivatives are products, where those of the quotient are differences, which cancel.
    """

    elementwise = True

    def forward(self, x0, x1):
        xp = get_array_module(x0, x1)
        length = xp.hypot(x0, x1)
        return x0 / xp.where(length == 0, 1, length)

    def backward(self, gy, *, x0, x1, y):
        length = F.hypot(x0, x1)
        sine = Direction()(x1, x0)
        scaled = gy / F.where(length == 0, 1, length) * sine
        return scaled * sine if self.edges[0] else None, -scaled * y if self.edges[1] else None


cbrt = primitive(Cbrt)
rsqrt = primitive(Rsqrt)
hypot = primitive(Hypot)


@composition(
    Sample((3, 4), (4,), low=0.3, high=2),
    Sample((3,), 2),
    Sample(2, (2,)),
)
def float_power(x0, x1):
    """x0 to the power x1, where whole numbers become float64 first: 2 to the power -1 is 0.5.

    The derivatives are those of `power`. Unlike NumPy's, float32 stays float32.

    >>> F.float_power(np.array([2, 4]), -1)
    array([0.5 , 0.25])
    """
    return F.power(_floating(x0), _floating(x1))


def _floating(x: Any) -> Any:
    """Whole numbers as floats; Python's stay such, they do not promote."""
    if isinstance(x, (int, float)):
        return float(x)
    x = as_operand(x)
    return x if x.dtype.kind in "fc" else F.astype(x, np.float64)
