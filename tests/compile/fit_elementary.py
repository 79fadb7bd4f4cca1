"""Prints descend/compile/elementary/coefficients.py: `python tests/compile/fit_elementary.py`.

Every polynomial is the minimax fit (Remez's exchange, 50 digits) of the function that is left
when the leading terms are taken off, weighted so that the error bounded is the one relative to
the whole function; its coefficients are then rounded to the precision they are used in.
"""

from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
from mpmath import mpf

mpmath.mp.dps = 50

Real = Callable[[mpf], mpf]


@dataclass
class Fit:
    """What to fit: `function(x)` over [low, high], its error counted `weight(x)` times."""

    name: str
    formula: str
    function: Real
    weight: Real
    low: mpf
    high: mpf
    degrees: dict[int, int]


def minimax(fit: Fit, degree: int) -> list[mpf]:
    """The coefficients, lowest first, of the polynomial whose largest weighted error is least."""
    low, high = mpf(fit.low), mpf(fit.high)
    count = degree + 2
    grid = [low + (high - low) * (1 - mpmath.cos(mpmath.pi * i / 600)) / 2 for i in range(601)]
    # The end points may be removable singularities (x = 0) where nothing can be evaluated.
    grid = [x for x in grid if abs(x) > mpf(10) ** -8]
    values = [fit.function(x) for x in grid]
    weights = [fit.weight(x) for x in grid]
    chosen = [round(i) for i in np.linspace(0, len(grid) - 1, count)]
    for _ in range(40):
        matrix = mpmath.matrix(count, count)
        for row, point in enumerate(chosen):
            for column in range(count - 1):
                matrix[row, column] = grid[point] ** column
            matrix[row, count - 1] = (-1) ** row / weights[point]
        solution = mpmath.lu_solve(matrix, mpmath.matrix([values[i] for i in chosen]))
        coefficients = list(solution)[:-1]
        errors = [
            weight * (value - mpmath.polyval(coefficients[::-1], x))
            for x, value, weight in zip(grid, values, weights, strict=True)
        ]
        largest = max(map(abs, errors))
        if largest <= abs(solution[count - 1]) * mpf("1.001"):
            break
        chosen = _alternating_extremes(errors, count)
    return coefficients


def _alternating_extremes(errors: list[mpf], count: int) -> list[int]:
    """Where the error is largest in `count` neighbouring stretches of alternating sign."""
    peaks: list[int] = []
    for i, error in enumerate(errors):
        if peaks and (error > 0) == (errors[peaks[-1]] > 0):
            if abs(error) > abs(errors[peaks[-1]]):
                peaks[-1] = i
        else:
            peaks.append(i)
    while len(peaks) > count:
        peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
    assert len(peaks) == count, (len(peaks), count)
    return peaks


def rounded(x: mpf, width: int) -> float:
    """`x` in the precision of the width, as a Python float."""
    return float(np.float32(float(x))) if width == 32 else float(x)


def largest_error(fit: Fit, coefficients: list[float]) -> mpf:
    """The largest weighted error of the rounded coefficients."""
    points = [fit.low + (fit.high - fit.low) * (i + mpf("0.37")) / 997 for i in range(997)]
    values = [mpf(c) for c in coefficients[::-1]]
    return max(fit.weight(x) * abs(fit.function(x) - mpmath.polyval(values, x)) for x in points)


LN2 = mpmath.log(2)
ROOT = mpmath.sqrt(2)
QUARTER = mpmath.pi / 4
SPLIT = {32: mpf("0.9375"), 64: mpf(1)}  # erf: where the tail begins
TAIL = {32: mpf(4), 64: mpf(6)}  # erf: from where on it is 1


def of_square(function: Real) -> Real:
    """The function of z = x * x that `function` is of x."""
    return lambda z: function(mpmath.sqrt(z))


def atanh_rest(z: mpf) -> mpf:
    """(log((1 + s) / (1 - s)) - 2s) / s**3 at s = sqrt(z)."""
    s = mpmath.sqrt(z)
    return (2 * mpmath.atanh(s) - 2 * s) / s**3


S = (ROOT - 1) / (ROOT + 1) * mpf("1.0001")

FITS = [
    Fit(
        "EXP",
        "(exp(r) - 1 - r) / r**2, |r| <= log(2) / 2",
        lambda r: (mpmath.expm1(r) - r) / r**2,
        lambda r: abs(r**2 / mpmath.expm1(r)),
        -LN2 / 2 * mpf("1.0001"),
        LN2 / 2 * mpf("1.0001"),
        {32: 4, 64: 9},
    ),
    Fit(
        "LOG",
        "(log(1 + f) - f + f**2 / 2) / f**3, 1 + f from sqrt(1/2) to sqrt(2)",
        lambda f: (mpmath.log1p(f) - f + f**2 / 2) / f**3,
        lambda f: abs(f**3 / mpmath.log1p(f)),
        1 / ROOT - 1,
        ROOT - 1,
        {32: 8},
    ),
    Fit(
        "ATANH",
        "(log((1 + s) / (1 - s)) - 2s) / s**3 of z = s**2, (1 + s) / (1 - s) as 1 + f above",
        atanh_rest,
        lambda z: z / 2,
        mpf(0),
        S**2,
        {64: 6},
    ),
    Fit(
        "ATANH_TAIL",
        "(log((1 + s) / (1 - s)) - 2s - 2/3 s**3) / s**5 of z = s**2",
        lambda z: (atanh_rest(z) - mpf(2) / 3) / z,
        lambda z: z**2 / 2,
        mpf(0),
        S**2,
        {64: 7},
    ),
    Fit(
        "SIN",
        "(sin(r) - r) / r**3 of z = r**2, |r| <= pi / 4",
        of_square(lambda r: (mpmath.sin(r) - r) / r**3),
        of_square(lambda r: r**3 / mpmath.sin(r)),
        mpf(0),
        QUARTER**2 * mpf("1.0001"),
        {32: 2, 64: 5},
    ),
    Fit(
        "COS",
        "(cos(r) - 1 + r**2 / 2) / r**4 of z = r**2, |r| <= pi / 4",
        of_square(lambda r: (mpmath.cos(r) - 1 + r**2 / 2) / r**4),
        of_square(lambda r: r**4 / mpmath.cos(r)),
        mpf(0),
        QUARTER**2 * mpf("1.0001"),
        {32: 2, 64: 5},
    ),
    Fit(
        "TANH",
        "(tanh(x) - x) / x**3 of z = x**2, |x| <= 0.625",
        of_square(lambda x: (mpmath.tanh(x) - x) / x**3),
        of_square(lambda x: x**3 / mpmath.tanh(x)),
        mpf(0),
        mpf("0.625") ** 2,
        {32: 4, 64: 10},
    ),
    Fit(
        "SINH",
        "(sinh(x) - x) / x**3 of z = x**2, |x| <= 1",
        of_square(lambda x: (mpmath.sinh(x) - x) / x**3),
        of_square(lambda x: x**3 / mpmath.sinh(x)),
        mpf(0),
        mpf(1),
        {32: 3, 64: 6},
    ),
    Fit(
        "ERF",
        "(erf(x) - x) / x of z = x**2, |x| <= 0.9375 in float32, 1 in float64",
        of_square(lambda x: mpmath.erf(x) / x - 1),
        of_square(lambda x: x / mpmath.erf(x)),
        mpf(0),
        mpf(1),
        {32: 5, 64: 12},
    ),
    Fit(
        "LOG_ERFC",
        "log(1 - erf(x)) / x, x from 0.9375 to 4 in float32, 1 to 6 in float64",
        lambda x: mpmath.log(mpmath.erfc(x)) / x,
        lambda x: x * mpmath.erfc(x) / mpmath.erf(x),
        mpf(1),
        mpf(6),
        {32: 7, 64: 19},
    ),
    Fit(
        "ARCTAN",
        "(arctan(x) - x) / x**3 of z = x**2, |x| <= tan(pi / 8)",
        of_square(lambda x: (mpmath.atan(x) - x) / x**3),
        of_square(lambda x: x**3 / mpmath.atan(x)),
        mpf(0),
        (ROOT - 1) ** 2 * mpf("1.0001"),
        {32: 4, 64: 10},
    ),
    Fit(
        "ARCSIN",
        "(arcsin(x) - x) / x**3 of z = x**2, |x| <= 1/2",
        of_square(lambda x: (mpmath.asin(x) - x) / x**3),
        of_square(lambda x: x**3 / mpmath.asin(x)),
        mpf(0),
        mpf("0.25") * mpf("1.0001"),
        {32: 4, 64: 12},
    ),
    Fit(
        "CBRT",
        "cbrt(m), m from sqrt(1/2) to sqrt(2), as a first guess",
        mpmath.cbrt,
        lambda m: 1 / mpmath.cbrt(m),
        1 / ROOT,
        ROOT,
        {32: 3, 64: 3},
    ),
]


HEAD = '''"""Minimax polynomials of the elementary functions, lowest coefficient first.

Written by tests/compile/fit_elementary.py: Remez's exchange at 50 digits; errors are of
the rounded coefficients, relative to the whole function.
"""'''


def bounds(fit: Fit, width: int) -> Fit:
    """The fit over the interval that this width uses."""
    if fit.name == "ERF":
        return Fit(**{**vars(fit), "high": SPLIT[width] ** 2})
    if fit.name == "LOG_ERFC":
        return Fit(**{**vars(fit), "low": SPLIT[width], "high": TAIL[width]})
    return fit


if __name__ == "__main__":
    print(HEAD)
    for fit in FITS:
        print(f"\n# {fit.formula}")
        print(f"{fit.name}: dict[int, tuple[float, ...]] = {{")
        for width, degree in fit.degrees.items():
            here = bounds(fit, width)
            coefficients = [rounded(c, width) for c in minimax(here, degree)]
            error = mpmath.log(largest_error(here, coefficients), 2)
            print(f"    {width}: (  # error 2**{float(error):.1f}")
            for coefficient in coefficients:
                print(f"        {coefficient!r},")
            print("    ),")
        print("}")
