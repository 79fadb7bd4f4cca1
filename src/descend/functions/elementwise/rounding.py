"""Whole numbers from others: rounding, and what a division leaves."""

from __future__ import annotations

from typing import Any

from descend import functions as F
from descend.core.arrays import get_array_module
from descend.core.variable import array_of
from descend.functions.elementwise.arithmetic import UNARY, Broadcasting, Stepwise
from descend.functions.registry import Sample, composition, primitive

# No quotient of these is near a whole number, where remainders jump
QUOTIENTS = (
    Sample((2, 3), 1.7, low=0.1, high=1.6),
    Sample((3,), (2, 1), low=0.95, high=1.05, order=1),
    Sample((3,), -0.7, low=0.8, high=1.3),
    Sample(-7.3, (3,), low=2.0, high=2.4),
    Sample((0, 3), (3,)),
)


class Floor(Stepwise):
    """The largest whole number not above x; the derivative is 0, at the jumps too.

    >>> F.floor(np.array([-1.5, 1.5, 2.0]))
    array([-2.,  1.,  2.])
    """

    elementwise = True
    samples = UNARY


class Ceil(Stepwise):
    """The smallest whole number not below x; the derivative is 0, at the jumps too.

    >>> F.ceil(np.array([-1.5, 1.5, 2.0]))
    array([-1.,  2.,  2.])
    """

    elementwise = True
    samples = UNARY


class Trunc(Stepwise):
    """x without its fraction; the derivative is 0, at the jumps too. `fix` is another name of it.

    >>> F.trunc(np.array([-1.5, 1.5, 2.0]))
    array([-1.,  1.,  2.])
    """

    elementwise = True
    samples = UNARY


class Rint(Stepwise):
    """The nearest whole number, the even one of two; the derivative is 0, at the jumps too.

    >>> F.rint(np.array([0.5, 1.5, -0.7]))
    array([ 0.,  2., -1.])
    """

    elementwise = True
    samples = UNARY


class FloorDivide(Broadcasting):
    """The largest whole number not above x0 / x1; the derivatives are 0, at the jumps too.

    >>> F.floor_divide(np.array([7.0, -7.0]), 2)
    array([ 3., -4.])
    """

    elementwise = True
    samples = QUOTIENTS

    def forward(self, x0, x1):
        return get_array_module(x0, x1).floor_divide(x0, x1)

    def backward(self, gy):
        return F.zeros_like(gy), F.zeros_like(gy)


class Remainder(Broadcasting):
    """What is left of x0 after whole multiples of x1, with the sign of x1: Python's ``%``.

    x0 - x1 * floor(x0 / x1). The derivative to x0 is 1 and that to x1 is -floor(x0 / x1), at the
    jumps too. `mod` is another name of it.

    >>> x0, x1 = Variable(np.array([7.0, -7.0])), Variable(np.array(3.0))
    >>> y = F.remainder(x0, x1)
    >>> y
    Variable([1. 2.])
    >>> y.sum().backward()
    >>> x1.grad
    Variable(1.0)
    """

    elementwise = True
    samples = QUOTIENTS
    kept_for = {"x0": 1, "x1": 1, "y": 1}

    def forward(self, x0, x1):
        return get_array_module(x0, x1).remainder(x0, x1)

    def backward(self, gy, *, x0, x1, y):
        return gy, -gy * _whole_multiples(x0, x1, y) if self.edges[1] else None


class Fmod(Broadcasting):
    """What is left of x0 after whole multiples of x1, with the sign of x0: C's ``fmod``.

    x0 - x1 * trunc(x0 / x1). The derivative to x0 is 1 and that to x1 is -trunc(x0 / x1), at the
    jumps too.

    >>> F.fmod(np.array([7.0, -7.0]), 3)
    array([ 1., -1.])
    """

    elementwise = True
    samples = QUOTIENTS
    kept_for = {"x0": 1, "x1": 1, "y": 1}

    def forward(self, x0, x1):
        return get_array_module(x0, x1).fmod(x0, x1)

    def backward(self, gy, *, x0, x1, y):
        return gy, -gy * _whole_multiples(x0, x1, y) if self.edges[1] else None


def _whole_multiples(x0: Any, x1: Any, rest: Any) -> Any:
    """How many times x1 is in x0 without the rest, as a constant.

    x0 / x1 itself may round up to a whole number that it does not reach.
    """
    return F.rint((array_of(x0) - array_of(rest)) / array_of(x1))


floor = primitive(Floor)
ceil = primitive(Ceil)
trunc = fix = primitive(Trunc)
rint = primitive(Rint)
floor_divide = primitive(FloorDivide)
remainder = mod = primitive(Remainder)
fmod = primitive(Fmod)


@composition(*QUOTIENTS)
def divmod(x0: Any, x1: Any) -> tuple[Any, Any]:
    """`floor_divide` and `remainder`.

    >>> F.divmod(np.array([7.0, -7.0]), 2)
    (array([ 3., -4.]), array([1., 1.]))
    """
    return floor_divide(x0, x1), remainder(x0, x1)
