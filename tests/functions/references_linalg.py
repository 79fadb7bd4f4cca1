"""What the functions of linear algebra must answer, by NumPy, SciPy, or loops."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.special


def stacked(function):
    """A function of one matrix for each of several."""

    def for_all(x, *args, **params):
        if x.ndim == 2:
            return function(x, *args, **params)
        parts = [for_all(part, *args, **params) for part in x]
        if isinstance(parts[0], tuple):
            return tuple(np.stack(part) for part in zip(*parts, strict=True))
        return np.stack(parts)

    return for_all


def hermitian(x, triangle=None):
    if triangle == "L":
        return np.tril(x) + np.swapaxes(np.tril(x, -1), -1, -2)
    if triangle == "U":
        return np.triu(x) + np.swapaxes(np.triu(x, 1), -1, -2)
    return (x + np.swapaxes(x, -1, -2)) / 2


solve = np.linalg.solve
inv = np.linalg.inv
slogdet = np.linalg.slogdet
pinv = np.linalg.pinv
tensorsolve = np.linalg.tensorsolve
tensorinv = np.linalg.tensorinv
lstsq = np.linalg.lstsq
eig = np.linalg.eig
eigvals = np.linalg.eigvals
qr = np.linalg.qr
lu = scipy.linalg.lu


@stacked
def det(x):
    """Laplace's expansion along the first row."""
    if len(x) == 0:
        return 1.0
    minors = [np.delete(x[1:], j, axis=1) for j in range(len(x))]
    return sum((-1) ** j * x[0, j] * det(minor) for j, minor in enumerate(minors))


def logdet(x):
    return np.log(np.linalg.det(x))


def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False):
    a = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        a = a - a * np.eye(a.shape[-1]) + np.eye(a.shape[-1])
    return np.linalg.solve(np.swapaxes(a, -1, -2) if trans else a, b)


def cho_solve(c_and_lower, b):
    c, lower = c_and_lower
    c = np.tril(c) if lower else np.triu(c).T
    return np.linalg.solve(c @ c.T, b)


def cholesky(x, upper=False):
    return np.linalg.cholesky(hermitian(x), upper=upper)


def eigh(x, UPLO=None):
    return np.linalg.eigh(hermitian(x, UPLO))


def eigvalsh(x, UPLO=None):
    return np.linalg.eigvalsh(hermitian(x, UPLO))


def svd(x, full_matrices=False, compute_uv=True):
    return np.linalg.svd(x, full_matrices=full_matrices, compute_uv=compute_uv)


def svdvals(x):
    squares = np.linalg.eigvalsh(x @ np.swapaxes(x, -1, -2))[..., ::-1]
    return np.sqrt(squares[..., : min(x.shape[-2:])])


# ---- products -----------------------------------------------------------------------------------


def cross(x0, x1, axisa=-1, axisb=-1, axisc=-1, axis=None):
    return np.cross(x0, x1, axisa, axisb, axisc, axis)


def bmm(x0, x1):
    return np.array([a @ b for a, b in zip(x0, x1, strict=True)])


def addmm(x, x0, x1, beta=1, alpha=1):
    return beta * x + alpha * np.einsum("ij,jk->ik", x0, x1)


def matvec(x0, x1):
    return np.einsum("...ij,...j->...i", x0, x1)


def vecmat(x0, x1):
    return np.einsum("...i,...ij->...j", x0.conj(), x1)


def multi_dot(xs):
    y = xs[0]
    for x in xs[1:]:
        y = y @ x
    return y


def matrix_power(x, n):
    y = np.broadcast_to(np.eye(x.shape[-1]), x.shape)
    for _ in range(abs(n)):
        y = y @ x
    return np.linalg.inv(y) if n < 0 else y


# ---- norms, functions, structures ---------------------------------------------------------------


matrix_norm = np.linalg.matrix_norm
vector_norm = np.linalg.vector_norm
cond = np.linalg.cond
block_diag = scipy.linalg.block_diag


def toeplitz(c, r=None):
    r = c.conj() if r is None else r
    y = np.empty((len(c), len(r)), np.result_type(c, r))
    for i, j in np.ndindex(y.shape):
        y[i, j] = c[i - j] if i >= j else r[j - i]
    return y


def expm(x):
    """The series, for a small part of x, squared."""
    y, term = np.broadcast_to(np.eye(x.shape[-1]), x.shape), np.eye(x.shape[-1])
    for k in range(1, 20):
        term = term @ (x / 256) / k
        y = y + term
    for _ in range(8):
        y = y @ y
    return y


def by_eigenvalues(function, x):
    w, v = np.linalg.eig(x)
    return ((v * function(w.astype(complex))[..., None, :]) @ np.linalg.inv(v)).real


def logm(x):
    return by_eigenvalues(np.log, x)


def sqrtm(x):
    return by_eigenvalues(np.sqrt, x)


def solve_sylvester(x0, x1, x2):
    m, n = x2.shape[-2:]
    if x0.ndim > 2:
        return np.stack([solve_sylvester(part, x1, x2) for part in x0])
    system = np.kron(x0, np.eye(n)) + np.kron(np.eye(m), x1.T)
    return np.linalg.solve(system, x2.reshape(-1)).reshape(m, n)


# ---- sparse matrices and segments ---------------------------------------------------------------


def dense(a, shape):
    y = np.zeros(shape, a[0].dtype)
    if len(a) == 2:
        places = zip(*a[1], strict=True)
    else:
        rows = [i for i, pair in enumerate(zip(a[2], a[2][1:], strict=False)) for _ in range(*pair)]
        places = zip(rows, a[1], strict=True)
    for value, place in zip(a[0], places, strict=True):
        y[place] += value
    return y


def sparse_matmul(a, x, shape=None):
    return dense(a, shape) @ x


def spsolve(a, b, shape=None):
    return np.linalg.solve(dense(a, shape), b)


def segments(reduce, empty, x, segment_ids, num_segments):
    count = max(segment_ids) + 1 if num_segments is None else num_segments
    y = np.full((count, *x.shape[1:]), empty)
    for i in {*segment_ids.tolist()}:
        y[i] = reduce(x[segment_ids == i], axis=0)
    return y


def segment_sum(x, segment_ids, num_segments=None):
    return segments(np.sum, 0.0, x, segment_ids, num_segments)


def segment_mean(x, segment_ids, num_segments=None):
    return segments(np.mean, 0.0, x, segment_ids, num_segments)


def segment_max(x, segment_ids, num_segments=None):
    return segments(np.max, -np.inf, x, segment_ids, num_segments)


def segment_softmax(x, segment_ids, num_segments=None):
    y = np.empty_like(x)
    for i in {*segment_ids.tolist()}:
        y[segment_ids == i] = scipy.special.softmax(x[segment_ids == i], axis=0)
    return y
