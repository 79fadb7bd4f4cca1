"""The error function and the normal distribution.

Formulas are from the NIST Digital Library of Mathematical Functions (DLMF), chapter 7.
"""

from __future__ import annotations

from math import factorial, pi, sqrt
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import conj, get_array_module, special_module
from descend.core.function import Function
from descend.functions.elementwise.arithmetic import UNARY
from descend.functions.registry import Sample, primitive

PROBABILITIES = (Sample((3, 4), low=0.1, high=0.9), Sample((), low=0.1, high=0.9), Sample((0, 3)))

OF_COMPLEX = frozenset(("erf", "erfc", "ndtr"))


def scipys(name: str, *xs: Any) -> Any:
    """SciPy's function ``name`` of arrays, in the dtype that NumPy's would answer.

    SciPy's promote float32 where a number of Python comes, and have no float16: it is computed in
    float32. Complex numbers are refused, but by those whose rules here are right for them.
    """
    dtype = np.result_type(*[x.dtype if hasattr(x, "dtype") else x for x in xs])
    if dtype.kind == "c" and name not in OF_COMPLEX:
        raise TypeError(f"{dtype} came, real numbers are needed")
    half = np.float16
    wide = [x.astype(np.float32) if getattr(x, "dtype", None) == half else x for x in xs]
    y = getattr(special_module(get_array_module(*xs)), name)(*wide)
    return y.astype(dtype, copy=False) if dtype.kind == "f" else y


class Special(Function):
    """The base of functions of one argument whose value is SciPy's."""

    elementwise = True
    samples = UNARY

    def forward(self, x):
        return scipys(self.name, x)


class Erf(Special):
    """The error function 2 / sqrt(pi) * integral of exp(-t**2) from 0 to x.

    >>> F.erf(np.array([0.0, 0.5, 5.0]))
    array([0.        , 0.52049988, 1.        ])
    """

    native_forward = native_rule = True

    def backward(self, gy, *, x):
        return gy * conj(2 / sqrt(pi) * F.exp(-x * x))


class Erfc(Special):
    """1 - erf(x), exact for large x.

    >>> F.erfc(np.array([0.0, 0.5, 5.0]))
    array([1.00000000e+00, 4.79500122e-01, 1.53745979e-12])
    """

    def backward(self, gy, *, x):
        return gy * conj(-2 / sqrt(pi) * F.exp(-x * x))


class Erfcx(Special):
    """exp(x**2) * erfc(x), which falls like 1 / x where erfc underflows.

    >>> F.erfcx(np.array([0.0, 5.0, 500.0]))
    array([1.        , 0.11070464, 0.00112838])
    """

    order = 0

    def backward(self, gy, *, x):
        return gy * ErfcxSlope(self.order + 1)(x)


class ErfcxSlope(Erfcx):
    """A derivative of erfcx: (-2)**n n! times the repeated integral of erfc, scaled (DLMF 7.18.4).

    Those integrals have a recurrence (DLMF 7.18.7). For large x it loses all digits in the
    direction of n; in the other it is a continued fraction.
    """

    name = "erfcx"

    def __init__(self, order: int) -> None:
        self.order = order

    def forward(self, x):
        xp = get_array_module(x)
        wide = x.astype(np.float64)
        n, split = self.order, 2.0
        before = 2 / sqrt(pi)
        low = xp.minimum(wide, split)
        y = scipys("erfcx", low)
        for k in range(1, n + 1):
            before, y = y, (before / 2 - low * y) / k
        high = xp.maximum(wide, split)
        product = scipys("erfcx", high)
        last = n + 60
        ratio = 1 / (xp.sqrt(high * high + 2 * last) + high)  # nearly, for large n
        for k in range(last - 1, 0, -1):
            ratio = 1 / (2 * high + 2 * (k + 1) * ratio)
            if k <= n:
                product = product * ratio
        y = (-2.0) ** n * factorial(n) * xp.where(wide < split, y, product)
        return y.astype(x.dtype)


class Erfinv(Special):
    """The inverse of erf, infinite at -1 and 1 as its derivative is; NaN beyond.

    >>> F.erfinv(np.array([0.0, 0.5, 1.0]))
    array([0.        , 0.47693628,        inf])
    """

    samples = (Sample((3, 4), low=-0.8, high=0.8), Sample((), low=-0.8, high=0.8), Sample((0, 3)))

    def backward(self, gy, *, y):
        return gy * (sqrt(pi) / 2 * F.exp(y * y))


class Ndtr(Special):
    """The probability that a standard normal variable is below x.

    >>> F.ndtr(np.array([-np.inf, 0.0, 1.96]))
    array([0.       , 0.5      , 0.9750021])
    """

    def backward(self, gy, *, x):
        return gy * conj(1 / sqrt(2 * pi) * F.exp(-0.5 * (x * x)))


class Ndtri(Special):
    """The inverse of ndtr, infinite at 0 and 1 as its derivative is; NaN beyond.

    >>> F.ndtri(np.array([0.0, 0.5, 0.975]))
    array([      -inf, 0.        , 1.95996398])
    """

    samples = PROBABILITIES

    def backward(self, gy, *, y):
        return gy * (sqrt(2 * pi) * F.exp(0.5 * (y * y)))


class LogNdtr(Special):
    """log(ndtr(x)), where ndtr underflows too.

    >>> F.log_ndtr(np.array([0.0, -100.0]))
    array([-6.93147181e-01, -5.00552421e+03])
    """

    name = "log_ndtr"

    def backward(self, gy, *, x):
        # The density over the probability, both of which may underflow on the left
        left = x < 0
        low, high = F.where(left, x, 0), F.where(left, 0, x)
        density = 1 / sqrt(2 * pi) * F.exp(-0.5 * (high * high))
        scaled = sqrt(2 / pi) / F.erfcx(-sqrt(0.5) * low)
        return gy * F.where(left, scaled, density / F.ndtr(high))


erf = primitive(Erf)
erfc = primitive(Erfc)
erfcx = primitive(Erfcx)
erfinv = primitive(Erfinv)
ndtr = primitive(Ndtr)
ndtri = primitive(Ndtri)
log_ndtr = primitive(LogNdtr)
