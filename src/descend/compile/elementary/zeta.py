"""The Hurwitz zeta function as machine code: SciPy has it, but exports no C function of it.

The sum of (q + k)**(-s) is taken until q + k is large enough for Euler and Maclaurin's formula
(DLMF 25.11.28 with x = 0), whose terms are then negligible from the twelfth on.
"""
# llvmlite has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from llvmlite import ir

NAME = "hurwitz_zeta"
LARGE = 9.0
"""How large q + k must be, and how many terms are added at least."""
FAR = 1e8
"""From here on one term of the formula is enough: no sum, which would lose digits of q."""
TERMS = 12
EPSILON = 2.0**-53
DOUBLE, I64 = ir.DoubleType(), ir.IntType(64)


def define(module: Any) -> Any:
    """The function of two numbers, s and q, added to a module.

    Like SciPy's it is infinite for s = 1 and NaN below, infinite for q = 0, -1, -2, ... and NaN
    for other q < 0 unless s is whole.
    """
    function = ir.Function(module, ir.FunctionType(DOUBLE, [DOUBLE, DOUBLE]), NAME)
    function.linkage = "internal"
    s, q = function.args
    names = ("entry", "unusual", "far", "start", "sum", "next", "rest", "done")
    entry, unusual, far, start, head, following, rest, done = (
        function.append_basic_block(name) for name in names
    )
    b: Any = ir.IRBuilder(entry)
    ordinary = b.and_(b.fcmp_unordered(">", s, DOUBLE(1)), b.fcmp_unordered(">", q, DOUBLE(0)))
    b.cbranch(ordinary, start, unusual)

    b.position_at_end(unusual)
    pole = b.fcmp_ordered("==", s, DOUBLE(1))
    undefined = b.fcmp_ordered("<", s, DOUBLE(1))
    whole_s, whole_q = (b.fcmp_ordered("==", x, _call(b, "llvm.floor.f64", x)) for x in (s, q))
    negative = b.fcmp_ordered("<=", q, DOUBLE(0))
    pole = b.or_(pole, b.and_(b.not_(undefined), b.and_(negative, whole_q)))
    undefined = b.or_(undefined, b.and_(negative, b.not_(whole_s)))
    answer = b.select(pole, DOUBLE(math.inf), DOUBLE(math.nan))
    with b.if_then(b.or_(pole, undefined)):
        b.ret(answer)
    b.branch(start)

    b.position_at_end(start)
    minus = b.fneg(s)
    first = _call(b, "pow", q, minus)
    b.cbranch(b.fcmp_ordered(">", q, DOUBLE(FAR)), far, head)

    b.position_at_end(far)
    one = b.fdiv(DOUBLE(1), b.fsub(s, DOUBLE(1)))
    half = b.fdiv(DOUBLE(0.5), q)
    b.ret(b.fmul(b.fadd(one, half), _call(b, "pow", q, b.fsub(DOUBLE(1), s))))

    b.position_at_end(head)
    k, w, total = b.phi(I64), b.phi(DOUBLE), b.phi(DOUBLE)
    step = b.add(k, I64(1))
    place = b.fadd(w, DOUBLE(1))
    term = _call(b, "pow", place, minus)
    larger = b.fadd(total, term)
    for phi, begin, again in ((k, I64(0), step), (w, q, place), (total, first, larger)):
        phi.add_incoming(begin, start)
        phi.add_incoming(again, following)
    sizes = (_call(b, "llvm.fabs.f64", x) for x in (term, larger))
    size, whole = sizes
    b.cbranch(b.fcmp_ordered("<", size, b.fmul(whole, DOUBLE(EPSILON))), done, following)

    b.position_at_end(following)
    few = b.icmp_signed("<", step, I64(int(LARGE)))
    b.cbranch(b.or_(few, b.fcmp_ordered("<=", place, DOUBLE(LARGE))), head, rest)

    b.position_at_end(rest)
    tail = b.fsub(b.fdiv(b.fmul(term, place), b.fsub(s, DOUBLE(1))), b.fmul(DOUBLE(0.5), term))
    y = b.fadd(larger, tail)
    factor = b.fdiv(b.fmul(term, s), place)
    for j, coefficient in enumerate(_coefficients(TERMS)):
        y = b.fadd(y, b.fmul(factor, DOUBLE(coefficient)))
        for i in (2 * j + 1, 2 * j + 2):
            factor = b.fdiv(b.fmul(factor, b.fadd(s, DOUBLE(i))), place)
    b.ret(y)

    b.position_at_end(done)
    b.ret(larger)
    return function


def _call(b: Any, name: str, *xs: Any) -> Any:
    """A function of the C library, or an intrinsic."""
    function = b.module.globals.get(name)
    if function is None:
        function = ir.Function(b.module, ir.FunctionType(DOUBLE, [DOUBLE] * len(xs)), name)
    return b.call(function, xs)


def _coefficients(count: int) -> list[float]:
    """B(2 j) / (2 j)! for j = 1, 2, ...: the power series of x / (exp(x) - 1), every other one."""
    series = [Fraction(1)]
    for n in range(1, 2 * count + 1):
        known = (series[k] / math.factorial(n + 1 - k) for k in range(n))
        series.append(-sum(known, start=Fraction()))
    return [float(c) for c in series[2::2]]
