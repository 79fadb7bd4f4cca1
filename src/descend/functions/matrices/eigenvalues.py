"""Eigenvalues and eigenvectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from descend import functions as F
from descend.core.arrays import conj, get_array_module
from descend.core.variable import array_of
from descend.functions.matrices.parts import (
    MatrixFunction,
    Quotient,
    adjoint,
    column,
    computed,
    diagonal_matrix,
    hermitian,
    not_square,
    off_diagonal,
    product,
    rounding,
    row,
)
from descend.functions.registry import Sample, composition

EQUAL_VALUES = (
    "the derivative of the vectors was asked for where two eigenvalues are equal: it does not "
    "exist; that of the values does"
)


class Eigh(MatrixFunction):
    """The eigenvalues and eigenvectors of Hermitian matrices."""

    def forward(self, x):
        return computed(get_array_module(x).linalg.eigh, x)

    def backward(self, gw, gv, *, y0, y1):
        gaps = row(y0) - column(y0)
        inner = off_diagonal(F.matmul(adjoint(y1), gv))
        inner = Quotient("eigh", EQUAL_VALUES)(inner, gaps, column(rounding(y0)))
        return product(y1, off_diagonal(inner) + diagonal_matrix(gw), adjoint(y1))

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return not_square("x", x)


class Eigvalsh(MatrixFunction):
    """The eigenvalues of Hermitian matrices."""

    def forward(self, x):
        return computed(get_array_module(x).linalg.eigvalsh, x)

    def backward(self, gy, *, x):
        _, vectors = Eigh()(x)
        return F.matmul(vectors * row(gy), adjoint(vectors))

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return not_square("x", x)


class Eig(MatrixFunction):
    """The complex eigenvalues and eigenvectors of any square matrices."""

    def forward(self, x):
        return computed(lambda x: _as_complex(*get_array_module(x).linalg.eig(x)), x)

    def backward(self, gw, gv, *, y0, y1):
        # Boeddeker et al. 2017, arXiv:1701.00392, for vectors of length 1
        gaps = conj(row(y0) - column(y0))
        vh = adjoint(y1)
        inner = F.matmul(vh, gv)
        lengths = F.real(inner - off_diagonal(inner))
        inner = off_diagonal(inner - product(vh, y1, lengths.astype(inner.dtype)))
        inner = Quotient("eig", EQUAL_VALUES)(inner, gaps, column(rounding(F.abs(y0))))
        return F.solve(vh, F.matmul(off_diagonal(inner) + diagonal_matrix(gw), vh))

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return not_square("x", x)


class Eigvals(MatrixFunction):
    """The complex eigenvalues of any square matrices."""

    def forward(self, x):
        return computed(lambda x: _as_complex(get_array_module(x).linalg.eigvals(x))[0], x)

    def backward(self, gy, *, x):
        vh = adjoint(Eig()(x)[1])
        return F.solve(vh, column(gy) * vh)

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return not_square("x", x)


class EighResult(NamedTuple):
    """What `eigh` answers."""

    eigenvalues: Any
    eigenvectors: Any


class EigResult(NamedTuple):
    """What `eig` answers."""

    eigenvalues: Any
    eigenvectors: Any


@composition(Sample((3, 3)), Sample((2, 2, 2), UPLO="U"), Sample((1, 1)))
def eigh(x, UPLO=None):
    """The eigenvalues, in rising order, and eigenvectors of Hermitian x (..., n, n).

    A named tuple (eigenvalues, eigenvectors); the vectors are the columns. x stands for its
    symmetric part (x + x^H) / 2, or, as with NumPy, for what its lower or upper triangle says where
    ``UPLO`` is "L" or "U".

    A vector may be turned (multiplied with a number of absolute value 1): its derivative is that
    without a turn, orthogonal to itself. Where eigenvalues are equal the vectors have none, and
    asking for it raises numpy.linalg.LinAlgError; the values always have one.

    >>> F.eigh(np.array([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
    array([1., 3.])
    """
    return EighResult(*Eigh()(hermitian("eigh", x, UPLO)))


@composition(Sample((3, 3)), Sample((2, 2, 2), UPLO="L"), Sample((1, 1)))
def eigvalsh(x, UPLO=None):
    """The eigenvalues of Hermitian x (..., n, n) in rising order.

    x stands for the same as with `eigh`. Equal values have a derivative each for the vectors that
    LAPACK chose, and their sum has one in any case.

    >>> F.eigvalsh(np.array([[2.0, 1.0], [1.0, 2.0]]))
    array([1., 3.])
    """
    return Eigvalsh()(hermitian("eigvalsh", x, UPLO))


@composition(Sample((2, 2)), Sample((2, 3, 3), order=2))
def eig(x):
    """The eigenvalues and eigenvectors, both complex, of any square x (..., n, n).

    A named tuple (eigenvalues, eigenvectors); the vectors are columns of length 1 whose largest
    element is real, and so are their derivatives. Asking for these where eigenvalues are equal
    raises numpy.linalg.LinAlgError; the values alone have theirs.

    >>> F.eig(np.array([[0.0, 1.0], [-1.0, 0.0]])).eigenvalues
    array([0.+1.j, 0.-1.j])
    """
    w, v = Eig()(x)
    largest = F.take_along_axis(v, F.argmax(F.abs(array_of(v)), axis=-2, keepdims=True), axis=-2)
    turn = F.stop_gradient(F.sign(F.real(largest))) * F.abs(largest) / largest  # 1, with a slope
    return EigResult(w, v * turn)


@composition(Sample((2, 2)), Sample((2, 3, 3), order=2))
def eigvals(x):
    """The eigenvalues, complex, of any square x (..., n, n).

    Their derivative is infinite where x has less than n independent eigenvectors, and then raises
    numpy.linalg.LinAlgError or is huge.

    >>> F.eigvals(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    array([0.+1.j, 0.-1.j])
    """
    return Eigvals()(x)


def _as_complex(*xs: Any) -> tuple[Any, ...]:
    """The same as complex arrays: whether NumPy answers reals depends on the values."""
    return tuple(x.astype(np.result_type(x.dtype, np.complex64)) for x in xs)
