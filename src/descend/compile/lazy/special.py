"""SciPy's special functions for recorded arrays: the `special` of their array module.

Those that are no operation here (`special.ARITIES`) are called while the program runs, as are all
of complex numbers.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportMissingTypeStubs=false
# pyright: reportPrivateUsage=false
# (SciPy has no types; its functions take whatever is an array)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

from descend.compile.elementary.special import ARITIES
from descend.compile.errors import NotRecorded
from descend.compile.graph import Node, constant
from descend.compile.lazy import elements
from descend.compile.lazy.array import LazyArray, emit
from descend.compile.lazy.elements import compute


def _function(name: str, ufunc: Any = None, rule: Callable[..., Node] | None = None) -> Any:
    """SciPy's function of real numbers; ``rule`` makes the node where it is no operation."""
    ufunc = ufunc or getattr(scipy.special, name)

    def function(*xs: Any, out: Any = None, dtype: Any = None) -> Any:
        working, operands = elements._operands(ufunc, xs, dtype)
        if working.kind != "f":
            raise NotRecorded(f"{name} of {working}")
        y = compute(name, working, *operands) if rule is None else rule(working, *operands)
        return elements.into(out, LazyArray(y))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"SciPy's {name}, recorded."
    return function


def _zero_or_times_log(log: str) -> Callable[..., Node]:
    """x0 times a logarithm of x1, but 0 where x0 is 0, whatever the logarithm."""

    def rule(dtype: Any, x0: Node, x1: Node) -> Node:
        zero = constant(0, dtype)
        lost = compute("equal", dtype, x0, zero)
        lost = emit("bitwise_and", lost, emit("invert", compute("isnan", dtype, x1)))
        product = compute("multiply", dtype, x0, compute(log, dtype, x1))
        return emit("where", lost, zero, product)

    return rule


def _entr(dtype: Any, x: Node) -> Node:
    x, zero = elements.cast(x, dtype), constant(0, dtype)
    beyond = emit(
        "where", compute("less", dtype, x, zero), constant(-np.inf, dtype), compute("abs", dtype, x)
    )
    product = compute("multiply", dtype, x, compute("log", dtype, x))
    inside = compute("greater", dtype, x, zero)
    return emit("where", inside, compute("negative", dtype, product), beyond)


def _logit(dtype: Any, x: Node) -> Node:
    """log(x / (1 - x)), but 2 artanh(2 x - 1) near 1/2, where that loses digits."""
    x = elements.cast(x, dtype)
    one = constant(1, dtype)
    ratio = compute("divide", dtype, x, compute("subtract", dtype, one, x))
    double = compute("subtract", dtype, compute("add", dtype, x, x), one)
    logs = [compute("log1p", dtype, y) for y in (double, compute("negative", dtype, double))]
    near = compute("less", dtype, compute("abs", dtype, double), constant(0.3, dtype))
    difference = compute("subtract", dtype, *logs)
    return emit("where", near, difference, compute("log", dtype, ratio))


RULES = {
    "entr": _entr,
    "logit": _logit,
    "xlogy": _zero_or_times_log("log"),
    "xlog1py": _zero_or_times_log("log1p"),
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _function(name) for name in ARITIES if name != "zeta"},
    **{name: _function(name, rule=rule) for name, rule in RULES.items()},
    "erf": elements.erf,
}
FUNCTIONS["digamma"] = FUNCTIONS["psi"]
BY_UFUNC = {getattr(scipy.special, name): function for name, function in FUNCTIONS.items()}
"""What records each ufunc of SciPy."""

_hurwitz = _function("zeta", scipy.special.beta)  # of the same dtypes: SciPy's zeta is no ufunc
BY_UFUNC[getattr(scipy.special._ufuncs, "_zeta", "zeta")] = _hurwitz  # but calls one


def zeta(s: Any, q: Any = None) -> Any:
    """The Hurwitz zeta function; Riemann's, without ``q``, is called while the program runs."""
    return elements.hosted(scipy.special.zeta, s) if q is None else _hurwitz(s, q)


def __getattr__(name: str) -> Any:
    """The functions by their names; AttributeError for what is not recorded."""
    try:
        return FUNCTIONS[name]
    except KeyError:
        raise AttributeError(f"{name} of SciPy is not recorded") from None
