"""Complex numbers: their parts, conjugates and angles.

The gradient of a real L to z = x + iy is dL/dx + i dL/dy, as PyTorch has it. ``backward()`` of a
complex Variable starts from ones, so it gives the gradients of the sum of its real parts.
"""

from __future__ import annotations

from math import pi

from descend import functions as F
from descend.core.arrays import conj as _conj
from descend.core.arrays import get_array_module
from descend.core.function import Function
from descend.functions.registry import Sample, primitive

COMPLEX = (
    Sample((3, 4), complex=True),
    Sample((), complex=True),
    Sample((0, 3), complex=True),
    Sample((3,)),
)


class Real(Function):
    """The real part; x itself where it is real.

    >>> F.real(np.array([1 + 2j, 3]))
    array([1., 3.])
    """

    elementwise = True
    samples = COMPLEX

    def forward(self, x):
        return x.real

    def backward(self, gy):
        return gy


class Imag(Function):
    """The imaginary part; 0 where x is real.

    >>> z = Variable(np.array([1 + 2j]))
    >>> F.imag(z).sum().backward()
    >>> z.grad
    Variable([0.+1.j])
    """

    elementwise = True
    samples = COMPLEX

    def forward(self, x):
        return x.imag

    def backward(self, gy):
        return gy * 1j


class Conj(Function):
    """The complex conjugate x - iy of x + iy.

    >>> F.conj(np.array([1 + 2j]))
    array([1.-2.j])
    """

    elementwise = True
    samples = COMPLEX

    def forward(self, x):
        return get_array_module(x).conj(x)

    def backward(self, gy):
        return _conj(gy)


class Angle(Function):
    """The angle from the positive real axis, in radians, or in degrees with ``deg``.

    It lies between -pi and pi; that of 0 is 0, with gradient 0. The angle of a real number is 0,
    or pi where it is negative, and does not change.

    >>> F.angle(np.array([1, 1j, -2]), deg=True)
    array([  0.,  90., 180.])
    """

    elementwise = True
    samples = (
        Sample((3, 4), complex=True, low=0.3),
        Sample((), complex=True, low=0.3),
        Sample((0, 3), complex=True, deg=True),
        Sample((3,), complex=True, low=0.3, deg=True),
        Sample((3,)),
    )

    def __init__(self, deg: bool = False) -> None:
        self.deg = deg

    def forward(self, x):
        return get_array_module(x).angle(x, deg=self.deg)

    def backward(self, gy, *, x):
        if x.dtype.kind != "c":
            return F.zeros_like(gy)
        at_zero = x == 0
        gy = gy * (180 / pi) if self.deg else gy
        return F.where(at_zero, 0, gy * 1j / _conj(F.where(at_zero, 1, x)))


real = primitive(Real)
imag = primitive(Imag)
conj = primitive(Conj)
angle = primitive(Angle)
conjugate = conj
