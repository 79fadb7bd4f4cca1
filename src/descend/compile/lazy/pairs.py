"""Functions of complex numbers, as formulas of their recorded real and imaginary parts.

They are those of C (C11, annex G) and NumPy, and W. Kahan's ("Branch cuts for complex elementary
functions", 1987): zeros have the signs that say on which side of a branch cut a number lies.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# (NumPy's arrays have unknown parameters here)

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from descend.compile.graph import Node, constant
from descend.compile.lazy import elements
from descend.compile.lazy.array import LazyArray

Pair = tuple[LazyArray, LazyArray]
"""The real and the imaginary part."""

where = elements.where


def known_zero(x: Node) -> Node | None:
    """The number 0 that a node repeats, if it is one: real numbers that were made complex."""
    while x.op in ("broadcast_to", "reshape"):
        (x,) = x.inputs
    known = x.op == "constant" and not x.params["value"].any()
    return constant(x.params["value"].reshape(-1)[0]) if known and x.size else None


# ---- arithmetic -------------------------------------------------------------------------------


def multiply(x: Pair, y: Pair) -> Pair:
    """The product, rounded as NumPy's but for sums and products in one step."""
    (a, b), (c, d) = x, y
    return a * c - b * d, a * d + b * c


def divide(x: Pair, y: Pair) -> Pair:
    """R. L. Smith's quotient (1962), that does not overflow as abs(y)**2 would."""
    (a, b), (c, d) = x, y
    if known_zero(d.node) is not None:
        ratio, scale = where(c < 0, -d, d), 1 / where(c == 0, 0, c)
        return (a + b * ratio) * scale, (b - a * ratio) * scale
    flat = elements.abs(c) >= elements.abs(d)  # NaN takes the other way, as in NumPy
    large, small = where(flat, c, d), where(flat, d, c)
    ratio = small / large
    by_zero = large == 0  # and then small as well
    p, q = where(flat, a, b), where(flat, b, a)
    scale = 1 / where(by_zero, 0, large + small * ratio)
    along = (p + where(by_zero, 0, q * ratio)) * scale
    beside = where(by_zero, 0, p * ratio)
    return along, where(flat, q - beside, beside - q) * scale


# ---- absolute values and angles ---------------------------------------------------------------


def by_size(a: LazyArray, b: LazyArray) -> tuple[LazyArray, LazyArray]:
    """The larger of the absolute values, 1 in the place of 0, and the smaller divided by it."""
    a, b = elements.abs(a), elements.abs(b)
    larger = a > b
    large = where(larger, a, b)
    safe = where(large == 0, 1, large)
    return large, where(larger, b, a) / safe


def infinite(a: LazyArray, b: LazyArray) -> LazyArray:
    """Whether a part is infinite."""
    return elements.isinf(a) | elements.isinf(b)


def sign(x: Pair) -> Pair:
    """The direction x / abs(x); 0 where x is 0."""
    beyond = infinite(*x)
    a, b = (where(beyond, where(elements.isinf(part), elements.sign(part), 0), part) for part in x)
    size = where(elements.isinf(x[0]) & elements.isinf(x[1]), np.nan, elements.hypot(a, b))
    size = where(size == 0, 1, size)
    return a / size, b / size


# ---- functions --------------------------------------------------------------------------------


def sqrt(x: Pair) -> Pair:
    """Without the cancellation of abs(a) - abs(x) for a negative real part a."""
    a, b = x
    large, ratio = by_size(a, b)
    safe = where(large == 0, 1, large)
    along = elements.sqrt((elements.abs(a) / safe + elements.sqrt(1 + ratio * ratio)) * 0.5)
    along = where(infinite(a, b), np.inf, along * elements.sqrt(large))
    across = elements.abs(b) / where(along == 0, 1, 2 * along)
    across = where(elements.isinf(b), np.inf, across)
    right = a >= 0
    return where(right, along, across), elements.copysign(where(right, across, along), b)


def exp(x: Pair) -> Pair:
    """The exponential; 0 at minus infinity, whatever the angle."""
    a, b = x
    size = elements.exp(a)
    none = size == 0  # whatever the angle is, infinite for example
    along, across = where(none, 0, elements.cos(b)), where(none, 0, elements.sin(b))
    return size * along, zero_stays(across, size)


def expm1(x: Pair) -> Pair:
    """exp(x) - 1, also near 0."""
    a, b = x
    half = elements.sin(b * 0.5)
    y = elements.expm1(a) * elements.cos(b) - 2 * half * half
    return y, zero_stays(elements.sin(b), elements.exp(a))


def log(x: Pair) -> Pair:
    """The logarithm; the imaginary part lies between -pi and pi."""
    a, b = x
    large, ratio = by_size(a, b)
    size = elements.log(large) + 0.5 * elements.log1p(ratio * ratio)
    return where(infinite(a, b), np.inf, size), elements.arctan2(b, a)


def log1p(x: Pair) -> Pair:
    """log(1 + x)."""
    return log((x[0] + 1, x[1]))


def sinh(x: Pair) -> Pair:
    """The hyperbolic sine."""
    a, b = x
    u = zero_stays(elements.sinh(a), elements.cos(b))
    return u, zero_stays(elements.sin(b), elements.cosh(a))


def cosh(x: Pair) -> Pair:
    """The hyperbolic cosine."""
    a, b = x
    return elements.cosh(a) * elements.cos(b), zero_stays(elements.sin(b), elements.sinh(a))


def tanh(x: Pair) -> Pair:
    """Kahan's; far from 0, where his squares would overflow, the first term that remains."""
    a, b = x
    t, s = elements.tan(b), elements.sinh(a)
    slope = 1 + t * t
    below = 1 + slope * s * s
    far = elements.abs(a) > 22
    decay = 4 * elements.sin(b) * elements.cos(b) * elements.exp(-2 * elements.abs(a))
    u = where(far, elements.sign(a), slope * elements.sqrt(1 + s * s) * s / below)
    return u, where(far, decay, t / below)


def arcsin(x: Pair) -> Pair:
    """The inverse sine: Kahan's, as the next two."""
    a, b = x
    less, more = sqrt((1 - a, -b)), sqrt((1 + a, b))
    along = elements.arctan2(a, multiply(less, more)[0])
    return along, elements.arcsinh(multiply(conj(less), more)[1])


def arccos(x: Pair) -> Pair:
    """The inverse cosine."""
    a, b = x
    less, more = sqrt((1 - a, -b)), sqrt((1 + a, b))
    return 2 * elements.arctan2(less[0], more[0]), elements.arcsinh(multiply(conj(more), less)[1])


def arccosh(x: Pair) -> Pair:
    """The inverse hyperbolic cosine."""
    a, b = x
    less, more = sqrt((a - 1, b)), sqrt((a + 1, b))
    return elements.arcsinh(multiply(conj(less), more)[0]), 2 * elements.arctan2(less[1], more[0])


def arctanh(x: Pair) -> Pair:
    """The inverse hyperbolic tangent."""
    a, b = elements.abs(x[0]), x[1]
    distance = (1 - a) * (1 - a) + b * b
    angle = elements.arctan2(2 * b, (1 - a) * (1 + a) - b * b)
    return elements.copysign(0.25 * elements.log1p(4 * a / distance), x[0]), 0.5 * angle


def conj(x: Pair) -> Pair:
    """The complex conjugate."""
    return x[0], -x[1]


def scaled(function: Callable[[Pair], Pair], before: float, after: float) -> Callable[[Pair], Pair]:
    """A function of ``before`` times x, times ``after``: to another base."""

    def scaled(x: Pair) -> Pair:
        u, v = function((x[0] * before, x[1] * before) if before != 1 else x)
        return (u * after, v * after) if after != 1 else (u, v)

    return scaled


def turned(function: Callable[[Pair], Pair]) -> Callable[[Pair], Pair]:
    """f(iz) / i from a function f: the sine from the hyperbolic one."""

    def turned(x: Pair) -> Pair:
        a, b = x
        u, v = function((-b, a))
        return v, -u

    return turned


def cos(x: Pair) -> Pair:
    """The cosine."""
    a, b = x
    return cosh((-b, a))


def zero_stays(x: LazyArray, factor: LazyArray) -> LazyArray:
    """x times a factor that may be infinite: 0 where x is 0."""
    endless = (x == 0) & ~elements.isfinite(factor)
    return x * where(endless, where(factor < 0, -1, 1).astype(x.dtype), factor)


sin, tan = turned(sinh), turned(tanh)
arctan, arcsinh = turned(arctanh), turned(arcsin)
exp2 = scaled(exp, np.log(2), 1)
log2, log10 = scaled(log, 1, 1 / np.log(2)), scaled(log, 1, 1 / np.log(10))
