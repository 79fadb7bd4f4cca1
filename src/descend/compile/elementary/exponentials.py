"""Exponentials, logarithms, powers, and what is made of them, on the lanes of a value."""
# llvmlite has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import NamedTuple

from descend.compile.elementary import coefficients
from descend.compile.machine.lanes import MANTISSA, Lanes, nearest, polynomial, where

INFINITY, NAN = math.inf, math.nan


class Format(NamedTuple):
    """What depends on the floating-point format."""

    bias: int  # of the exponent
    smallest: float  # normal number
    round_off: float  # x of this magnitude is half a unit in the last place of 1
    ln2_high: float  # few bits: its product with an exponent is exact
    ln2_low: float
    exp_low: float  # below, exp(x) is 0
    exp_high: float  # above, exp(x) is infinite
    one_high: float  # above, tanh(x) is 1 to the last bit
    erf_split: float  # from where on erf(x) is computed as 1 - exp(...)
    erf_high: float  # above, erf(x) is 1 to the last bit


FORMATS = {
    32: Format(
        bias=127,
        smallest=2.0**-126,
        round_off=2.0**-24,
        ln2_high=355 / 512,
        ln2_low=-2.1219444005469057e-04,
        exp_low=-105.0,
        exp_high=90.0,
        one_high=9.5,
        erf_split=0.9375,
        erf_high=4.0,
    ),
    64: Format(
        bias=1023,
        smallest=2.0**-1022,
        round_off=2.0**-53,
        ln2_high=6.93147180369123816490e-01,
        ln2_low=1.90821492927058770002e-10,
        exp_low=-746.0,
        exp_high=711.0,
        one_high=19.5,
        erf_split=1.0,
        erf_high=6.0,
    ),
}


def format_of(x: Lanes) -> Format:
    """The floating-point format of the lanes."""
    return FORMATS[x.width]


# exp and what is made of it


def _reduced(x: Lanes) -> tuple[Lanes, Lanes]:
    """r and bits ending with k + 2 bias: x = k log(2) + r, |r| <= log(2) / 2."""
    form = format_of(x)
    k, bits = nearest(x, 1 / math.log(2), offset=2 * form.bias)
    r = k.times_plus(-form.ln2_high, x)
    return k.times_plus(-form.ln2_low, r), bits


def expm1_near_zero(r: Lanes) -> Lanes:
    """exp(r) - 1 for |r| <= log(2) / 2."""
    return (r * r).times_plus(polynomial(r, coefficients.EXP[r.width]), r)


def power_of_two(bits: Lanes) -> Lanes:
    """2**k from an integer whose lowest bits are k + bias."""
    return (bits << MANTISSA[bits.width]).floats()


def scaled(x: Lanes, bits: Lanes) -> Lanes:
    """x * 2**k from bits that end with k + 2 bias: over- and underflow happen as they should.

    2**k itself may be out of range where the product is not: it is applied in two halves.
    """
    half = bits >> 1
    return x * power_of_two(half) * power_of_two(bits - half)


def exp(x: Lanes, tail: Lanes | None = None, halvings: int = 0) -> Lanes:
    """exp(x + tail) / 2**halvings, where the tail is tiny beside x."""
    form = format_of(x)
    x = x.at_most(form.exp_high).at_least(form.exp_low)
    r, bits = _reduced(x)
    if tail is not None:
        r = r + tail
    return scaled(expm1_near_zero(r) + 1.0, bits - halvings if halvings else bits)


def _exp_in_range(x: Lanes) -> Lanes:
    """exp(x) where neither x nor 2**k nor the result is near the end of the range."""
    r, bits = _reduced(x)
    scale = power_of_two(bits - format_of(x).bias)
    return scale.times_plus(expm1_near_zero(r), scale)


def expm1(x: Lanes) -> Lanes:
    """exp(x) - 1 = 2**k (exp(r) - 1) + (2**k - 1), without cancellation near 0."""
    form = format_of(x)
    r, bits = _reduced(x.at_most(form.exp_high - 1.0).at_least(form.exp_low / 2))
    half_scale = power_of_two(bits - (form.bias + 1))  # 2**k itself may be infinite
    y = half_scale.times_plus(expm1_near_zero(r), half_scale - 0.5) * 2.0
    return where(abs(x) < form.round_off, x, y)


def sigmoid(x: Lanes) -> Lanes:
    """1 / (1 + exp(-x)) = 1 / (1 + 2**k + 2**k q), where exp(-x) = 2**k (1 + q).

    Both sides of the fraction are taken times 2**-64: without that, 2**k would overflow where
    the result still is a (subnormal) number. The largest term of the sum is added last.
    """
    form = format_of(x)
    r, bits = _reduced((-x).at_most(-form.exp_low).at_least(-2.0 * form.one_high))
    q = expm1_near_zero(r)
    one = 2.0**-64
    scale = power_of_two(bits - (form.bias + 64))
    total = where(scale > one, scale.times_plus(q, one) + scale, scale.times_plus(q, scale + one))
    return one / total


def sinh(x: Lanes) -> Lanes:
    """(exp(x) - exp(-x)) / 2; an odd polynomial where the difference would cancel."""
    magnitude = abs(x)
    half = exp(magnitude, halvings=1)
    return _odd(x, coefficients.SINH, 1.0, half - 0.25 / half)


def cosh(x: Lanes) -> Lanes:
    """(exp(x) + exp(-x)) / 2."""
    half = exp(abs(x), halvings=1)
    return half + 0.25 / half


def tanh(x: Lanes) -> Lanes:
    """1 - 2 / (exp(2x) + 1); an odd polynomial where the difference would cancel."""
    magnitude = abs(x).at_most(format_of(x).one_high)
    far = 1.0 - 2.0 / (_exp_in_range(magnitude * 2.0) + 1.0)
    return _odd(x, coefficients.TANH, 0.625, far)


def _odd(x: Lanes, table: dict[int, tuple[float, ...]], split: float, far: Lanes) -> Lanes:
    """x + x**3 P(x**2) below the split; beyond, `far` with the sign of x."""
    square = x * x
    near = (x * square).times_plus(polynomial(square, table[x.width]), x)
    return where(abs(x) < split, near, far).with_sign_of(x)


def erf(x: Lanes) -> Lanes:
    """x + x P(x**2) near 0; beyond, 1 - exp(x Q(x)), since log(1 - erf(x)) is smooth."""
    form = format_of(x)
    square = x * x
    near = x.times_plus(polynomial(square, coefficients.ERF[x.width]), x)
    magnitude = abs(x).at_most(form.erf_high)
    exponent = magnitude * polynomial(magnitude, coefficients.LOG_ERFC[x.width])
    far = 1.0 - _exp_in_range(exponent)
    return where(abs(x) < form.erf_split, near, far).with_sign_of(x)


# log and what is made of it


def exponent_and_mantissa(x: Lanes) -> tuple[Lanes, Lanes]:
    """e (as a float) and m with x = 2**e m and m from sqrt(1/2) to sqrt(2), for normal x > 0."""
    form = format_of(x)
    stored = MANTISSA[x.width]
    one = form.bias << stored
    root = _bits_of(math.sqrt(0.5), x.width)
    shifted = x.bits() + (one - root)
    # A float of 2**mantissa has units for last bits: the exponent put there is read as a number.
    magic = 2.0**stored
    exponent = ((shifted >> stored) | _bits_of(magic, x.width)).floats()
    mantissa = ((shifted & ((1 << stored) - 1)) + root).floats()
    return exponent - (magic + form.bias), mantissa


def _bits_of(number: float, width: int) -> int:
    """The bits of the number in the format of this width."""
    return int.from_bytes(struct.pack("<d" if width == 64 else "<f", number), "little")


def log_of(exponent: Lanes, f: Lanes) -> Lanes:
    """exponent * log(2) + log(1 + f)."""
    form = format_of(f)
    half_square = f * f * 0.5
    low = exponent * form.ln2_low
    if f.width == 32:
        rest = (f * f * f).times_plus(polynomial(f, coefficients.LOG[32]), low) - half_square
    else:
        # log(1 + f) = 2 atanh(s): a division, and half as many terms as a series in f.
        s = f / (f + 2.0)
        z = s * s
        series = z * polynomial(z, coefficients.ATANH[64])
        rest = s.times_plus(half_square + series, low) - half_square
    return exponent.times_plus(form.ln2_high, f + rest)


def log_ends(x: Lanes, y: Lanes) -> Lanes:
    """The logarithm `y` of x, put right where x is 0, negative, infinite or NaN."""
    y = where(x.equals(INFINITY), INFINITY, y)
    return where(x > 0.0, y, where(x.equals(0.0), x.constant(-INFINITY), NAN))


def made_normal(x: Lanes) -> tuple[Lanes, Lanes]:
    """x times a power of two where it is subnormal, and the exponent of that power."""
    form = format_of(x)
    subnormal = x < form.smallest
    shift = float(MANTISSA[x.width])
    return where(subnormal, x * 2.0**shift, x), where(subnormal, x.constant(shift), 0.0)


def log(x: Lanes) -> Lanes:
    """The natural logarithm: that of the mantissa and log(2) for each power of two."""
    normal, shift = made_normal(x)
    exponent, mantissa = exponent_and_mantissa(normal)
    return log_ends(x, log_of(exponent - shift, mantissa - 1.0))


def log1p(x: Lanes) -> Lanes:
    """log(1 + x), in which the digits of x that 1 + x loses still count."""
    form = format_of(x)
    total = x + 1.0
    exponent, mantissa = exponent_and_mantissa(total)
    # 1 + f = (1 + x) / 2**e; both terms of f are exact as long as x has digits below those of 1.
    _, bits = nearest(exponent, -1.0, offset=form.bias)
    scale = power_of_two(bits)
    f = where(exponent < MANTISSA[x.width] + 2.0, scale.times_plus(x, scale - 1.0), mantissa - 1.0)
    return where(abs(x) < form.round_off, x, log_ends(total, log_of(exponent, f)))


# Powers


def power(x: Lanes, y: Lanes) -> Lanes:
    """x**y with C's special cases: x**0 = 1**y = 1, signs for odd y, NaN for roots of x < 0."""
    if x.width == 32:
        return power_of_doubles(x.widened(), y.widened(), _power_of_float).narrowed()
    return power_of_doubles(x, y, _power_of_double)


def power_of_doubles(x: Lanes, y: Lanes, positive: Callable[[Lanes, Lanes], Lanes]) -> Lanes:
    """x**y from `positive`, which raises |x| to y."""
    magnitude = abs(x)
    result = positive(magnitude, y)
    result = where(magnitude.equals(1.0) & abs(y).equals(INFINITY), 1.0, result)
    integer = y.intrinsic("floor").equals(y)
    half = y * 0.5
    odd = integer & half.intrinsic("floor").differs(half)
    signed = where(odd, result.with_sign_of(x), result)
    root_of_negative = (x < 0.0) & (x > -INFINITY) & y.intrinsic("floor").differs(y)
    signed = where(root_of_negative, NAN, signed)
    return where(x.equals(1.0) | y.equals(0.0), 1.0, signed)


def _power_of_float(x: Lanes, y: Lanes) -> Lanes:
    """x**y of float32 numbers held in float64, whose digits suffice for the logarithm."""
    return exp(y * log(x))


def _power_of_double(x: Lanes, y: Lanes) -> Lanes:
    """x**y for x >= 0.

    y log(x) goes to 745, and its absolute error is the relative one of the result: the logarithm
    needs ten more bits than a float64 has. It is made as a sum of two.
    """
    high, low = log_in_two(x)
    exponent = y * high
    tail = y.times_plus(low, y.exactly_times_plus(high, -exponent))
    return exp(exponent, where(abs(exponent) < 1024.0, tail, 0.0))


def log_in_two(x: Lanes) -> tuple[Lanes, Lanes]:
    """The logarithm as high + low, right to 2**-65 of itself.

    With s = f / (2 + f): log(1 + f) = 2s + s**3 (2/3 + s**2 Q(s**2)). All but Q is computed in
    pairs; a product's rounding error is found by a fused multiplication, a sum's by subtracting.
    """
    form = format_of(x)
    normal, shift = made_normal(x)
    exponent, mantissa = exponent_and_mantissa(normal)
    exponent = exponent - shift
    f = mantissa - 1.0
    total = mantissa + 1.0
    total_low = mantissa - (total - 1.0)
    inverse = 1.0 / total
    s = f * inverse
    remainder = (-s).exactly_times_plus(total, f)
    s_low = (-s).times_plus(total_low, remainder) * inverse
    z = s * s
    z_low = (s * 2.0).times_plus(s_low, s.exactly_times_plus(s, -z))
    third, third_low = _sum_in_two(
        x.constant(TWO_THIRDS), z * polynomial(z, coefficients.ATANH_TAIL[64])
    )
    cubic, cubic_low = product_in_two(z, z_low, third, third_low + TWO_THIRDS_LOW)
    rest, rest_low = product_in_two(s, s_low, cubic, cubic_low)
    high, low = _sum_in_two(s * 2.0, rest)
    low = low + (s_low.times_plus(2.0, rest_low))
    high, error = _sum_in_two(exponent * form.ln2_high, high)
    low = error + exponent.times_plus(form.ln2_low, low)
    ordinary = (x > 0.0) & (x < INFINITY)
    return where(ordinary, high, where(x.equals(0.0), x.constant(-INFINITY), x)), low


TWO_THIRDS = 2 / 3
TWO_THIRDS_LOW = 3.700743415417188e-17


def _sum_in_two(x: Lanes, y: Lanes) -> tuple[Lanes, Lanes]:
    """x + y and its rounding error, for |x| >= |y| or x = 0."""
    total = x + y
    return total, y - (total - x)


def product_in_two(x: Lanes, x_low: Lanes, y: Lanes, y_low: Lanes) -> tuple[Lanes, Lanes]:
    """(x + x_low) * (y + y_low) as high + low."""
    product = x * y
    error = x.exactly_times_plus(y, -product)
    return product, x_low.times_plus(y, x.times_plus(y_low, error))


def sqrt(x: Lanes) -> Lanes:
    """The square root: an instruction, correctly rounded."""
    return x.intrinsic("sqrt")
