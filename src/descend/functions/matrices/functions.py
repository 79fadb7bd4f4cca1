"""Functions of square matrices as such: exponential, logarithm, square root."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import get_array_module
from descend.core.errors import shape_of
from descend.functions.matrices.parts import (
    MatrixFunction,
    adjoint,
    computed,
    for_each,
    identity,
    not_square,
    product,
    scipy_linalg,
)
from descend.functions.registry import Sample, primitive

ROOTS = 8
"""How many square roots bring a matrix near 1, where the logarithm is nearly linear. Each costs a
binary digit of its derivative; these are enough for eigenvalues between 1e-40 and 1e40."""


class OfMatrix(MatrixFunction):
    """The base of functions that a power series defines, computed by SciPy under their name."""

    def forward(self, x):
        if complaint := not_square("x", x):
            raise ValueError(complaint)
        # SciPy judges the accuracy of a logarithm by that of float64, and warns
        module, name = scipy_linalg(get_array_module(x)), self.name
        y = for_each(getattr(module, name), x.astype(np.result_type(x.dtype, np.float64)))
        outer = np.dtype(np.float64) if x.dtype.kind in "bui" else x.dtype
        return y.astype(np.result_type(outer, np.complex64) if y.dtype.kind == "c" else outer)

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return not_square("x", x)


class Expm(OfMatrix):
    """The exponential 1 + x + x @ x / 2 + ... of each matrix (..., n, n), as SciPy's.

    >>> F.expm(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([[1., 1.],
           [0., 1.]])
    """

    samples = (
        Sample((2, 2)),
        Sample((2, 3, 3), low=-1, high=1),
        Sample((2, 2), complex=True, order=2),
        Sample((0, 0)),
    )

    def backward(self, gy, *, x):
        # exp of [[x, d], [0, x]] has the slope along d in its corner (Mathias 1996,
        # doi:10.1137/S0895479895283409), and so have blocks of blocks for higher derivatives. The
        # gradient is the adjoint of the slope along gy^H: so all of them stay upper triangular.
        size, direction = x.shape[-1], adjoint(gy)
        # A slope is linear: along something as large as x nothing is lost by scaling
        large = F.sum(F.abs(F.stop_gradient(x)), axis=(-2, -1), keepdims=True)
        long = F.sum(F.abs(F.stop_gradient(direction)), axis=(-2, -1), keepdims=True)
        scale = F.where(F.logical_and(large > 0, long > 0), large, 1) / F.where(long > 0, long, 1)
        above = F.concatenate([x, direction * scale], axis=-1)
        below = F.concatenate([F.zeros_like(x), x], axis=-1)
        y = F.expm(F.concatenate([above, below], axis=-2))
        return adjoint(y[..., :size, size:] / scale)


class Logm(OfMatrix):
    """The logarithm of each matrix (..., n, n), as SciPy's: the y with expm(y) = x.

    It is complex where an eigenvalue is negative. Where one is 0 there is no logarithm, and the
    derivative raises numpy.linalg.LinAlgError.

    >>> F.logm(np.diag([1.0, np.e])).round(12)
    array([[0., 0.],
           [0., 1.]])
    """

    samples = (Sample((2, 2), low=0.2, high=2), Sample((1, 3, 3), low=-1, high=3, order=2))

    def backward(self, gy, *, x):
        # With r = x^(1 / 2^k) and z = r - 1, log(x) is 2^k times the integral of z / (1 + t z) for
        # t from 0 to 1, by Gauss's formula (Higham 2008, Functions of Matrices, 11.4)
        x = F.astype(x, np.result_type(x.dtype, np.float64))
        roots = [F.sqrtm(x)]
        while len(roots) < ROOTS:
            roots.append(F.sqrtm(roots[-1]))
        one = identity(x)
        gz = F.zeros_like(gy)
        for place, weight in zip(*_gauss(), strict=True):
            slope = adjoint(F.inv(one + place * (roots[-1] - one)))
            gz = gz + weight * 2.0**ROOTS * product(slope, gy, slope)
        for root in reversed(roots):
            gz = F.solve_sylvester(adjoint(root), adjoint(root), gz)
        return gz


class Sqrtm(OfMatrix):
    """The square root of each matrix (..., n, n), as SciPy's: the y with y @ y = x.

    It is complex where an eigenvalue is negative. Where one is 0 the derivative does not exist and
    raises numpy.linalg.LinAlgError.

    >>> F.sqrtm(np.array([[4.0, 1.0], [0.0, 9.0]]))
    array([[2. , 0.2],
           [0. , 3. ]])
    """

    samples = (
        Sample((2, 2), low=0.2, high=2),
        Sample((1, 2, 2), low=0.2, high=2),
        Sample((1, 1), low=1),
    )

    def backward(self, gy, *, y):
        yh = adjoint(y)
        return F.solve_sylvester(yh, yh, gy)


class SolveSylvester(MatrixFunction):
    """The x with x0 @ x + x @ x1 = x2, as SciPy's.

    x0 is (..., m, m), x1 (..., n, n), x2 (..., m, n). Raises numpy.linalg.LinAlgError where an
    eigenvalue of x0 is the negative of one of x1.

    >>> F.solve_sylvester(np.eye(2), np.eye(2), np.ones((2, 2)))
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """

    samples = (
        Sample((2, 2), (3, 3), (2, 3), low=0.5, high=2),
        Sample((2, 1, 1), (2, 2), (1, 2), low=0.5, high=2),
    )

    def forward(self, x0, x1, x2):
        for x in (x0, x1):
            if complaint := not_square("each of x0 and x1", x):
                raise ValueError(complaint)
        solve = scipy_linalg(get_array_module(x0, x1, x2)).solve_sylvester
        return for_each(lambda *xs: computed(lambda *xs: _regular(solve, *xs), *xs), x0, x1, x2)

    def backward(self, gy, *, x0, x1, y):
        gx2 = F.solve_sylvester(adjoint(x0), adjoint(x1), gy)
        return -F.matmul(gx2, adjoint(y)), -F.matmul(adjoint(y), gx2), gx2

    def complaint(self, x0: Any, x1: Any, x2: Any) -> str | None:
        """Name the shapes."""
        m, n = (np.shape(x)[-1:] for x in (x0, x1))
        if np.shape(x2)[-2:] != (*m, *n):
            shapes = f"x0 {shape_of(x0)}, x1 {shape_of(x1)} and x2 {shape_of(x2)}"
            return f"{shapes} do not meet: (..., m, m), (..., n, n) and (..., m, n) are needed"
        return None


@cache
def _gauss() -> tuple[list[float], list[float]]:
    """Seven places between 0 and 1, and their weights."""
    places, weights = np.polynomial.legendre.leggauss(7)
    return ((places + 1) / 2).tolist(), (weights / 2).tolist()


expm = primitive(Expm)
logm = primitive(Logm)
sqrtm = primitive(Sqrtm)
solve_sylvester = primitive(SolveSylvester)


def _regular(solve: Any, x0: Any, x1: Any, x2: Any) -> Any:
    """The solution; LinAlgError where there is none or more than one, of which LAPACK takes one."""
    xp = get_array_module(x0, x1, x2)
    w0, w1 = xp.linalg.eigvals(x0), xp.linalg.eigvals(x1)
    sums, limit = xp.abs(w0[:, None] + w1), xp.sum(xp.abs(w0)) + xp.sum(xp.abs(w1))
    if xp.any(sums <= limit * np.finfo(w0.dtype).eps):
        raise np.linalg.LinAlgError("two eigenvalues add up to 0: there is not one solution")
    return solve(x0, x1, x2)
