"""LAPACK's routines for one matrix, without the checks and copies of NumPy's and SciPy's functions.

LAPACK has matrices by columns: one of NumPy's, by rows, is its transpose there. So it is the
transpose that is factored, which saves to copy it; a system is solved with either just as well.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

KINDS = {"f": "s", "d": "d", "F": "c", "D": "z"}
"""The letter of LAPACK's routines for each of NumPy's dtypes."""

SINGULAR = "Singular matrix"
SINGULAR_TRIANGLE = "the matrix is singular: there is a 0 on its diagonal"
NOT_POSITIVE = "Matrix is not positive definite"


def takes(*xs: Any) -> bool:
    """Whether these are matrices (or vectors) for the functions here: of one dtype, not empty."""
    dtype = xs[0].dtype
    return dtype.char in KINDS and all(
        type(x) is np.ndarray and 0 < x.ndim <= 2 and x.size and x.dtype == dtype for x in xs
    )


class Factors(NamedTuple):
    """A square matrix as a triangle, or as the product of two, ready for `solution`."""

    matrix: Any
    """The triangles by columns: the upper one, and below it the lower one, whose diagonal is 1."""
    pivots: Any
    """The rows that were exchanged; None where there is one triangle only."""
    lower: bool
    """Which it is, then."""
    form: int
    """Whether these are of the matrix (0), its transpose (1), adjoint (2), or conjugate (3)."""

    def adjoint(self) -> Factors:
        """The same for the adjoint matrix."""
        return self._replace(form=self.form ^ 2)


def factors(x: Any) -> Factors:
    """What `solution` needs of a square matrix; LinAlgError if it is singular.

    That a matrix is a triangle is seen in a tenth of the time that it takes to factor it.
    """
    form = 0 if x.flags.f_contiguous else 1
    x = x.T if form else x
    if len(x) > 1 and (x[0, -1] == 0 or x[-1, 0] == 0):
        below, above = scipy_linalg().bandwidth(x)
        if below == 0 or above == 0:
            return Factors(x, None, below > 0, form)
    matrix, pivots, info = routine("getrf", x.dtype)(x)
    if info > 0:
        raise np.linalg.LinAlgError(SINGULAR)
    return Factors(matrix, pivots, False, form)


def solution(of: Factors, x: Any) -> Any:
    """The y with a @ y = x, for the factors of a."""
    matrix, pivots, lower, form = of
    if form == 3:  # LAPACK has no conjugate
        return solution(of._replace(form=0), x.conj()).conj()
    if pivots is None:
        y, info = routine("trtrs", x.dtype)(matrix, x, lower, form)
    else:
        y, info = routine("getrs", x.dtype)(matrix, pivots, x, form)
    if info > 0:
        raise np.linalg.LinAlgError(SINGULAR)
    return y


def triangular(a: Any, b: Any, trans: int, lower: bool, unit_diagonal: bool) -> Any:
    """The x with op(a) @ x = b; what lies in the other triangle of a is not read."""
    if not a.flags.f_contiguous and (trans < 2 or a.dtype.kind != "c"):
        a, trans, lower = a.T, 0 if trans else 1, not lower
    x, info = routine("trtrs", b.dtype)(a, b, lower, trans, unit_diagonal)
    if info > 0:
        raise np.linalg.LinAlgError(SINGULAR_TRIANGLE)
    return x


def cholesky(x: Any) -> Any:
    """The lower triangle y with x = y y^H; x is overwritten, and only its lower triangle is read.

    By columns x is conj(x), whose upper triangle U with U^H U = conj(x) is y by rows.
    """
    y, info = routine("potrf", x.dtype)(x.T, lower=0, clean=1, overwrite_a=1)
    if info > 0:
        raise np.linalg.LinAlgError(NOT_POSITIVE)
    return y.T


@functools.cache
def routine(name: str, dtype: Any) -> Any:
    """A routine of LAPACK for matrices of a dtype."""
    return getattr(scipy_linalg().lapack, KINDS[dtype.char] + name)


@functools.cache
def scipy_linalg() -> Any:
    """SciPy's linear algebra, imported when it is first needed."""
    import scipy.linalg  # pyright: ignore[reportMissingTypeStubs]

    return scipy.linalg
