"""Bessel functions of whole order, J and the modified I.

Formulas are from the NIST Digital Library of Mathematical Functions (DLMF), chapter 10.
"""

from __future__ import annotations

from math import factorial, pi, sqrt
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import get_array_module
from descend.functions.elementwise.arithmetic import UNARY
from descend.functions.registry import Sample, primitive
from descend.functions.special.errors import Special, scipys

BOTH_SIDES = (
    Sample((3, 4), low=0.2, high=3),
    Sample((3,), low=-4, high=-0.2),
    Sample((2,), low=19.7, high=21),
    Sample((), low=0.2, high=3),
    Sample((0, 3)),
)


class J0(Special):
    """The Bessel function of the first kind of order 0; the derivative is -j1(x).

    >>> F.j0(np.array([0.0, 1.0, 10.0]))
    array([ 1.        ,  0.76519769, -0.24593576])
    """

    samples = UNARY

    def backward(self, gy, *, x):
        return -gy * F.j1(x)


class J1(Special):
    """The Bessel function of the first kind of order 1; the derivative at 0 is 1/2.

    >>> F.j1(np.array([0.0, 1.0, 10.0]))
    array([0.        , 0.44005059, 0.04347275])
    """

    samples = UNARY

    def backward(self, gy, *, x):
        return gy * (0.5 * (F.j0(x) - BesselJ(2)(x)))  # DLMF 10.6.1; j0 - j1 / x fails at 0


class I0(Special):
    """The modified Bessel function of the first kind of order 0; the derivative is i1(x).

    >>> F.i0(np.array([0.0, 1.0, 10.0]))
    array([1.00000000e+00, 1.26606588e+00, 2.81571663e+03])
    """

    samples = UNARY

    def backward(self, gy, *, x):
        return gy * F.i1(x)


class I1(Special):
    """The modified Bessel function of the first kind of order 1; the derivative at 0 is 1/2.

    >>> F.i1(np.array([0.0, 1.0, 10.0]))
    array([0.00000000e+00, 5.65159104e-01, 2.67098830e+03])
    """

    samples = UNARY

    def backward(self, gy, *, x):
        return gy * (0.5 * (F.i0(x) + BesselI(2)(x)))  # DLMF 10.29.1


class I0e(Special):
    """exp(-abs(x)) * i0(x), which does not overflow; the derivative at 0, a kink, is 0.

    >>> F.i0e(np.array([0.0, 10.0, 1000.0]))
    array([1.        , 0.12783334, 0.01261724])
    """

    samples = BOTH_SIDES
    order = 0

    def backward(self, gy, *, x):
        return gy * I0eSlope(self.order + 1)(x)


class I1e(Special):
    """exp(-abs(x)) * i1(x), which does not overflow; the derivative at 0 is 1/2.

    >>> F.i1e(np.array([0.0, 10.0, 1000.0]))
    array([0.        , 0.12126268, 0.01261093])
    """

    samples = BOTH_SIDES
    order = 0

    def backward(self, gy, *, x):
        return gy * I1eSlope(self.order + 1)(x)


class I0eSlope(I0e):
    """A derivative of i0e.

    i1e - i0e, and what follows from it, loses all digits for large x.
    """

    name = "i0e"

    def __init__(self, order: int) -> None:
        self.order = order

    def forward(self, x):
        xp = get_array_module(x)
        wide = x.astype(np.float64)
        y = _slope_of_scaled(xp.abs(wide), self.order)
        y = y * xp.sign(wide) if self.order % 2 else y
        return y.astype(x.dtype, copy=False)


class I1eSlope(I1e):
    """A derivative of i1e, which is the sum of i0e and its derivative for x > 0."""

    name = "i1e"

    def __init__(self, order: int) -> None:
        self.order = order

    def forward(self, x):
        xp = get_array_module(x)
        wide = x.astype(np.float64)
        size = xp.abs(wide)
        y = _slope_of_scaled(size, self.order) + _slope_of_scaled(size, self.order + 1)
        y = y if self.order % 2 else y * xp.sign(wide)
        return y.astype(x.dtype, copy=False)


def _slope_of_scaled(x: Any, order: int) -> Any:
    """The derivative of that order of exp(-x) * i0(x), for x >= 0.

    It is M(order + 1/2, order + 1, -2 x) times its value at 0, where M is Kummer's function (from
    DLMF 10.32.2 and 13.4.1): up to 20 by M's power series after Kummer's transformation, in which
    all terms are positive (13.2.39), beyond by its expansion for large x (13.7.2).
    """
    xp = get_array_module(x)
    split = 20.0
    low, high = xp.minimum(x, split), 2 * xp.maximum(x, split)
    if order == 1:
        near = scipys("i0e", low) - scipys("i1e", low)
    else:
        near = 1.0
        for k in range(110, 0, -1):
            near = 1 + near * (2 * low * ((k - 0.5) / (k * (order + k))))
        at_zero = 1.0
        for k in range(1, order + 1):
            at_zero *= (2 * k - 1) / k
        near = at_zero * xp.exp(-2 * low) * near
    far = 1.0
    for k in range(38, 0, -1):
        far = 1 + far * ((order + k - 0.5) * (k - 0.5) / k / high)
    rising = 1.0  # (1/2) (3/2) ... (order - 1/2)
    for k in range(1, order + 1):
        rising *= k - 0.5
    far = far * (2.0**order * rising / sqrt(pi)) / (high**order * xp.sqrt(high))
    return (-1) ** order * xp.where(x <= split, near, far)


class OfOrder(Special):
    """The base of Bessel functions of order 2 or more, which only derivatives need.

    Up to a bound by the power series (DLMF 10.2.2, 10.25.2), which has no large terms there;
    beyond by the recurrence from orders 0 and 1 (DLMF 10.6.1, 10.29.1), which is stable there.
    """

    kind = "j"
    sign = -1
    reach = 1

    def __init__(self, order: int) -> None:
        self.order = order

    def forward(self, x):
        xp = get_array_module(x)
        wide = x.astype(np.float64)
        size = xp.abs(wide)
        bound = float(self.order + self.reach)
        y = xp.where(size <= bound, self._series(xp.minimum(size, bound), bound), 0)
        y = xp.where(size <= bound, y, self._upwards(xp.maximum(size, bound)))
        y = y if self.order % 2 == 0 else y * xp.sign(wide)
        return y.astype(x.dtype, copy=False)

    def _series(self, x: Any, bound: float) -> Any:
        quarter = self.sign * 0.25 * (x * x)
        y = 1.0
        for k in range(int(2 * bound) + 12, 0, -1):
            y = 1.0 + y * quarter / (k * (self.order + k))
        return (0.5 * x) ** self.order / factorial(self.order) * y

    def _upwards(self, x: Any) -> Any:
        before, y = scipys(self.kind + "0", x), scipys(self.kind + "1", x)
        for n in range(1, self.order):
            before, y = y, self.sign * (before - 2 * n / x * y)
        return y

    def neighbour(self, order: int, x: Any) -> Any:
        """The function of the same kind and of an order beside this one."""
        if order > 1:
            return type(self)(order)(x)
        return getattr(F, f"{self.kind}{order}")(x)

    def backward(self, gy, *, x):
        lower, higher = self.neighbour(self.order - 1, x), self.neighbour(self.order + 1, x)
        return gy * (0.5 * (lower + self.sign * higher))


class BesselJ(OfOrder):
    """J of an order."""

    name = "jn"


class BesselI(OfOrder):
    """I of an order."""

    name = "iv"
    kind = "i"
    sign = 1
    reach = 12


j0 = primitive(J0)
j1 = primitive(J1)
i0 = primitive(I0)
i1 = primitive(I1)
i0e = primitive(I0e)
i1e = primitive(I1e)
