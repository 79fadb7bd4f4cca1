"""Angles: the inverses of trigonometric and hyperbolic functions, degrees, and sinc.

The source of the derivatives is the NIST Digital Library of Mathematical Functions (DLMF), 4.24
and 4.38.
"""

from __future__ import annotations

from math import factorial, pi
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import conj, get_array_module
from descend.core.function import Function, as_operand
from descend.functions.elementwise.arithmetic import BINARY, UNARY, Broadcasting
from descend.functions.elementwise.powers import Direction
from descend.functions.registry import Sample, composition, primitive

INSIDE = (Sample((3, 4), low=-0.8, high=0.8), Sample((), low=-0.8, high=0.8), Sample((0, 3)))


class OneLessSquare(Function):
    """1 - x**2, to the last digits near 1.

    Of the product (1 - x) * (1 + x), the two parts of the derivative cancel near 0.
    """

    name = "one_less_square"
    elementwise = True

    def forward(self, x):
        return (1 - x) * (1 + x)

    def backward(self, gy, *, x):
        return gy * conj(-2 * x)


class Arcsin(Function):
    """The angle in radians, from -pi/2 to pi/2, whose sine is x; NaN outside of [-1, 1].

    The derivative 1 / sqrt(1 - x**2) is infinite at -1 and 1.

    >>> F.arcsin(np.array([0.0, 0.5, 1.0]))
    array([0.        , 0.52359878, 1.57079633])
    """

    elementwise = True
    samples = INSIDE

    def forward(self, x):
        return get_array_module(x).arcsin(x)

    def backward(self, gy, *, x):
        return gy / conj(F.sqrt(OneLessSquare()(x)))


class Arccos(Function):
    """The angle in radians, from 0 to pi, whose cosine is x; NaN outside of [-1, 1].

    The derivative -1 / sqrt(1 - x**2) is -infinity at -1 and 1.

    >>> F.arccos(np.array([1.0, 0.5, -1.0]))
    array([0.        , 1.04719755, 3.14159265])
    """

    elementwise = True
    samples = INSIDE

    def forward(self, x):
        return get_array_module(x).arccos(x)

    def backward(self, gy, *, x):
        return -gy / conj(F.sqrt(OneLessSquare()(x)))


class Arctan(Function):
    """The angle in radians, from -pi/2 to pi/2, whose tangent is x.

    >>> F.arctan(np.array([0.0, 1.0, np.inf]))
    array([0.        , 0.78539816, 1.57079633])
    """

    elementwise = True
    samples = UNARY

    def forward(self, x):
        return get_array_module(x).arctan(x)

    def backward(self, gy, *, x):
        if x.dtype.kind == "c":
            return gy / conj(1 + x * x)
        length = F.hypot(x, 1)  # whose square overflows in float16 from 256 on
        return gy / length / length


class Arctan2(Broadcasting):
    """The angle of the point (x1, x0) in radians, from -pi to pi: x1 is the abscissa.

    The derivatives are x1 / (x0**2 + x1**2) and -x0 / (x0**2 + x1**2); both are 0 at (0, 0), where
    there are none.

    >>> x0, x1 = Variable(np.array([1.0, 0.0])), Variable(np.array([0.0, 0.0]))
    >>> F.arctan2(x0, x1).sum().backward()
    >>> x0.grad, x1.grad
    (Variable([0. 0.]), Variable([-1. -0.]))
    """

    elementwise = True
    samples = BINARY

    def forward(self, x0, x1):
        return get_array_module(x0, x1).arctan2(x0, x1)

    def backward(self, gy, *, x0, x1):
        radius = F.hypot(x0, x1)  # whose square might overflow
        scaled = gy / F.where(radius == 0, 1, radius)
        gx0 = scaled * Direction()(x1, x0) if self.edges[0] else None
        return gx0, -scaled * Direction()(x0, x1) if self.edges[1] else None


class Arcsinh(Function):
    """The inverse of sinh.

    >>> F.arcsinh(np.array([0.0, 1.0]))
    array([0.        , 0.88137359])
    """

    elementwise = True
    samples = UNARY

    def forward(self, x):
        return get_array_module(x).arcsinh(x)

    def backward(self, gy, *, x):
        if x.dtype.kind == "c":
            return gy / conj(F.sqrt(1 + x * x))
        return gy / F.hypot(x, 1)  # x * x overflows in float16 from 256 on


class Arccosh(Function):
    """The inverse of cosh for x >= 1, not negative; NaN below 1.

    The derivative 1 / sqrt(x**2 - 1) is infinite at 1.

    >>> F.arccosh(np.array([1.0, 2.0]))
    array([0.       , 1.3169579])
    """

    elementwise = True
    samples = (Sample((3, 4), low=1.4, high=3), Sample((), low=1.4, high=3), Sample((0, 3)))

    def forward(self, x):
        return get_array_module(x).arccosh(x)

    def backward(self, gy, *, x):
        return gy / conj(F.sqrt(x - 1) * F.sqrt(x + 1))


class Arctanh(Function):
    """The inverse of tanh, infinite at -1 and 1 as its derivative is; NaN beyond.

    >>> F.arctanh(np.array([0.0, 0.5]))
    array([0.        , 0.54930614])
    """

    elementwise = True
    samples = INSIDE

    def forward(self, x):
        return get_array_module(x).arctanh(x)

    def backward(self, gy, *, x):
        return gy / conj(OneLessSquare()(x))


class Sinc(Function):
    """sin(pi x) / (pi x), which is 1 at 0; there the first derivative is 0, the next -pi**2 / 3.

    >>> F.sinc(np.array([0.0, 0.5]))
    array([1.        , 0.63661977])
    """

    elementwise = True
    samples = (*UNARY, Sample((3,), low=-0.01, high=0.01))
    order = 0

    def forward(self, x):
        xp = get_array_module(x)
        dtype = getattr(x, "dtype", np.dtype(float))
        if dtype.kind == "c":
            raise TypeError(f"{dtype} came, real numbers are needed")
        z = pi * xp.asarray(x).astype(np.float64, copy=False)
        y = pi**self.order * self._of_radians(z, xp)
        return y.astype(dtype if dtype.kind == "f" else np.float64, copy=False)

    def backward(self, gy, *, x):
        return gy * SincSlope(self.order + 1)(x)

    def _of_radians(self, z: Any, xp: Any) -> Any:
        at_zero = z == 0
        return xp.where(at_zero, 1, xp.sin(z) / xp.where(at_zero, 1, z))


class SincSlope(Sinc):
    """A derivative of sinc.

    The product rule for z * (sin(z) / z) gives each derivative from the one before. Near 0, where
    that loses all digits, the power series of sin(z) / z is differentiated instead.
    """

    name = "sinc"

    def __init__(self, order: int) -> None:
        self.order = order

    def _of_radians(self, z: Any, xp: Any) -> Any:
        bound = 2.0 + self.order
        near = xp.abs(z) < bound
        far = xp.where(near, bound, z)
        waves = xp.sin(far), xp.cos(far)
        y = waves[0] / far
        for n in range(1, self.order + 1):
            wave = waves[n % 2] if n % 4 < 2 else -waves[n % 2]
            y = (wave - n * y) / far
        return xp.where(near, self._series(xp.where(near, z, 0), bound), y)

    def _series(self, z: Any, bound: float) -> Any:
        """The sum of (-1)**k z**(2k) / (2k + 1)!, differentiated."""
        first = (self.order + 1) // 2
        y = 0.0
        for k in range(first + int(2 * bound) + 8, first - 1, -1):
            y = y * (z * z) + (-1) ** k / ((2 * k + 1) * factorial(2 * k - self.order))
        return y * z if self.order % 2 else y


arcsin = primitive(Arcsin)
arccos = primitive(Arccos)
arctan = primitive(Arctan)
arctan2 = primitive(Arctan2)
arcsinh = primitive(Arcsinh)
arccosh = primitive(Arccosh)
arctanh = primitive(Arctanh)
sinc = primitive(Sinc)


@composition(*UNARY)
def deg2rad(x):
    """Degrees as radians.

    >>> F.deg2rad(np.array([180.0, -90.0]))
    array([ 3.14159265, -1.57079633])
    """
    return as_operand(x) * (pi / 180)


@composition(*UNARY)
def rad2deg(x):
    """Radians as degrees.

    >>> F.rad2deg(np.array([np.pi, -np.pi / 2]))
    array([180., -90.])
    """
    return as_operand(x) * (180 / pi)
