"""sin, cos and tan, the elementary functions that need a branch.

The argument is reduced by subtracting a multiple of pi/2 in exact steps. Beyond 2**20 they
would no longer be exact; such arguments are rare, and the C library is called for them.
"""
# llvmlite has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math

from llvmlite import ir

from descend.compile.elementary import coefficients
from descend.compile.elementary.calls import lane_by_lane
from descend.compile.machine.lanes import Lanes, Value, call_intrinsic, nearest, polynomial, where

# pi/2 in parts of 33 bits: their products with a count below 2**20 are exact.
HALF_PI = (1.5707963267341256e00, 6.0771005063039660e-11, 2.0222662487959506e-21)
FAR = 2.0**20  # beyond, the C library reduces arguments of sin, cos, tan


def _quarter_turns(x: Lanes) -> tuple[Lanes, Lanes]:
    """r and bits ending with k: x = k pi/2 + r, |r| <= pi/4, for float64 |x| <= FAR.

    Each product is exact and so is each difference as long as digits cancel.
    """
    k, bits = nearest(x, 2 / math.pi)
    first = k.times_plus(-HALF_PI[0], x)
    second = k.times_plus(-HALF_PI[1], first)
    # What rounding took from the second difference comes back together with the third part.
    lost = k.times_plus(-HALF_PI[1], first - second)
    return second + k.times_plus(-HALF_PI[2], lost), bits


def _sin_near_zero(r: Lanes) -> Lanes:
    z = r * r
    return (r * z).times_plus(polynomial(z, coefficients.SIN[r.width]), r)


def _cos_near_zero(r: Lanes) -> Lanes:
    z = r * r
    rest = (z * z) * polynomial(z, coefficients.COS[r.width])
    half = z * 0.5
    whole = 1.0 - half
    # What rounding took from 1 - z/2 is added to the rest.
    return whole + (((1.0 - whole) - half) + rest)


def _turned(x: Lanes, quarters: int) -> Lanes:
    """sin(x + quarters * pi/2) for |x| <= FAR."""
    r, bits = _quarter_turns(x if x.width == 64 else x.widened())
    if x.width == 32:  # only the reduction needs the digits of float64
        r, bits = r.narrowed(), bits.narrowed()
    if quarters:
        bits = bits + quarters
    y = where((bits & 1).differs(0), _cos_near_zero(r), _sin_near_zero(r))
    sign = (bits & 2) << (x.width - 2)
    return (y.bits() ^ sign).floats()


def sin(x: Lanes) -> Lanes:
    """The sine."""
    near = where(x.equals(0.0), x, _turned(x, 0))  # keeps -0
    return _far_from_library("sin", x, near)


def cos(x: Lanes) -> Lanes:
    """The cosine."""
    return _far_from_library("cos", x, _turned(x, 1))


def tan(x: Lanes) -> Lanes:
    """sin / cos, in float64 for float32 too: three roundings are too many for its last bit."""
    r, bits = _quarter_turns(x if x.width == 64 else x.widened())
    odd = (bits & 1).differs(0)
    sine, cosine = _sin_near_zero(r), _cos_near_zero(r)
    y = where(odd, -cosine, sine) / where(odd, sine, cosine)
    y = y if x.width == 64 else y.narrowed()
    return _far_from_library("tan", x, where(x.equals(0.0), x, y))


def _far_from_library(name: str, x: Lanes, near: Lanes) -> Lanes:
    """`near`, but the C library's function of float64 in lanes that are beyond FAR."""
    builder = x.builder
    far = abs(x) > FAR
    start = builder.block
    with builder.if_then(_any(far), likely=False):
        lanes = lane_by_lane(name, x)
        replaced = where(far, lanes, near)
        stop = builder.block
    result = builder.phi(x.value.type)
    result.add_incoming(near.value, start)
    result.add_incoming(replaced.value, stop)
    return Lanes(builder, result)


def _any(mask: Lanes) -> Value:
    """One boolean: whether the mask holds in some lane."""
    if not isinstance(mask.value.type, ir.VectorType):
        return mask.value
    return call_intrinsic(mask.builder, "vector.reduce.or", [mask.value], ir.IntType(1))
