"""Determinants, whose derivatives exist for singular matrices as well."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from descend import functions as F
from descend.core.arrays import conj, get_array_module
from descend.core.variable import array_of
from descend.functions.matrices.parts import (
    MatrixFunction,
    adjoint,
    column,
    computed,
    not_square,
    trace,
)
from descend.functions.registry import Sample, composition, primitive


class Det(MatrixFunction):
    """The determinant of each matrix (..., n, n).

    The gradient is the matrix of cofactors, which a singular matrix has, too. So has it a second
    derivative; the third raises numpy.linalg.LinAlgError there.

    >>> x = Variable(np.array([[1.0, 2.0], [2.0, 4.0]]))
    >>> F.det(x).backward()
    >>> x.grad.data.round(12)
    array([[ 4., -2.],
           [-2.,  1.]])
    """

    samples = (Sample((3, 3)), Sample((2, 2, 2)), Sample((1, 1)), Sample((0, 0)))

    def forward(self, x):
        return computed(get_array_module(x).linalg.det, x)

    def backward(self, gy, *, x):
        return column(column(gy)) * Cofactors()(x)

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return not_square("x", x)


class Cofactors(MatrixFunction):
    """The gradient conj(det(x)) x^-H of a determinant, for singular matrices as well."""

    def forward(self, x):
        return computed(_cofactors, x)

    def backward(self, gy, *, x):
        return CofactorsAlong()(x, gy)


class CofactorsAlong(MatrixFunction):
    """The gradient of the cofactors of x0, weighted with x1: bilinear in the products of minors."""

    def forward(self, x0, x1):
        return computed(_cofactors_along, x0, x1)

    def backward(self, gy, *, x0, x1):
        gx1 = CofactorsAlong()(x0, gy)  # a second derivative is symmetric
        if not self.edges[0]:
            return None, gx1
        # The derivative of det(A) (tr M1 tr M2 - tr M1 M2), where M1 = A^-1 x1 and M2 = A^-1 gy
        inverse, det = F.inv(x0), column(column(F.det(x0)))
        m1, m2 = F.matmul(inverse, x1), F.matmul(inverse, gy)
        t1, t2, both = trace(m1), trace(m2), F.matmul(m1, m2)
        slope = t2 * m1 + t1 * m2 - both - F.matmul(m2, m1)
        gx0 = (t1 * t2 - trace(both)) * inverse - F.matmul(slope, inverse)
        return adjoint(det * gx0), gx1


class LogDet(MatrixFunction):
    """The sign of each determinant, and the logarithm of its absolute value."""

    name = "slogdet"

    def forward(self, x):
        return computed(get_array_module(x).linalg.slogdet, x)

    def backward(self, gsign, glogabsdet, *, x, y0):
        if x.dtype.kind == "c":  # the sign turns with the imaginary part of tr(x^-1 dx)
            turned = F.imag(conj(gsign) * y0)
            glogabsdet = glogabsdet - 1j * turned
        return column(column(glogabsdet)) * adjoint(F.inv(x))

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return not_square("x", x)


class SlogdetResult(NamedTuple):
    """What `slogdet` answers."""

    sign: Any
    logabsdet: Any


det = primitive(Det)


@composition(
    Sample((3, 3)), Sample((2, 2, 2), low=0.5, high=2), Sample((1, 1), low=0.5), Sample((0, 0))
)
def slogdet(x):
    """The sign of each determinant and the logarithm of its absolute value: a named tuple.

    They stay finite where the determinant itself over- or underflows. Those of a singular matrix
    are 0 and -inf; their derivative raises numpy.linalg.LinAlgError.

    >>> F.slogdet(np.array([[2.0, 0.0], [0.0, -4.0]])).sign
    array(-1.)
    """
    return SlogdetResult(*LogDet()(x))


@composition(Sample((2, 2, 2), low=0.5, high=2))
def logdet(x):
    """The logarithm of each determinant: NaN where that is negative, -inf where it is 0.

    The derivative raises numpy.linalg.LinAlgError at a singular matrix.

    >>> F.logdet(np.diag([2.0, 3.0]))
    array(1.79175947)
    """
    sign, logabsdet = slogdet(x)
    if sign.dtype.kind == "c":
        return logabsdet + 1j * F.angle(sign)
    return F.where(array_of(sign) < 0, np.nan, logabsdet)


# ---- cofactors ----------------------------------------------------------------------------------


def _cofactors(x: Any) -> Any:
    """conj(det(x)) x^-H, from U diag(s) V^H where a matrix is singular or nearly so."""
    xp = get_array_module(x)
    inverse = _inverse(x)
    if inverse is not None:
        return xp.conj(xp.linalg.det(x)[..., None, None] * xp.swapaxes(inverse, -1, -2))
    turn, u, s, vh = _factors(x)
    return turn * xp.matmul(u * _products_but_one(s)[..., None, :], vh)


def _cofactors_along(x: Any, g: Any) -> Any:
    """conj(det(x)) (conj(sum(g B)) - B g^H) B where B = x^-H."""
    xp = get_array_module(x)
    inverse = _inverse(x)
    if inverse is not None:
        b = xp.conj(xp.swapaxes(inverse, -1, -2))
        det = xp.conj(xp.linalg.det(x))[..., None, None]
        along = xp.conj(xp.sum(g * xp.conj(b), axis=(-2, -1), keepdims=True))
        return det * (along * b - xp.matmul(b, xp.matmul(xp.conj(xp.swapaxes(g, -1, -2)), b)))
    turn, u, s, vh = _factors(x)
    w = xp.matmul(xp.matmul(xp.swapaxes(u, -1, -2).conj(), g), xp.swapaxes(vh, -1, -2).conj())
    w = xp.conj(xp.swapaxes(w, -1, -2))
    p = _products_but_two(s)
    place = xp.arange(s.shape[-1])
    diagonal = xp.matmul(p, w[..., place, place][..., None])
    inner = xp.where(place[:, None] == place, diagonal, -p * w)
    return turn * xp.matmul(u, xp.matmul(inner, vh))


def _inverse(x: Any) -> Any:
    """The inverses, or None where one of them has lost half of its digits."""
    xp = get_array_module(x)
    try:
        inverse = xp.linalg.inv(x)
    except np.linalg.LinAlgError:
        return None
    size = xp.sum(xp.abs(x), axis=(-2, -1)) * xp.sum(xp.abs(inverse), axis=(-2, -1))
    return inverse if xp.all(size < np.finfo(x.dtype).eps ** -0.5) else None


def _factors(x: Any) -> Any:
    """conj(det(U V^H)), U, s and V^H of x = U diag(s) V^H."""
    xp = get_array_module(x)
    u, s, vh = xp.linalg.svd(x)
    return xp.conj(xp.linalg.det(u) * xp.linalg.det(vh))[..., None, None], u, s, vh


def _products_but_one(s: Any) -> Any:
    """For each of s (..., n) the product of the others."""
    xp = get_array_module(s)
    place = xp.arange(s.shape[-1])
    return xp.prod(xp.where(place[:, None] == place, 1, s[..., None, :]), axis=-1)


def _products_but_two(s: Any) -> Any:
    """For each pair of s (..., n), which falls, the product of the others; 0 on the diagonal."""
    xp = get_array_module(s)
    epsilon = np.finfo(s.dtype).eps ** 2
    s = xp.maximum(s, xp.maximum(epsilon * s[..., :1], epsilon))  # never 0, and yet nothing
    place = xp.arange(s.shape[-1])
    later = _products_but_one(s)[..., None, :] / s[..., :, None]  # divided by the larger one
    later = xp.where(place[:, None] < place, later, 0)
    return later + xp.swapaxes(later, -1, -2)
