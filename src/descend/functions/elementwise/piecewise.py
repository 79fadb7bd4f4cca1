"""Signs, steps, and numbers in the place of others."""

from __future__ import annotations

import numpy as np

from descend import functions as F
from descend.core.arrays import get_array_module
from descend.core.function import Function
from descend.core.variable import array_of
from descend.functions.elementwise.arithmetic import BINARY, Broadcasting
from descend.functions.registry import Sample, primitive


class Copysign(Broadcasting):
    """The absolute value of x0 with the sign of x1; the sign of -0.0 counts.

    The derivative to x0 is 1 or -1, and 0 where x0 is 0; that to x1 is 0, at its jump too.

    >>> x = Variable(np.array([2.0, 0.0, -3.0]))
    >>> y = F.copysign(x, -1.0)
    >>> y
    Variable([-2. -0. -3.])
    >>> y.sum().backward()
    >>> x.grad
    Variable([-1.  0.  1.])
    """

    elementwise = True
    samples = BINARY
    kept_for = {"x0": 0, "y": 0}

    def forward(self, x0, x1):
        return get_array_module(x0, x1).copysign(x0, x1)

    def backward(self, gy, *, x0, y):
        gx0 = None
        if self.edges[0]:
            gx0 = gy * (F.sign(array_of(x0)) * F.sign(array_of(y)))
        return gx0, F.zeros_like(gy) if self.edges[1] else None


class Heaviside(Broadcasting):
    """0 where x0 is negative, 1 where it is positive, and x1 where it is 0.

    The derivative to x0 is 0, at the jump too; that to x1 is 1 where x0 is 0, and 0 elsewhere.

    >>> F.heaviside(np.array([-2.0, 0.0, 3.0]), 0.5)
    array([0. , 0.5, 1. ])
    """

    elementwise = True
    samples = (*BINARY, Sample(np.array([0.0, 1.0, 0.0]), (2, 3)))
    kept_for = {"x0": 1}

    def forward(self, x0, x1):
        return get_array_module(x0, x1).heaviside(x0, x1)

    def backward(self, gy, *, x0):
        gx1 = F.where(array_of(x0) == 0, gy, 0) if self.edges[1] else None
        return F.zeros_like(gy) if self.edges[0] else None, gx1


class NanToNum(Function):
    """x with numbers in the place of NaN and infinities, where the derivative is 0.

    Of a complex number, it is 0 where either part is not finite. ``nan`` takes the place of NaN,
    ``posinf`` and ``neginf`` that of the infinities: if None, the largest and the smallest
    number of the dtype.

    >>> F.nan_to_num(np.array([np.nan, 1.0, np.inf]), posinf=9.0)
    array([0., 1., 9.])
    """

    name = "nan_to_num"
    elementwise = True
    samples = (Sample((3, 4)), Sample((), nan=1.0, posinf=2.0, neginf=3.0), Sample((0, 3)))

    def __init__(
        self, *, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
    ) -> None:
        self.numbers = {"nan": nan, "posinf": posinf, "neginf": neginf}

    def forward(self, x):
        return get_array_module(x).nan_to_num(x, **self.numbers)

    def backward(self, gy, *, x):
        return F.where(F.isfinite(x), gy, 0)


copysign = primitive(Copysign)
heaviside = primitive(Heaviside)
nan_to_num = primitive(NanToNum)
