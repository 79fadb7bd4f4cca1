"""Numbers taken apart and put together: sign and size, whole part and fraction, powers of 2."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.elementwise.arithmetic import UNARY
from descend.functions.kinds import beside
from descend.functions.registry import Sample, composition


@composition(*UNARY, Sample((2,), complex=True))
def positive(x):
    """A copy of x: Python's ``+x``.

    >>> F.positive(np.array([1.0, -2.0]))
    array([ 1., -2.])
    """
    x = as_operand(x)
    if x.dtype == bool:
        raise TypeError("positive: x is bool, numbers are needed: +x of truth values is none")
    return F.copy(x)


@composition(*UNARY)
def fabs(x):
    """The absolute value of real numbers, as floats; its derivative at 0 is 0.

    >>> F.fabs(np.array([1, -2]))
    array([1., 2.])
    """
    return F.abs(_real("fabs", x))


@composition(Sample((3, 4), low=0.1, high=0.9), Sample((), low=-1.9, high=-1.1), Sample((0, 3)))
def modf(x):
    """The fraction of x and its whole part, both with the sign of x: (fraction, whole).

    The derivative of the fraction is 1 and that of the whole part is 0, at the jumps too. An
    infinite number has no fraction, and the derivative 0.

    >>> F.modf(np.array([1.5, -2.25]))
    (array([ 0.5 , -0.25]), array([ 1., -2.]))
    """
    x = _real("modf", x)
    infinite = F.isinf(array_of(x))
    fraction = F.fmod(F.where(infinite, F.copysign(beside(x, np.zeros((), x.dtype)), x), x), 1)
    return fraction, F.trunc(x)


@composition(
    Sample((3,), np.array([-2, 0, 5])),
    Sample((2, 1), np.array([1, 3])),
    Sample((), 2),
    Sample((0,), 1),
)
def ldexp(x0, x1):
    """x0 * 2**x1 for whole numbers x1, also where 2**x1 itself is too large or too small.

    The derivative to x0 is 2**x1; x1 has none.

    >>> F.ldexp(np.array([0.75, 5e-324]), np.array([2, 1074]))
    array([3., 1.])
    """
    x0, x1 = _real("ldexp", x0), array_of(as_operand(x1))
    if x1.dtype.kind not in "iu":
        raise TypeError(f"ldexp: x1 is {x1.dtype}, whole numbers are needed: F.exp2 takes others")
    # In three steps: each power is finite and exact. The last and longest alone may round, as a
    # product that is too small before it has no digit left behind it.
    x1 = F.astype(x1, np.int64)
    reach = np.finfo(x0.dtype).maxexp - 2
    middle, last = F.clip(x1, -2 * reach, 2 * reach), F.clip(x1, -reach, reach)
    first = F.clip(x1, -3 * reach, 3 * reach)
    for steps in (first - middle, middle - last, last):
        x0 = x0 * _power_of_2(x0, steps)
    return x0


def _real(name: str, x: Any) -> Any:
    """x as floats; TypeError for complex numbers."""
    x = as_operand(x)
    if x.dtype.kind == "c":
        raise TypeError(f"{name}: x is {x.dtype}, real numbers are needed")
    return x if x.dtype.kind == "f" else F.astype(x, np.float64)


def _power_of_2(x: Any, exponent: Any) -> Any:
    """2**exponent in x's dtype."""
    return F.exp2(F.astype(beside(x, exponent), x.dtype))
