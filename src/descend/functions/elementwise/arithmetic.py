"""Arithmetic: sums, products, powers, roots, and the larger or smaller of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import conj, get_array_module
from descend.core.errors import shape_of
from descend.core.function import Function
from descend.functions.registry import Sample, composition, primitive

UNARY = (Sample((3, 4)), Sample(()), Sample((0, 3)))
POSITIVE = (Sample((3, 4), low=0.3, high=3), Sample((), low=0.3, high=3), Sample((0, 3)))
BINARY = (
    Sample((3, 4), (3, 4)),
    Sample((2, 1, 3), (4, 1)),
    Sample((), (3,)),
    Sample((3,), 2.0),
    Sample(2.0, (3,)),
    Sample((0, 3), (3,)),
)


class Broadcasting(Function):
    """The base of functions of two arguments that broadcast."""

    def complaint(self, *xs: Any) -> str | None:
        """Name the shapes that do not broadcast."""
        try:
            np.broadcast_shapes(*(np.shape(x) for x in xs))
        except ValueError:
            return (
                f"x0 {shape_of(xs[0])} and x1 {shape_of(xs[1])} do not broadcast: from the last "
                f"axis on, lengths must be equal or 1"
            )
        return None


class Add(Broadcasting):
    """The sum x0 + x1.

    >>> F.add(Variable(np.array([1.0, 2.0])), 3)
    Variable([4. 5.])
    """

    elementwise = True
    samples = BINARY

    def forward(self, x0, x1):
        return x0 + x1

    def backward(self, gy):
        return gy, gy


class Subtract(Broadcasting):
    """The difference x0 - x1.

    >>> F.subtract(np.array([3.0, 1.0]), 2)
    array([ 1., -1.])
    """

    elementwise = True
    samples = BINARY

    def forward(self, x0, x1):
        return x0 - x1

    def backward(self, gy):
        return gy, -gy if self.edges[1] else None


class Multiply(Broadcasting):
    """The product x0 * x1.

    >>> x = Variable(np.array([1.0, 2.0]))
    >>> F.multiply(x, 3).sum().backward()
    >>> x.grad
    Variable([3. 3.])
    """

    elementwise = True
    samples = BINARY
    kept_for = {"x0": 1, "x1": 0}

    def forward(self, x0, x1):
        return x0 * x1

    def backward(self, gy, *, x0, x1):
        if gy.dtype.kind == "c":  # asked once, as this is the hottest rule
            x0, x1 = conj(x0), conj(x1)
        elif x0 is x1:  # a square
            gx = gy * x0
            return gx, gx
        return gy * x1 if self.edges[0] else None, gy * x0 if self.edges[1] else None


class Divide(Broadcasting):
    """The quotient x0 / x1.

    >>> F.divide(Variable(np.array([1.0, 3.0])), 2)
    Variable([0.5 1.5])
    """

    elementwise = True
    samples = (
        Sample((3, 4), (3, 4), low=0.3, high=3),
        Sample((2, 1, 3), (4, 1), low=0.3, high=3),
        Sample((3,), 2.0),
        Sample(2.0, (3,), low=0.3, high=3),
        Sample((0, 3), (3,), low=0.3, high=3),
    )
    kept_for = {"y": 1}

    def forward(self, x0, x1):
        return x0 / x1

    def backward(self, gy, *, x1, y):
        gx0 = gy / conj(x1)
        return gx0, -gx0 * conj(y) if self.edges[1] else None


class Negative(Function):
    """The negative -x.

    >>> F.negative(np.array([1.0, -2.0]))
    array([-1.,  2.])
    """

    elementwise = True
    samples = UNARY

    def forward(self, x):
        return -x

    def backward(self, gy):
        return -gy


class Power(Broadcasting):
    """x0 to the power x1, where either may be a Variable.

    The derivative to x0 is x1 * x0**(x1 - 1), which is 0 where x1 is 0, whatever x0 is. The
    derivative to x1 is y * log(x0); it is 0 where x0 is 0 and x1 is not negative, and NaN where x0
    is negative.

    >>> x = Variable(np.array([0.0, 3.0]))
    >>> F.power(x, 2).sum().backward()
    >>> x.grad
    Variable([0. 6.])
    """

    elementwise = True
    samples = (
        Sample((3, 4), (3, 4), low=0.3, high=2),
        Sample((2, 1, 3), (4, 1), low=0.3, high=2),
        Sample((), (3,), low=0.3, high=2),
        Sample((3,), 2),
        Sample((3,), 3.0),
        Sample((3,), -2.0, low=0.5, high=2),
        Sample(np.array([0.0, 0.5]), (2,), low=1.5, high=3),
        Sample(2.0, (3,)),
        Sample((0, 3), 2),
    )

    def forward(self, x0, x1):
        return x0**x1

    def backward(self, gy, *, x0, x1, y):
        gx0 = gx1 = None
        if self.edges[0]:
            gx0 = gy * conj(self._slope(x0, x1))
        if self.edges[1]:
            # log(0) is never asked for: its product with y = 0 would be NaN
            at_zero = (x0 == 0) & (x1.real >= 0)
            base = F.where(at_zero, 1, x0)
            if gy.dtype.kind == "c":  # the logarithm of a negative number, too
                base = base.astype(gy.dtype)
            gx1 = gy * conj(F.where(at_zero, 0, y * F.log(base)))
        return gx0, gx1

    def _slope(self, x0: Any, x1: Any) -> Any:
        """The derivative x1 * x0**(x1 - 1), without 0 * inf."""
        if isinstance(x1, (int, float)):
            if x1 == 2:
                return 2 * x0
            return x1 * x0 ** (x1 - 1) if x1 != 0 else F.zeros_like(x0)
        at_zero = (x0 == 0) & (x1 == 0)
        return F.where(at_zero, 0, x1 * F.where(at_zero, 1, x0) ** (x1 - 1))


class Square(Function):
    """The square x**2.

    >>> x = Variable(np.array(3.0))
    >>> F.square(x).backward()
    >>> x.grad
    Variable(6.0)
    """

    elementwise = True
    samples = UNARY

    def forward(self, x):
        return get_array_module(x).square(x)

    def backward(self, gy, *, x):
        return gy * conj(2 * x)


class Sqrt(Function):
    """The square root; its derivative at 0 is infinite.

    >>> F.sqrt(np.array([4.0, 9.0]))
    array([2., 3.])
    """

    elementwise = True
    samples = POSITIVE

    def forward(self, x):
        return get_array_module(x).sqrt(x)

    def backward(self, gy, *, y):
        return gy / conj(2 * y)


class Reciprocal(Function):
    """The reciprocal 1 / x.

    >>> F.reciprocal(np.array([4.0, 0.5]))
    array([0.25, 2.  ])
    """

    elementwise = True
    samples = POSITIVE

    def forward(self, x):
        return get_array_module(x).reciprocal(x)

    def backward(self, gy, *, y):
        return -gy * conj(y * y)


class Abs(Function):
    """The absolute value; its derivative at 0 is 0.

    That of a complex number is its distance from 0, and the gradient z / abs(z).

    >>> x = Variable(np.array([-2.0, 0.0, 3.0]))
    >>> F.abs(x).sum().backward()
    >>> x.grad
    Variable([-1.  0.  1.])
    """

    elementwise = True
    samples = UNARY

    def forward(self, x):
        return get_array_module(x).abs(x)

    def backward(self, gy, *, x):
        if x.dtype.kind == "c":
            return gy * _direction(x)
        return gy * F.sign(x)


class Stepwise(Function):
    """The base of functions that are constant between jumps: the derivative is 0."""

    def forward(self, x):
        return getattr(get_array_module(x), self.name)(x)

    def backward(self, gy):
        return F.zeros_like(gy)


class Sign(Stepwise):
    """-1, 0 or 1; the derivative is 0.

    Of a complex number z it is z / abs(z), as NumPy's, of which no gradient is asked here: write
    the quotient.

    >>> F.sign(np.array([-2.0, 0.0, 3.0]))
    array([-1.,  0.,  1.])
    """

    elementwise = True
    samples = UNARY

    def backward(self, gy):
        if gy.dtype.kind == "c":
            raise NotImplementedError(
                "sign: there is no derivative to complex numbers; z / F.abs(z) has one"
            )
        return F.zeros_like(gy)


class Round(Stepwise):
    """To ``decimals`` digits behind the point, halves to even; the derivative is 0.

    >>> F.round(np.array([0.5, 1.26]), decimals=1)
    array([0.5, 1.3])
    """

    elementwise = True
    samples = (Sample((3, 4)), Sample((3,), decimals=1))

    def __init__(self, decimals: int = 0) -> None:
        self.decimals = decimals

    def forward(self, x):
        return get_array_module(x).round(x, self.decimals)


class Maximum(Broadcasting):
    """The larger of x0 and x1; where they are equal each gets half of the gradient.

    >>> x0, x1 = Variable(np.array([1.0, 2.0])), Variable(np.array([1.0, 0.0]))
    >>> F.maximum(x0, x1).sum().backward()
    >>> x0.grad, x1.grad
    (Variable([0.5 1. ]), Variable([0.5 0. ]))
    """

    elementwise = True
    samples = BINARY

    def forward(self, x0, x1):
        return get_array_module(x0, x1).maximum(x0, x1)

    def backward(self, gy, *, x0, x1):
        share = ((x0 > x1) + 0.5 * (x0 == x1)).astype(gy.dtype)
        return gy * share, gy * (1 - share) if self.edges[1] else None


class Minimum(Broadcasting):
    """The smaller of x0 and x1; where they are equal each gets half of the gradient.

    >>> F.minimum(np.array([1.0, 3.0]), 2)
    array([1., 2.])
    """

    elementwise = True
    samples = BINARY

    def forward(self, x0, x1):
        return get_array_module(x0, x1).minimum(x0, x1)

    def backward(self, gy, *, x0, x1):
        share = ((x0 < x1) + 0.5 * (x0 == x1)).astype(gy.dtype)
        return gy * share, gy * (1 - share) if self.edges[1] else None


add = primitive(Add)
subtract = primitive(Subtract)
multiply = primitive(Multiply)
divide = primitive(Divide)
negative = primitive(Negative)
power = primitive(Power)
square = primitive(Square)
sqrt = primitive(Sqrt)
reciprocal = primitive(Reciprocal)
abs = primitive(Abs)
sign = primitive(Sign)
round = primitive(Round)
maximum = primitive(Maximum)
minimum = primitive(Minimum)


@composition(
    Sample((3, 4), -1.0, 1.0),
    Sample((3,), None, 0.5),
    Sample((3,), -0.5),
    Sample((2, 3), (3,), 1.0),
)
def clip(x, min=None, max=None):
    """x held between ``min`` and ``max``; None leaves that side open.

    At a bound, x and the bound each get half of the gradient.

    >>> x = Variable(np.array([-2.0, 0.5, 1.0]))
    >>> F.clip(x, -1, 1).sum().backward()
    >>> x.grad
    Variable([0.  1.  0.5])
    """
    if min is not None:
        x = maximum(x, min)
    if max is not None:
        x = minimum(x, max)
    return x


def _direction(z: Any) -> Any:
    """z / abs(z) of complex numbers, 0 where z is 0: F.sign with all its derivatives."""
    at_zero = z == 0
    return F.where(at_zero, 0, z) / F.abs(F.where(at_zero, 1, z))
