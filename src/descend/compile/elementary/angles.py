"""arcsin, arccos, arctan and arctan2, on the lanes of a value."""

from __future__ import annotations

import math

from descend.compile.elementary import coefficients
from descend.compile.machine.lanes import Lanes, polynomial, where

# pi in two parts for each width: what the first one lacks of it is the second.
PI = {32: (3.1415927410125732, -8.742278012618954e-08), 64: (math.pi, 1.2246467991473532e-16)}
EIGHTH, THREE_EIGHTHS = math.tan(math.pi / 8), math.tan(3 * math.pi / 8)
LARGE = {32: 2.0**100, 64: 2.0**1000}
"""From here on the sum of two might overflow; below its inverse, products lose digits."""


def arctan(x: Lanes) -> Lanes:
    """The angle whose tangent is x."""
    return _angle(abs(x), x.constant(1.0)).with_sign_of(x)


def arctan2(y: Lanes, x: Lanes) -> Lanes:
    """The angle of the point (x, y)."""
    left = x.constant(1.0).with_sign_of(x) < 0.0  # where x is -0.0 too
    return _angle(abs(y), abs(x), left).with_sign_of(y)


def _angle(y: Lanes, x: Lanes, left: Lanes | None = None) -> Lanes:
    """The angle of a point with y, x >= 0, or of (-x, y) where it is left.

    It is next to 0, pi/4 or pi/2, and the polynomial is of the tangent of the difference.
    """
    infinite = y.equals(math.inf) & x.equals(math.inf)
    x, y = where(infinite, 1.0, x), where(infinite, 1.0, y)
    larger, bound = where(y > x, y, x), LARGE[x.width]
    scale = where(larger < 1 / bound, x.constant(bound), 1.0)
    scale = where(larger > bound, x.constant(1 / bound), scale)
    x, y = x * scale, y * scale
    flat, middle = y < x * EIGHTH, y < x * THREE_EIGHTHS
    over = where(flat, y, where(middle, y - x, -x))
    under = where(flat, x, where(middle, y + x, y))
    none = x.equals(0.0) & y.equals(0.0)
    t = over / where(none, 1.0, under)
    flat = flat | none
    z = t * t
    rest = (t * z) * polynomial(z, coefficients.ARCTAN[x.width])
    eighths = where(flat, x.constant(0.0), where(middle, x.constant(2.0), 4.0))
    if left is not None:
        eighths = where(left, 8.0 - eighths, eighths)
        t, rest = where(left, -t, t), where(left, -rest, rest)
    high, low = PI[x.width]
    base = eighths * (high / 8)  # exact but for 3 pi / 4
    error = eighths.exactly_times_plus(high / 8, -base)
    return base + (t + (rest + eighths.times_plus(low / 8, error)))


def arcsin(x: Lanes) -> Lanes:
    """The angle whose sine is x; beyond 1/2 by that of sqrt((1 - |x|) / 2), half of the rest."""
    magnitude = abs(x)
    far = magnitude > 0.5
    part, rest = _arcsin_near_zero(magnitude, far)
    high, low = PI[x.width]
    beyond = high / 2 - (part * 2.0 + (rest * 2.0 - low / 2))
    return where(far, beyond, part + rest).with_sign_of(x)


def arccos(x: Lanes) -> Lanes:
    """The angle whose cosine is x, without a difference where that is small."""
    magnitude = abs(x)
    far = magnitude > 0.5
    part, rest = _arcsin_near_zero(magnitude, far)
    high, low = PI[x.width]
    left = x < 0.0
    twice = part * 2.0 + rest * 2.0
    beyond = where(left, high - (part * 2.0 + (rest * 2.0 - low)), twice)
    part, rest = where(left, -part, part), where(left, -rest, rest)
    return where(far, beyond, high / 2 - (part + (rest - low / 2)))


def _arcsin_near_zero(x: Lanes, far: Lanes) -> tuple[Lanes, Lanes]:
    """arcsin of s as s + rest, where s is x, or sqrt((1 - x) / 2) where that is far."""
    half = (1.0 - x) * 0.5
    z = where(far, half, x * x)
    root = half.intrinsic("sqrt")
    # What rounding took from the root comes back, unless there is none.
    lost = (-root).exactly_times_plus(root, half) / (root * 2.0)
    s = where(far, root, x)
    rest = (s * z) * polynomial(z, coefficients.ARCSIN[x.width])
    return s, rest + where(far & (half > 0.0), lost, 0.0)
