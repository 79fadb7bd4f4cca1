"""cbrt and hypot, on the lanes of a value."""

from __future__ import annotations

import math

from descend.compile.elementary import coefficients
from descend.compile.elementary.exponentials import (
    exponent_and_mantissa,
    format_of,
    made_normal,
    power_of_two,
)
from descend.compile.machine.lanes import Lanes, nearest, polynomial, where

ROOTS_OF_2 = (0.5 ** (1 / 3), 1.0, 2.0 ** (1 / 3))
HUGE = 2.0**500


def cbrt(x: Lanes) -> Lanes:
    """The cube root: the exponent is divided by 3, the mantissa times 1/2, 1 or 2 is what is left.

    A polynomial is a first guess; each of Halley's steps has three times as many digits right.
    """
    form = format_of(x)
    magnitude = abs(x)
    normal, shift = made_normal(magnitude)
    exponent, mantissa = exponent_and_mantissa(normal)
    exponent = exponent - shift
    third, bits = nearest(exponent, 1 / 3, offset=form.bias)
    left = exponent - third * 3.0  # -1, 0 or 1
    y = polynomial(mantissa, coefficients.CBRT[x.width]) * _chosen(left, ROOTS_OF_2)
    mantissa = mantissa * _chosen(left, (0.5, 1.0, 2.0))
    for _ in range(1 if x.width == 32 else 2):
        cube = y * y * y
        y = y + y * ((mantissa - cube) / (cube * 2.0 + mantissa))
    ordinary = (magnitude > 0.0) & (magnitude < math.inf)
    return where(ordinary, y * power_of_two(bits), magnitude).with_sign_of(x)


def _chosen(x: Lanes, numbers: tuple[float, float, float]) -> Lanes:
    """One of three numbers, for x below 0, 0, and above."""
    below, same, above = map(x.constant, numbers)
    return where(x < 0.0, below, where(x > 0.0, above, same))


def hypot(x: Lanes, y: Lanes) -> Lanes:
    """sqrt(x**2 + y**2), where neither square overflows nor is lost."""
    if x.width == 32:
        return _hypot(x.widened(), y.widened()).narrowed()
    x, y = abs(x), abs(y)
    larger = where(x > y, x, y)
    big, small = larger > HUGE, larger < 1 / HUGE
    one = x.constant(1.0)
    factor = where(big, x.constant(2.0**-600), where(small, x.constant(2.0**600), one))
    inverse = where(big, x.constant(2.0**600), where(small, x.constant(2.0**-600), one))
    result = _hypot(x * factor, y * factor) * inverse
    return where(x.equals(math.inf) | y.equals(math.inf), math.inf, result)


def _hypot(x: Lanes, y: Lanes) -> Lanes:
    result = x.times_plus(x, y * y).intrinsic("sqrt")
    infinite = abs(x).equals(math.inf) | abs(y).equals(math.inf)
    return where(infinite, math.inf, result)
