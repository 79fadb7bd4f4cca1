"""Logarithms and exponentials to other bases, and the inverses of sinh, cosh and tanh."""

from __future__ import annotations

import math
from collections.abc import Callable

from descend.compile.elementary import exponentials
from descend.compile.elementary.exponentials import (
    expm1_near_zero,
    exponent_and_mantissa,
    format_of,
    log_ends,
    log_in_two,
    log_of,
    made_normal,
    scaled,
)
from descend.compile.machine.lanes import Lanes, nearest, where

LN2 = {32: (0.6931471824645996, -1.904654299957768e-09), 64: (math.log(2), 2.3190468138462996e-17)}
"""log(2) for each width as a number and what that lacks."""
LOG2_E = 1.4426950408889634
LOG10_E, LOG10_E_LOW = 0.4342944819032518, 1.098319650216765e-17
FAR = 2.0**28
"""From here on sqrt(x * x + 1) is x to the last bit."""


def exp2(x: Lanes) -> Lanes:
    """2 to the power x, exactly where that is whole."""
    form = format_of(x)
    x = x.at_most(form.bias + 2.0).at_least(-form.bias - 60.0)
    k, bits = nearest(x, 1.0, offset=2 * form.bias)
    r = x - k
    high, low = LN2[x.width]
    near = r * high
    lost = r.times_plus(low, r.exactly_times_plus(high, -near))
    return scaled((expm1_near_zero(near) + lost) + 1.0, bits)


def in_double(function: Callable[[Lanes], Lanes]) -> Callable[[Lanes], Lanes]:
    """The function computed in float64 for float32 too: it rounds too often for its last bit."""

    def wrapped(x: Lanes) -> Lanes:
        return function(x) if x.width == 64 else function(x.widened()).narrowed()

    wrapped.__name__ = function.__name__
    wrapped.__doc__ = function.__doc__
    return wrapped


@in_double
def log2(x: Lanes) -> Lanes:
    """The logarithm to base 2: the exponent is a part of it, so powers of 2 are exact."""
    normal, shift = made_normal(x)
    exponent, mantissa = exponent_and_mantissa(normal)
    f = mantissa - 1.0
    return log_ends(x, log_of(f.constant(0.0), f).times_plus(LOG2_E, exponent - shift))


@in_double
def log10(x: Lanes) -> Lanes:
    """The logarithm to base 10, from one of more digits: powers of 10 are exact."""
    high, low = log_in_two(x)
    y = high * LOG10_E
    lost = high.exactly_times_plus(LOG10_E, -y)
    return log_ends(x, y + (lost + high.times_plus(LOG10_E_LOW, low * LOG10_E)))


@in_double
def arcsinh(x: Lanes) -> Lanes:
    """log(|x| + sqrt(x**2 + 1)) with the sign of x, without cancellation near 0."""
    magnitude = abs(x)
    size = magnitude.at_most(FAR)
    square = size * size
    more = size + square / ((square + 1.0).intrinsic("sqrt") + 1.0)
    return _log1p_or_log_of_twice(magnitude, more).with_sign_of(x)


@in_double
def arccosh(x: Lanes) -> Lanes:
    """log(x + sqrt(x**2 - 1)), without cancellation near 1."""
    more = x.at_most(FAR) - 1.0
    y = _log1p_or_log_of_twice(x, more + (more * (more + 2.0)).intrinsic("sqrt"))
    return where(x < 1.0, math.nan, y)


def _log1p_or_log_of_twice(x: Lanes, more: Lanes) -> Lanes:
    """log(1 + more), but log(2 x) where x is far."""
    return where(x > FAR, exponentials.log(x) + LN2[64][0], exponentials.log1p(more))


@in_double
def arctanh(x: Lanes) -> Lanes:
    """log((1 + x) / (1 - x)) / 2, without cancellation near 0."""
    magnitude = abs(x)
    return (exponentials.log1p(magnitude * 2.0 / (1.0 - magnitude)) * 0.5).with_sign_of(x)
