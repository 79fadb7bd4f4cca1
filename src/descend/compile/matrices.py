"""What the operations of matrices mean: the shapes of their results, and their values in NumPy.

Each takes stacks of matrices (N, m, n), of one dtype, float32 or float64:

    cholesky             the lower factor of symmetric matrices
    solve_triangular     the x with a x = b; a 0 on the diagonal of a is an error unless it is
                         ``unit``, where the diagonal counts as ones
    lu                   x = P L U, (N, m * n + 2 * m + 2): L below the diagonal of U by columns,
                         the row of x that each row of L U is, the inverse of that, the product of
                         the signs on U's diagonal and the permutation's, and that of the numbers
    eigh                 of symmetric matrices the eigenvalues, then the vectors one by one:
                         (N, n + n * n), or (N, n) without ``vectors``
    qr                   Q by columns, then R by columns, (N, m * k + k * n) for k = min(m, n)
    svd                  the singular values, U and V^H by columns, (N, k + m * k + k * n), or
                         (N, k) without ``vectors``
    refuse_if            the first operand, if the second is false

What cannot be computed raises numpy.linalg.LinAlgError with the sentence ``error``.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownLambdaType=false
# (SciPy has no types, and NumPy's arrays unknown parameters)

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from descend.compile.graph import Node

Shape = tuple[int, ...]


def lu_length(m: int, n: int) -> int:
    """The numbers that `lu` answers for a matrix."""
    return m * n + 2 * m + 2


def refused(function: Callable[..., Any], error: str, *arrays: Any) -> Any:
    """What the function answers; LinAlgError with this sentence where it raises one."""
    try:
        return function(*arrays)
    except np.linalg.LinAlgError:
        raise np.linalg.LinAlgError(error) from None


# ---- values -----------------------------------------------------------------------------------


def _cholesky(x: Any, *, error: str) -> Any:
    return refused(np.linalg.cholesky, error, x)


def _solve_triangular(a: Any, b: Any, *, lower: bool, unit: bool, error: str) -> Any:
    a = np.tril(a) if lower else np.triu(a)
    eye = np.eye(a.shape[-1], dtype=a.dtype)
    if unit:
        a = a * (1 - eye) + eye
    if np.any(np.diagonal(a, 0, -2, -1) == 0):
        raise np.linalg.LinAlgError(error)
    return np.linalg.solve(a, b)


def _lu(x: Any) -> Any:
    from scipy.linalg import lu

    rows: list[Any] = []
    for matrix in x:
        found: Any = lu(matrix, p_indices=True)
        order, lower, upper = found
        k = lower.shape[-1]
        whole = np.zeros_like(matrix)
        whole[:, :k] += np.tril(lower, -1)
        whole[:k] += upper
        inverse = np.argsort(order)  # x[i] is row order[i] of L U
        sign = np.linalg.det(np.eye(len(order))[order]).round()
        diagonal = np.diagonal(upper)
        last = sign * np.prod(np.sign(diagonal)), sign * np.prod(diagonal)
        rows.append(np.concatenate([whole.T.reshape(-1), inverse, order, last]))
    return np.array(rows, x.dtype)


def _eigh(x: Any, *, vectors: bool, error: str) -> Any:
    if not vectors:
        return refused(np.linalg.eigvalsh, error, x)
    w, v = refused(np.linalg.eigh, error, x)
    return np.concatenate([w, np.swapaxes(v, -1, -2).reshape(len(x), -1)], 1)


def _qr(x: Any) -> Any:
    parts = [np.swapaxes(part, -1, -2).reshape(len(x), -1) for part in np.linalg.qr(x)]
    return np.concatenate(parts, 1)


def _svd(x: Any, *, vectors: bool, error: str) -> Any:
    if not vectors:
        return refused(np.linalg.svdvals, error, x)
    u, s, vh = refused(lambda x: np.linalg.svd(x, full_matrices=False), error, x)
    parts = [np.swapaxes(part, -1, -2).reshape(len(x), -1) for part in (u, vh)]
    return np.concatenate([s, *parts], 1)


def _refuse_if(x: Any, condition: Any, *, error: str) -> Any:
    if condition:
        raise np.linalg.LinAlgError(error)
    return x


# ---- shapes -----------------------------------------------------------------------------------


def _one_stack(length: Callable[..., int]) -> Callable[..., Any]:
    """The rule of an operation that answers so many numbers for each matrix."""

    def rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
        (x,) = inputs
        if x.ndim != 3:
            raise ValueError(f"{x} is no stack of matrices")
        return (x.shape[0], length(*x.shape[1:], **params)), x.dtype

    return rule


def _cholesky_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    (x,) = inputs
    if x.ndim != 3 or x.shape[1] != x.shape[2]:
        raise ValueError(f"{x} are no square matrices")
    return x.shape, x.dtype


def _solve_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    a, b = inputs
    if b.ndim != 3 or a.shape != (*b.shape[:2], b.shape[1]) or a.dtype != b.dtype:
        raise ValueError(f"{a} and {b} do not meet")
    return b.shape, b.dtype


def _refuse_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    x, condition = inputs
    if condition.dtype != bool or condition.shape:
        raise ValueError(f"{condition} is no condition")
    return x.shape, x.dtype


IN_ORDER = {"cholesky": (0,), "solve_triangular": (1,), "refuse_if": (0,)}
"""The operands that a kernel wants in row-major order."""

OPERATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "cholesky": (_cholesky_rule, _cholesky),
    "solve_triangular": (_solve_rule, _solve_triangular),
    "lu": (_one_stack(lu_length), _lu),
    "eigh": (_one_stack(lambda n, _, vectors, **params: n + n * n * vectors), _eigh),
    "qr": (_one_stack(lambda m, n: min(m, n) * (m + n)), _qr),
    "svd": (
        _one_stack(lambda m, n, vectors, **params: min(m, n) * (1 + (m + n) * vectors)),
        _svd,
    ),
    "refuse_if": (_refuse_rule, _refuse_if),
}
"""The rule and the value of each of them."""
