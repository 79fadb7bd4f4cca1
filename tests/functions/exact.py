"""What each elementwise operation is, in the numbers of mpmath, and where that is tried.

The formulas are those of textbooks and docstrings, without any care for cancellation: they are
computed with as many digits as it takes. Points are apart from jumps and kinks, which are the
matter of `special_points`; activations and losses are in `exact_networks`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mpmath import mp


@dataclass(frozen=True)
class Exact:
    """The formula of an operation, and points where the operation must agree with it."""

    formula: Callable[..., Any]
    """The same function of mpmath's numbers."""
    points: Sequence[Any]
    """Arguments: numbers, or tuples of them for several arguments."""
    params: dict[str, Any] = field(default_factory=dict)
    """The operation's settings, by name."""
    wrt: tuple[int, ...] | None = None
    """The arguments that have derivatives; None for all."""
    orders: int = 3
    """How many derivatives are compared."""
    digits: int | None = None
    """How many digits the formula is computed with; None for enough to cancel as many as
    1 + x or 1 - exp(-x**2) can."""


# ---- points -----------------------------------------------------------------------------------

LINE = (
    -800.0,
    -90.0,
    -30.0,
    -6.0,
    -1.5,
    -0.3,
    -1e-3,
    -1e-9,
    -1e-300,
    1e-300,
    1e-9,
    1e-3,
    0.2,
    0.7,
    1.0,
    2.5,
    6.0,
    20.0,
    40.0,
    90.0,
    800.0,
)
"""Both sides of 0, to where exponentials underflow, but they must not overflow."""
SMALL = (-1e-3, -1e-9, -1e-300, 1e-300, 1e-9, 1e-3)
MIDDLE = (-6.0, -1.5, -0.3, *SMALL, 0.2, 0.7, 1.0, 2.5, 6.0)
ABOVE = (
    1e-300,
    1e-80,
    1e-9,
    0.01,
    0.5,
    0.999999,
    1.0,
    1.000001,
    1.4616,
    2.0,
    7.3,
    150.0,
    1e80,
    1e300,
)
INSIDE = (-0.999999, -0.9, -0.5, *SMALL, 0.3, 0.9, 0.999999)
PAIRS = ((1.5, 2.25), (-3.0, 0.1), (0.1, -0.7), (1e16, 1.0), (1e-300, 2e-300), (-1e300, 1e-300))


def signs(*points: float) -> tuple[float, ...]:
    """The points on both sides of 0."""
    return (*(-x for x in points), *points)


# ---- arithmetic -------------------------------------------------------------------------------

ARITHMETIC = {
    "add": Exact(lambda x0, x1: x0 + x1, PAIRS),
    "subtract": Exact(lambda x0, x1: x0 - x1, PAIRS),
    "multiply": Exact(lambda x0, x1: x0 * x1, PAIRS),
    "divide": Exact(
        lambda x0, x1: x0 / x1, [(1.0, 3.0), (-7.0, 1e-80), (1e80, 1e10), (1e-300, -7.0)]
    ),
    "negative": Exact(lambda x: -x, LINE),
    "square": Exact(lambda x: x * x, signs(1e-150, 0.1, 3.0, 1e150)),
    "sqrt": Exact(lambda x: x ** mp.mpf("0.5"), ABOVE),
    "reciprocal": Exact(lambda x: 1 / x, [*signs(1e-150, 1e-80, 0.1, 3.0, 1e80, 1e300)]),
    "abs": Exact(abs, LINE),
    "fabs": Exact(abs, LINE),
    "ldexp": Exact(
        lambda x0, x1: x0 * mp.mpf(2) ** int(x1),
        [(0.75, 3.0), (-1.1, -1000.0), (3.0, 1000.0)],
        wrt=(0,),
    ),
    "power": Exact(
        lambda x0, x1: x0**x1,
        [
            (2.0, 3.0),
            (0.5, -2.5),
            (1e-300, 0.5),
            (1.0000000001, 1e10),
            (10.0, 300.0),
            (0.9, 6000.0),
            (1e300, 1e-3),
            (0.99, -3.0),
            (2.0, 0.0),
            (3.0, 1e-9),
            (7.0, 0.5),
        ],
    ),
    "power of negative numbers": Exact(
        lambda x0, x1: x0 ** int(x1),
        [(-2.0, 3.0), (-1.5, -3.0), (-0.1, 4.0), (-1e80, 2.0), (-1.01, 1001.0), (-3.0, 1.0)],
        wrt=(0,),
    ),
    "float_power": Exact(lambda x0, x1: x0**x1, [(2.0, 3.0), (0.5, -2.5), (1e-300, 0.5)]),
    "maximum": Exact(max, PAIRS),
    "minimum": Exact(min, PAIRS),
    "fmax": Exact(max, PAIRS),
    "fmin": Exact(min, PAIRS),
    "clip": Exact(
        lambda x, low, high: max(low, min(x, high)),
        [(-3.0, -1.0, 1.0), (0.3, -1.0, 1.0), (1e-300, -1.0, 1.0), (2.0, -1.0, 1.0)],
    ),
    "sign": Exact(mp.sign, signs(1e-300, 0.3, 1e300)),
    "round": Exact(mp.nint, signs(1e-300, 0.4999999999999999, 0.51, 2.4)),
    "rint": Exact(mp.nint, signs(1e-300, 0.4999999999999999, 0.51, 2.4)),
    "floor": Exact(mp.floor, signs(1e-300, 0.9999999999999999, 2.5)),
    "ceil": Exact(mp.ceil, signs(1e-300, 0.9999999999999999, 2.5)),
    "trunc": Exact(lambda x: mp.sign(x) * mp.floor(abs(x)), signs(1e-300, 0.99999999, 2.5)),
    "floor_divide": Exact(
        lambda x0, x1: mp.floor(x0 / x1),
        QUOTIENTS := (
            (7.5, 3.0),
            (-7.5, 3.0),
            (7.5, -3.0),
            (-7.5, -3.0),
            (1.0, 0.1),
            (1e-300, 1.0),
            (1e15, 0.7),
            (5.0, 1e300),
        ),
    ),
    "remainder": Exact(lambda x0, x1: x0 - x1 * mp.floor(x0 / x1), QUOTIENTS),
    "fmod": Exact(lambda x0, x1: x0 - x1 * mp.sign(x0 / x1) * mp.floor(abs(x0 / x1)), QUOTIENTS),
    "copysign": Exact(
        lambda x0, x1: abs(x0) * mp.sign(x1), [(2.0, -1e-300), (-2.0, 3.0), (-1e-300, -1e300)]
    ),
    "heaviside": Exact(lambda x0, x1: mp.mpf(x0 > 0), [(-1e-30, 0.5), (1e-300, 0.5)]),
    "nan_to_num": Exact(lambda x: x, LINE),
    "hypot": Exact(
        lambda x0, x1: mp.sqrt(x0 * x0 + x1 * x1),
        [
            (3.0, -4.0),
            (1e-9, 2.0),
            (1e200, 1e200),
            (-1e-200, 3e-200),
            (1e300, 1e-300),
            (5.0, 1e-300),
        ],
    ),
    "cbrt": Exact(
        lambda x: mp.sign(x) * abs(x) ** (mp.mpf(1) / 3), signs(1e-300, 1e-80, 0.1, 8.0, 1e300)
    ),
    "rsqrt": Exact(lambda x: 1 / mp.sqrt(x), (1e-200, *ABOVE[1:])),
}

# ---- exponentials and logarithms --------------------------------------------------------------

EXPONENTIALS = {
    "exp": Exact(mp.exp, (-740.0, -700.0, -30.0, *MIDDLE, 30.0, 700.0, 709.7)),
    "expm1": Exact(lambda x: mp.exp(x) - 1, (-800.0, -40.0, -30.0, *MIDDLE, 30.0, 700.0)),
    "exp2": Exact(lambda x: mp.mpf(2) ** x, (-1070.0, -1000.5, *MIDDLE, 31.0, 1023.5)),
    "log": Exact(mp.log, ABOVE),
    "log1p": Exact(lambda x: mp.log(1 + x), (-0.999999, -0.5, *SMALL, 0.3, 1.0, 30.0, 1e300)),
    "log2": Exact(lambda x: mp.log(x) / mp.log(2), ABOVE),
    "log10": Exact(lambda x: mp.log(x) / mp.log(10), ABOVE),
    "logaddexp": Exact(
        lambda x0, x1: mp.log(mp.exp(x0) + mp.exp(x1)),
        [
            (0.0, 0.3),
            (-1.0, 2.0),
            (800.0, 790.0),
            (-800.0, -801.0),
            (30.0, -10.0),
            (1e-9, -800.0),
            (0.0, 45.0),
        ],
    ),
    "logaddexp2": Exact(
        lambda x0, x1: mp.log(2**x0 + 2**x1) / mp.log(2),
        [(0.0, 0.3), (-1.0, 2.0), (2000.0, 1990.0), (-2000.0, -2001.0), (30.0, -10.0), (0.0, 60.0)],
    ),
    "xlogy": Exact(
        lambda x0, x1: x0 * mp.log(x1),
        [(2.5, 0.3), (-3.0, 1.000001), (1e-300, 7.0), (3.0, 1e-80), (0.0, 3.0), (1e300, 5.0)],
    ),
    "xlog1py": Exact(
        lambda x0, x1: x0 * mp.log(1 + x1),
        [(2.5, -0.3), (-3.0, 1e-9), (1e-300, 7.0), (3.0, 1e-300), (3.0, -0.999999)],
    ),
    "entr": Exact(lambda x: -x * mp.log(x), (1e-300, 1e-9, 0.01, 0.3, 0.5, 0.999999, 5.0, 1e80)),
    "logit": Exact(
        lambda x: mp.log(x / (1 - x)),
        (1e-300, 1e-80, 1e-9, 0.01, 0.3, 0.4999, 0.5001, 0.75, 0.999999, 1 - 1e-15),
    ),
}

# ---- angles -----------------------------------------------------------------------------------

ANGLES = {
    "sin": Exact(mp.sin, (*MIDDLE, 3.141592653589793, 100.0, -1e5)),
    "cos": Exact(mp.cos, (*MIDDLE, 1.5707963267948966, 100.0, -1e5)),
    "tan": Exact(lambda x: mp.sin(x) / mp.cos(x), (*MIDDLE, 1.57, 1.5707963267948966, 100.0)),
    "sinh": Exact(lambda x: (mp.exp(x) - mp.exp(-x)) / 2, (*MIDDLE, -700.0, 30.0, 710.0)),
    "cosh": Exact(lambda x: (mp.exp(x) + mp.exp(-x)) / 2, (*MIDDLE, -700.0, 30.0, 710.0)),
    "tanh": Exact(lambda x: (mp.exp(2 * x) - 1) / (mp.exp(2 * x) + 1), LINE),
    "arcsin": Exact(mp.asin, INSIDE),
    "arccos": Exact(mp.acos, INSIDE),
    "arctan": Exact(mp.atan, (*MIDDLE, *signs(1e9, 1e80, 1e300))),
    "arctan2": Exact(
        mp.atan2,
        [
            (1.0, 2.0),
            (-1.0, 2.0),
            (1.0, -2.0),
            (-1.0, -2.0),
            (1e-9, 1.0),
            (3.0, 1e-9),
            (1e-9, -3.0),
            (1e200, 2e200),
            (3e-80, -4e-80),
            (1e-300, 1e10),
        ],
    ),
    "arcsinh": Exact(mp.asinh, (*MIDDLE, *signs(1e9, 1e80, 1e300))),
    "arccosh": Exact(mp.acosh, (1.000000001, 1.1, 2.0, 1e6, 1e80, 1e300)),
    "arctanh": Exact(lambda x: mp.log((1 + x) / (1 - x)) / 2, INSIDE),
    "sinc": Exact(
        lambda x: mp.sin(mp.pi * x) / (mp.pi * x),
        (*signs(1e-300, 1e-9, 1e-3, 0.2, 0.64, 0.95, 0.96, 1.27, 2.5), 7.3, 40.25, 1e5 + 0.25),
    ),
    "deg2rad": Exact(lambda x: x * mp.pi / 180, LINE),
    "rad2deg": Exact(lambda x: x * 180 / mp.pi, LINE),
}

# ---- special functions ------------------------------------------------------------------------


def normal(x: Any) -> Any:
    """The probability that a standard normal variable is below x."""
    return mp.erfc(-x / mp.sqrt(2)) / 2


SPECIAL = {
    "erf": Exact(mp.erf, signs(1e-300, 1e-9, 0.3, 1.0, 2.0, 6.0, 26.0)),
    "erfc": Exact(mp.erfc, (-6.0, -1.0, 1e-300, 1e-9, 0.3, 1.0, 2.0, 5.0, 26.0)),
    "erfcx": Exact(
        lambda x: mp.exp(x * x) * mp.erfc(x),
        (-26.0, -1.0, 1e-9, 0.4, 1.9, 2.1, 3.0, 30.0, 1e4, 1e8),
        digits=60,
    ),
    "erfinv": Exact(mp.erfinv, signs(1e-9, 0.1, 0.7, 0.9999, 0.9999999999), digits=60),
    "ndtr": Exact(normal, (-37.0, -3.0, -0.5, 1e-9, 0.7, 3.0, 8.0), digits=60),
    "ndtri": Exact(
        lambda p: mp.findroot(
            lambda x: mp.log(normal(x) / p), -mp.sqrt(-2 * mp.log(p)) if p < 0.1 else 0
        ),
        (1e-300, 1e-30, 1e-9, 0.01, 0.3, 0.6, 0.999),
        digits=50,
    ),
    "log_ndtr": Exact(
        lambda x: mp.log(normal(x)),
        (-30.0, -5.0, -1.1, -0.9, -1e-9, 1e-9, 0.7, 3.0, 8.0),
        digits=70,
    ),
    "log_ndtr far on the left": Exact(
        lambda x: mp.log(normal(x)), (-1e4, -300.0), orders=2, digits=60
    ),
}

GAMMA_AND_BESSEL = {
    "gammaln": Exact(
        lambda x: mp.log(abs(mp.gamma(x))), (1e-300, 1e-9, 0.5, 1.0001, 7.3, 150.0, -0.5, -3.3)
    ),
    "digamma": Exact(mp.digamma, (1e-80, 1e-9, 0.5, 1.4616, 7.3, 150.0, 1e10, -0.5, -3.3)),
    "polygamma": Exact(
        lambda n, x: mp.psi(int(n), x),
        [(n, x) for n in (0.0, 1.0, 2.0, 5.0) for x in (0.01, 0.5, 7.3, 150.0, -0.5)],
        wrt=(1,),
    ),
    "gamma": Exact(mp.gamma, (1e-80, 1e-9, 0.5, 1.4616, 7.3, 150.0, 171.0, -0.5, -3.3)),
    "beta": Exact(mp.beta, [(0.1, 2.5), (3.0, 0.5), (20.0, 30.0)]),
    "betaln": Exact(
        lambda x0, x1: mp.log(mp.beta(x0, x1)),
        [(0.1, 2.5), (3.0, 0.5), (20.0, 30.0), (200.0, 300.0)],
    ),
    "gammainc": Exact(
        lambda a, x: mp.gammainc(a, 0, x, regularized=True),
        [(2.5, 1e-9), (2.5, 0.3), (0.5, 1.0), (30.0, 8.0), (3.0, 30.0)],
        wrt=(1,),
    ),
    "gammaincc": Exact(
        lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True),
        [(2.5, 1e-9), (2.5, 0.3), (0.5, 1.0), (30.0, 8.0), (3.0, 30.0), (0.5, 600.0)],
        wrt=(1,),
    ),
    "zeta": Exact(mp.zeta, [(2.5, 0.01), (2.5, 0.5), (3.0, 1.0), (1.1, 30.0)], wrt=(1,)),
    "multigammaln": Exact(
        lambda a: 3 * mp.log(mp.pi) / 2 + sum(mp.loggamma(a - mp.mpf(j) / 2) for j in range(3)),
        (1.01, 2.0, 30.0, 1e6),
        params={"d": 3},
    ),
    "j0": Exact(lambda x: mp.besselj(0, x), BESSEL := signs(1e-9, 0.3, 2.5, 2.9, 3.1, 4.1, 40.0)),
    "j1": Exact(lambda x: mp.besselj(1, x), BESSEL),
    "i0": Exact(lambda x: mp.besseli(0, x), (*BESSEL, 13.9, 14.1, 600.0)),
    "i1": Exact(lambda x: mp.besseli(1, x), (*BESSEL, 13.9, 14.1, 600.0)),
    "i0e": Exact(lambda x: mp.exp(-abs(x)) * mp.besseli(0, x), (*BESSEL, 19.9, 20.1, 1e5)),
    "i1e": Exact(lambda x: mp.exp(-abs(x)) * mp.besseli(1, x), (*BESSEL, 19.9, 20.1, 1e5)),
}
# These have no cancellation, but cost much with many digits
GAMMA_AND_BESSEL = {name: replace(e, digits=60) for name, e in GAMMA_AND_BESSEL.items()}

TABLE = ARITHMETIC | EXPONENTIALS | ANGLES | SPECIAL | GAMMA_AND_BESSEL

WITHOUT_FORMULA = {
    "astype": "numbers as they are",
    "copy": "numbers as they are",
    "positive": "numbers as they are",
    "broadcast_arrays": "numbers as they are",
    "where": "one of its arguments",
    "masked_fill": "one of its arguments",
    "divmod": "floor_divide and remainder",
    "modf": "fmod and trunc",
    "straight_through": "its gradient is on purpose not its derivative",
    "gradient_reversal": "its gradient is on purpose not its derivative",
    "real": "of complex numbers",
    "imag": "of complex numbers",
    "conj": "of complex numbers",
    "angle": "of complex numbers",
}
