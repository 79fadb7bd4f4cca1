"""Matrices as products of simpler ones: triangular, orthogonal, diagonal."""

from __future__ import annotations

from typing import Any, NamedTuple

from descend import functions as F
from descend.core import acceleration
from descend.core.arrays import get_array_module
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.matrices import lapack, systems
from descend.functions.matrices.parts import (
    MatrixFunction,
    Quotient,
    adjoint,
    column,
    computed,
    diagonal_matrix,
    from_below,
    lower_part,
    no_matrix,
    not_square,
    off_diagonal,
    product,
    rounding,
    row,
    scipy_linalg,
    symmetric,
    upper_part,
)
from descend.functions.registry import Sample, composition, primitive

THREADED = 1 << 18
"""The cube of the rows of a matrix from which on LAPACK factors it with several threads."""

EQUAL_SINGULAR_VALUES = (
    "the derivative of the vectors was asked for where two singular values are equal or one is 0: "
    "it does not exist; that of the values does"
)


class Cholesky(MatrixFunction):
    """The lower factor of the Hermitian matrices (x + x^H) / 2."""

    native_forward = True

    def is_large(self, xs: list[Any]) -> bool:
        """Whether LAPACK would use several threads."""
        return getattr(xs[0], "ndim", 0) > 1 and xs[0].shape[-1] * xs[0].size >= THREADED

    def forward(self, x):
        if complaint := not_square("x", x):
            raise ValueError(complaint)
        return computed(_cholesky, (x + adjoint(x)) * 0.5)

    def backward(self, gy, *, y):
        if y.shape[-1] * y.size >= systems.THREADED and (native := acceleration.accelerator()):
            return native.composite(_gradient_of_cholesky, (y, gy), {})
        return _gradient_of_cholesky(y, gy)

    def complaint(self, x: Any) -> str | None:
        """Name the shape; LAPACK's own sentence where a matrix is not positive definite."""
        return not_square("x", x)


def _gradient_of_cholesky(y: Any, gy: Any) -> Any:
    """The Hermitian part of y^-H P y^-1 (Murray 2016, arXiv:1602.07527, (10)).

    P has the lower triangle of y^H gy, and half of its diagonal. Its own Hermitian part does too.
    """
    inner = from_below(F.matmul(adjoint(y), gy * 0.5))
    left = F.solve_triangular(y, inner, trans=2, lower=True)
    gx = adjoint(F.solve_triangular(y, adjoint(left), trans=2, lower=True))
    return symmetric(gx) if gx.dtype.kind == "c" else gx


def _cholesky(x: Any) -> Any:
    """The factor of Hermitian matrices of an array of its own."""
    if lapack.takes(x):
        return lapack.cholesky(x)
    return get_array_module(x).linalg.cholesky(x)


class Svd(MatrixFunction):
    """The thin decomposition U diag(s) V^H."""

    def forward(self, x):
        svd = get_array_module(x).linalg.svd
        return computed(lambda x: svd(x, full_matrices=False), x)

    def backward(self, gu, gs, gvh, *, y0, y1, y2):
        # Townsend 2016, "Differentiating the singular value decomposition": with a and b skew,
        # (a s_j + b s_i) / (s_j^2 - s_i^2) is what both quotients below add up to
        u, s, vh = y0, y1, y2
        gv, v, uh = adjoint(gvh), adjoint(vh), adjoint(u)
        ugu, vgv = F.matmul(uh, gu), F.matmul(vh, gv)
        a, b = (ugu - adjoint(ugu)) * 0.5, (vgv - adjoint(vgv)) * 0.5
        limit = rounding(s)
        over = Quotient("svd", EQUAL_SINGULAR_VALUES).again
        gaps, sums = row(s) - column(s), row(s) + column(s)
        inner = off_diagonal(over(off_diagonal(a + b), gaps, column(limit)))
        inner = inner + over(a - b, sums, column(limit)) + diagonal_matrix(gs)
        gx = product(u, inner, vh)
        if u.shape[-2] > s.shape[-1]:
            gx = gx + F.matmul(over(gu - F.matmul(u, ugu), row(s), column(limit)), vh)
        if vh.shape[-1] > s.shape[-1]:
            gx = gx + F.matmul(u, adjoint(over(gv - F.matmul(v, vgv), row(s), column(limit))))
        return gx

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return no_matrix("x", x)


class FullSvd(MatrixFunction):
    """The decomposition with square U and V^H, of which the added vectors have no derivative."""

    name = "svd: full_matrices=True"

    def forward(self, x):
        return computed(get_array_module(x).linalg.svd, x)


class Svdvals(MatrixFunction):
    """The singular values of each matrix (..., m, n), the largest first.

    Equal ones have a derivative each for the vectors that LAPACK chose, and their sum has one in
    any case. That of a value 0 is 0, as of the absolute value.

    >>> F.svdvals(np.array([[0.0, 2.0], [3.0, 0.0]]))
    array([3., 2.])
    """

    name = "svdvals"
    samples = (Sample((3, 3)), Sample((2, 2, 3)), Sample((3, 1)))

    def forward(self, x):
        svd = get_array_module(x).linalg.svd
        return computed(lambda x: svd(x, compute_uv=False), x)

    def backward(self, gy, *, x, y):
        u, _, vh = Svd()(x)
        gy = F.where(array_of(y) <= array_of(rounding(y)), 0, gy)
        return F.matmul(u * row(gy), vh)

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return no_matrix("x", x)


class Qr(MatrixFunction):
    """Q with orthonormal columns times the upper triangle R, for at least as many rows."""

    def forward(self, x):
        return computed(get_array_module(x).linalg.qr, x)

    def backward(self, gq, gr, *, y0, y1):
        # Walter & Lehmann 2010, arXiv:1009.6112
        inner = F.matmul(y1, adjoint(gr)) - F.matmul(adjoint(gq), y0)
        below, diagonal = lower_part(inner, -1), inner - off_diagonal(inner)
        inner = below + adjoint(below) + symmetric(diagonal)  # that of R stays real
        left = gq + F.matmul(y0, inner)
        return adjoint(F.solve_triangular(y1, adjoint(left)))

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return no_matrix("x", x)


class CompleteQr(MatrixFunction):
    """Q with all its columns and R with as many rows: the added columns have no derivative."""

    name = "qr: mode='complete'"

    def forward(self, x):
        qr = get_array_module(x).linalg.qr
        return computed(lambda x: qr(x, mode="complete"), x)


class Lu(MatrixFunction):
    """The permutation P, unit lower L and upper U with x = P L U."""

    def forward(self, x):
        return computed(scipy_linalg(get_array_module(x)).lu, x)

    def backward(self, _, gl, gu, *, y0, y1, y2):
        # Square parts first; what a tall or wide matrix has beside them solves against these
        p, lower, upper = array_of(y0), y1, y2
        k = lower.shape[-1]
        below, beside = None, None
        l1, u1, gl1, gu1 = lower, upper, gl, gu
        if lower.shape[-2] > k:
            l1, gl1 = lower[..., :k, :], gl[..., :k, :]
            below = adjoint(F.solve_triangular(u1, adjoint(gl[..., k:, :])))
            gu1 = gu1 - F.matmul(adjoint(lower[..., k:, :]), below)
        if upper.shape[-1] > k:
            u1, gu1 = upper[..., :k], gu[..., :k]
            beside = F.solve_triangular(l1, gu[..., k:], 2, lower=True, unit_diagonal=True)
            gl1 = gl1 - F.matmul(beside, adjoint(upper[..., k:]))
        inner = lower_part(F.matmul(adjoint(l1), gl1), -1) + upper_part(F.matmul(gu1, adjoint(u1)))
        gx = F.solve_triangular(l1, inner, 2, lower=True, unit_diagonal=True)
        gx = adjoint(F.solve_triangular(u1, adjoint(gx)))
        gx = gx if below is None else F.concatenate([gx, below], axis=-2)
        gx = gx if beside is None else F.concatenate([gx, beside], axis=-1)
        return F.matmul(p, gx)

    def complaint(self, x: Any) -> str | None:
        """Name the shape."""
        return no_matrix("x", x)


class SVDResult(NamedTuple):
    """What `svd` answers."""

    U: Any
    S: Any
    Vh: Any


class QRResult(NamedTuple):
    """What `qr` answers."""

    Q: Any
    R: Any


svdvals = primitive(Svdvals)


@composition(Sample((2, 2), low=0.2, high=1), Sample((1, 1), low=0.5, upper=True), Sample((0, 0)))
def cholesky(x, *, upper=False):
    """The lower triangle L with x = L L^H, for positive definite x (..., n, n).

    ``upper`` answers L^H. x stands for its symmetric part (x + x^H) / 2, so the gradient is
    symmetric, too (NumPy reads one triangle and does not look at the other).

    Raises numpy.linalg.LinAlgError where x is not positive definite.

    >>> F.cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])
    """
    y = Cholesky()(x)
    return adjoint(y) if upper else y


@composition(
    Sample((3, 3)),
    Sample((2, 3, 2)),
    Sample((2, 3)),
    Sample((2, 3), compute_uv=False),
)
def svd(x, full_matrices=False, compute_uv=True):
    """U, the singular values S and V^H with x = U diag(S) V^H, for x (..., m, n): a named tuple.

    U is (..., m, k) and V^H (..., k, n) with k = min(m, n). ``full_matrices``, NumPy's default,
    makes both square; the vectors added have no derivative. Without ``compute_uv`` the answer is
    `svdvals`.

    U and V^H may be turned together; their derivative is that without a turn. Where singular values
    are equal or 0 it does not exist, and asking for it raises numpy.linalg.LinAlgError; the values
    always have one.

    >>> F.svd(np.array([[0.0, 2.0], [3.0, 0.0]])).S
    array([3., 2.])
    """
    x = as_operand(x)
    if not compute_uv:
        return svdvals(x)
    square = x.ndim < 2 or x.shape[-1] == x.shape[-2]
    return SVDResult(*(FullSvd() if full_matrices and not square else Svd())(x))


@composition(Sample((3, 3)), Sample((2, 3, 2)), Sample((2, 3)), Sample((3, 2), mode="r"))
def qr(x, mode="reduced"):
    """Q with orthonormal columns and the upper triangle R with x = Q R, for x (..., m, n).

    A named tuple. Q is (..., m, k) and R (..., k, n) with k = min(m, n); ``mode="r"`` answers R
    alone, "complete" a square Q, of which the columns added have no derivative. The derivative
    raises numpy.linalg.LinAlgError where the first k columns depend on each other.

    >>> F.qr(np.array([[3.0, 1.0], [4.0, 2.0]])).R.round(12)
    array([[-5. , -2.2],
           [ 0. ,  0.4]])
    """
    x = as_operand(x)
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode={mode!r} came, 'reduced', 'complete' or 'r' is needed")
    rows = x.shape[-2] if x.ndim > 1 else 0
    if x.ndim > 1 and rows < x.shape[-1]:  # the first columns are a square matrix and say Q
        q, r = Qr()(x[..., :rows])
        r = F.concatenate([r, F.matmul(adjoint(q), x[..., rows:])], axis=-1)
    else:
        tall = mode == "complete" and x.ndim > 1 and rows > x.shape[-1]
        q, r = (CompleteQr() if tall else Qr())(x)
    return r if mode == "r" else QRResult(q, r)


@composition(Sample((3, 3)), Sample((2, 3, 2)), Sample((2, 3), permute_l=True))
def lu(x, permute_l=False):
    """P, L and U with x = P L U, for x (..., m, n), as SciPy's.

    The permutation P is (..., m, m), L (..., m, k) has ones on the diagonal and zeros above it, U
    (..., k, n) zeros below it, with k = min(m, n). ``permute_l`` answers P L and U. P is a step
    function: its derivative is 0. That of L and U raises numpy.linalg.LinAlgError where U is
    singular.

    >>> F.lu(np.array([[1.0, 2.0], [4.0, 4.0]]))[2]
    array([[4., 4.],
           [0., 1.]])
    """
    p, lower, upper = Lu()(x)
    return (F.matmul(p, lower), upper) if permute_l else (p, lower, upper)
