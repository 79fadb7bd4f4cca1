"""Elementary functions as straight-line arithmetic that vectorizes on any processor.

`emit(builder, "exp", x)` appends the instructions of exp(x) for a scalar or a vector alike.
Calls to the C library would run one lane after the other, and each library rounds differently;
these polynomials (coefficients.py) run in all lanes at once and round the same everywhere
there is fused multiplication. Each function reduces its argument to a short interval by an
identity, exactly or nearly so, takes a polynomial there and undoes the reduction. Errors are
below 2 units in the last place in float32 and 4 in float64 (measured: tests/compile).
Subnormal arguments and results are right; NaN, infinities and zeros follow C99's annex F.

Only sin, cos and tan branch: arguments beyond 2**20 go to the C library, lane by lane.
"""
# llvmlite has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable

from descend.compile.elementary.angles import arccos, arcsin, arctan, arctan2
from descend.compile.elementary.circular import cos, sin, tan
from descend.compile.elementary.exponentials import (
    cosh,
    erf,
    exp,
    expm1,
    log,
    log1p,
    power,
    sigmoid,
    sinh,
    sqrt,
    tanh,
)
from descend.compile.elementary.logarithms import arccosh, arcsinh, arctanh, exp2, log2, log10
from descend.compile.elementary.roots import cbrt, hypot
from descend.compile.machine.lanes import Builder, Lanes, Value


def emit(builder: Builder, name: str, *values: Value) -> Value:
    """The function of the values; all have one type: float, double or a vector of them.

    `sin`, `cos` and `tan` end the builder's block and leave it in another one.
    """
    return ELEMENTARY[name](*(Lanes(builder, value) for value in values)).value


_FUNCTIONS = (
    (exp, expm1, exp2, log, log1p, log2, log10, power, sqrt, cbrt, hypot)
    + (sin, cos, tan, arcsin, arccos, arctan, arctan2)
    + (sinh, cosh, tanh, arcsinh, arccosh, arctanh, erf, sigmoid)
)
ELEMENTARY: dict[str, Callable[..., Lanes]] = {f.__name__: f for f in _FUNCTIONS}
