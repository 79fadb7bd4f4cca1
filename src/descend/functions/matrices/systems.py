"""Linear systems and inverses."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from descend import functions as F
from descend.core.arrays import conj, get_array_module
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.functions.matrices import lapack
from descend.functions.matrices.parts import (
    MatrixFunction,
    adjoint,
    column,
    computed,
    for_each,
    lower_part,
    no_matrix,
    not_square,
    product,
    scipy_linalg,
    upper_part,
)
from descend.functions.registry import Sample, composition, primitive

THREADED = 1 << 15
"""The products in a triangular system from which on LAPACK uses several threads, or more."""

REGULAR = np.array([[3.0, 1.0, -0.5], [0.5, 2.0, 0.3], [-1.0, 0.4, 4.0]])


class Solve(MatrixFunction):
    """The x with x0 @ x = x1, for x0 (..., n, n) and x1 (n,) or (..., n, k), as NumPy's solve.

    Raises numpy.linalg.LinAlgError where x0 is singular.

    >>> F.solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([1.0, 2.0]))
    array([0.5, 0.5])
    """

    samples = (
        Sample((2, 2), (2,), low=0.5, high=2),
        Sample((2, 2), (2, 3), low=0.5, high=2),
        Sample(REGULAR, (2, 3, 1)),
        Sample((2, 2, 2), (2,), low=0.5, high=2),
    )

    factors: lapack.Factors | None = None
    """Those of x0, where they are known."""

    def forward(self, x0, x1):
        self.keep(factors=None)
        return computed(self._solution, x0, x1)

    def _solution(self, x0: Any, x1: Any) -> Any:
        square = x0.ndim == 2 and x0.shape[0] == x0.shape[1] == (*x1.shape, 0)[0]
        if not (square and lapack.takes(x0, x1)):
            return get_array_module(x0, x1).linalg.solve(x0, x1)
        factors = self.factors or lapack.factors(x0)
        self.keep(factors=factors.adjoint())
        return lapack.solution(factors, x1)

    def backward(self, gy, *, x0, y, factors, x1_shape):
        vector = len(x1_shape) == 1
        if vector and x0.ndim == 2:
            gx1 = SolveAgain(factors)(adjoint(x0), gy)
            return (-gx1)[:, None] * conj(y) if self.edges[0] else None, gx1
        if vector:
            gy, y = column(gy), column(y)
        gx1 = SolveAgain(factors)(adjoint(x0), gy)
        gx0 = F.matmul(-gx1, adjoint(y)) if self.edges[0] else None
        return gx0, F.squeeze(gx1, -1) if vector else gx1

    def complaint(self, x0: Any, x1: Any) -> str | None:
        """Name the shapes; LAPACK's own sentence where a matrix is singular."""
        return not_square("x0", x0) or not_meeting(x0, x1)


class SolveAgain(Solve):
    """The same where the factors of x0 are known."""

    name = "solve"

    def __init__(self, factors: lapack.Factors | None) -> None:
        self.factors = factors


class Inv(MatrixFunction):
    """The inverse of each matrix (..., n, n).

    Raises numpy.linalg.LinAlgError where a matrix is singular. `solve` is cheaper and more exact
    where the inverse is only multiplied with something.

    >>> F.inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """

    samples = (Sample((2, 2), low=0.5, high=2), Sample((2, 1, 3, 3)), Sample((0, 0)))

    def forward(self, x):
        return computed(get_array_module(x).linalg.inv, x)

    def backward(self, gy, *, y):
        return -product(adjoint(y), gy, adjoint(y))

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return not_square("x", x)


class SolveTriangular(MatrixFunction):
    """Op(x0)^-1 x1 for triangular x0 (..., n, n) and x1 (..., n, k)."""

    name = "solve_triangular"
    native_forward = True

    def __init__(self, trans: int, lower: bool, unit_diagonal: bool) -> None:
        self.trans = trans
        self.lower = lower
        self.unit_diagonal = unit_diagonal

    def is_large(self, xs: list[Any]) -> bool:
        """Whether LAPACK would use several threads, which wait longer for each other than they
        work, or would be called for many matrices."""
        x0, x1 = xs
        return getattr(x0, "ndim", 0) > 1 and x0.shape[-1] * getattr(x1, "size", 0) >= THREADED

    def forward(self, x0, x1):
        return for_each(lambda a, b: computed(self._solution, a, b), x0, x1)

    def _solution(self, a: Any, b: Any) -> Any:
        if lapack.takes(a, b) and a.shape[0] == a.shape[1] == b.shape[0]:
            return lapack.triangular(a, b, self.trans, self.lower, self.unit_diagonal)
        return scipy_linalg(get_array_module(a, b)).solve_triangular(
            a,
            b,
            trans=self.trans,
            lower=self.lower,
            unit_diagonal=self.unit_diagonal,
            check_finite=False,  # what lies in the other triangle does not matter
        )

    def backward(self, gy, *, x0, y):
        # op(x0)^H is conj(x0), the same of conj(x0), or x0 itself
        if self.trans == 2:
            gx1 = SolveTriangular(0, self.lower, self.unit_diagonal)(x0, gy)
        elif self.trans == 1:
            gx1 = SolveTriangular(0, self.lower, self.unit_diagonal)(conj(x0), gy)
        else:
            gx1 = SolveTriangular(2, self.lower, self.unit_diagonal)(x0, gy)
        if not self.edges[0]:
            return None, gx1
        gx0 = F.matmul(-gx1, adjoint(y))
        if self.trans:
            gx0 = adjoint(gx0) if self.trans == 2 else F.swapaxes(gx0, -1, -2)
        part = lower_part if self.lower else upper_part
        beside = 1 if self.unit_diagonal else 0
        return part(gx0, -beside if self.lower else beside), gx1

    def complaint(self, x0: Any, x1: Any) -> str | None:
        """Name the shapes; LAPACK's own sentence where a matrix is singular."""
        return not_square("a", x0) or not_meeting(x0, x1, "a", "b")


class Pinv(MatrixFunction):
    """The Moore-Penrose inverse."""

    def __init__(self, rcond: Any, hermitian: bool) -> None:
        self.rcond = rcond
        self.hermitian = hermitian

    def forward(self, x):
        pinv = get_array_module(x).linalg.pinv
        rcond = {} if self.rcond is None else {"rcond": self.rcond}
        return computed(lambda x: pinv(x, hermitian=self.hermitian, **rcond), x)

    def backward(self, gy, *, x, y):
        # Golub & Pereyra 1973, doi:10.1137/0710036, (4.12)
        yh, gyh = adjoint(y), adjoint(gy)
        left, right = product(gyh, y, yh), product(yh, y, gyh)
        gx = left - product(x, y, left) + right - product(right, y, x)
        return gx - product(yh, gy, yh)

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return no_matrix("x", x)


class LeastSquares(MatrixFunction):
    """The shortest x that brings x0 @ x nearest to x1, and the rank of x0."""

    name = "lstsq"

    def __init__(self, rcond: float | None) -> None:
        self.rcond = rcond

    def forward(self, x0, x1):
        lstsq = get_array_module(x0, x1).linalg.lstsq

        def solution(x0, x1):
            y, _, rank, _ = lstsq(x0, x1, rcond=self.rcond)
            return y, np.asarray(rank)

        return computed(solution, x0, x1)

    def backward(self, gy, _, *, x0, x1, y0):
        # y0 = pinv(x0) x1, with the derivative of pinv at a constant rank
        p = F.pinv(x0, rcond=self.rcond)
        y = y0
        if x1.ndim == 1:
            gy, x1, y = column(gy), column(x1), column(y)
        ph = adjoint(p)
        gx1 = F.matmul(ph, gy)
        gx0 = None
        if self.edges[0]:
            rest = x1 - F.matmul(x0, y)
            beside = gy - product(p, x0, gy)
            gx0 = product(rest, adjoint(F.matmul(p, gx1))) - F.matmul(gx1, adjoint(y))
            gx0 = gx0 + product(ph, y, adjoint(beside))
        return gx0, F.squeeze(gx1, -1) if gx1.ndim > y0.ndim else gx1

    def complaint(self, x0: Any, x1: Any) -> str | None:
        """Name the shapes."""
        if getattr(x0, "ndim", 0) != 2:
            return f"a {shape_of(x0)} came, (m, n) is needed"
        return not_meeting(x0, x1, "a", "b")


class LstsqResult(NamedTuple):
    """What `lstsq` answers."""

    x: Any
    residuals: Any
    rank: Any
    singular_values: Any


solve = primitive(Solve)
inv = primitive(Inv)


@composition(
    Sample((3, 3), (3,), low=0.5, high=2),
    Sample((2, 3, 3), (3, 2), low=0.5, high=2, trans=1, lower=True),
    Sample((3, 3), (3, 1), low=0.5, high=2, trans="C", unit_diagonal=True),
)
def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False):
    """The x with op(a) @ x = b for a triangular a, as SciPy's.

    a is (..., n, n), of which only the upper triangle counts (``lower``: the lower), and b (n,) or
    (..., n, k). ``trans`` says what op(a) is: a (0 or "N"), a.T (1 or "T"), or the conjugate of
    a.T (2 or "C"). With ``unit_diagonal`` ones are taken for the diagonal.

    Raises numpy.linalg.LinAlgError where a is singular.

    >>> F.solve_triangular(np.array([[2.0, 1.0], [0.0, 4.0]]), np.array([4.0, 8.0]))
    array([1., 2.])
    """
    if trans not in TRANSPOSITIONS:
        raise ValueError(f"solve_triangular: trans={trans!r} came, one of 0, 1, 2 is needed")
    solution = SolveTriangular(TRANSPOSITIONS[trans], lower, unit_diagonal)
    a, b = as_operand(a), as_operand(b)
    return F.squeeze(solution(a, column(b)), -1) if b.ndim == 1 else solution(a, b)


TRANSPOSITIONS: dict[Any, int] = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}


@composition(
    Sample([(3, 3), True], (3,), low=0.5, high=2), Sample([(2, 2), False], (2, 3), low=0.5, high=2)
)
def cho_solve(c_and_lower, b):
    """The x with a @ x = b, from the Cholesky factor of a and whether it is the lower one.

    >>> F.cho_solve((np.diag([2.0, 3.0]), True), np.array([8.0, 9.0]))
    array([2., 1.])
    """
    c, lower = c_and_lower
    first, second = (0, 2) if lower else (2, 0)
    return solve_triangular(c, solve_triangular(c, b, first, lower), second, lower)


@composition(
    Sample((3, 2)), Sample((2, 3)), Sample((2, 3, 2), low=0.5, high=2), Sample(np.ones((2, 2)))
)
def pinv(x, rcond=None, hermitian=False, *, rtol=None):
    """The Moore-Penrose inverse of each matrix (..., m, n), as NumPy's.

    Singular values up to ``rcond`` (or ``rtol``) times the largest count as 0. The derivative is
    that among matrices of the same rank; where the rank changes the inverse itself jumps.

    >>> F.pinv(np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]))
    array([[1. , 0. , 0. ],
           [0. , 0.5, 0. ]])
    """
    return Pinv(rcond if rtol is None else rtol, hermitian)(x)


@composition(
    Sample((4, 2), (4,)), Sample((4, 2), (4, 3)), Sample((2, 3), (2,)), Sample((2, 2), (2, 1))
)
def lstsq(a, b, rcond=None):
    """The least-squares solution of a @ x = b, as NumPy's: (x, residuals, rank, singular values).

    a is (m, n), b (m,) or (m, k). The squared distances ``residuals``, one for each column of b,
    are there where m > n (NumPy leaves them out where the rank is less than n, too). The derivative
    is that among matrices of the same rank.

    >>> x, residuals, _, _ = F.lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 3.0]))
    >>> x, residuals
    (array([2.]), array([2.]))
    """
    a, b = as_operand(a), as_operand(b)
    x, rank = LeastSquares(rcond)(a, b)
    rest = b - F.matmul(a, x)
    squares = F.sum(F.square(F.abs(rest)), axis=0)
    squares = F.reshape(squares, (-1,))[: None if a.shape[0] > a.shape[1] else 0]
    return LstsqResult(x, squares, rank, F.svdvals(a))


def not_meeting(x0: Any, x1: Any, name0: str = "x0", name1: str = "x1") -> str | None:
    """The complaint about a right-hand side that has other rows than the matrices."""
    rows = x1.shape[0] if x1.ndim == 1 else x1.shape[-2] if x1.ndim else 0
    if rows != x0.shape[-2]:
        return (
            f"{name0} {x0.shape} and {name1} {shape_of(x1)} do not meet: ({x0.shape[-2]},) or "
            f"(..., {x0.shape[-2]}, k) is needed"
        )
    return None
