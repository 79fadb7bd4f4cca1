"""Norms of matrices and vectors, and what singular values say about a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.axis import axes_of
from descend.functions.matrices.parts import no_matrix, not_square
from descend.functions.registry import Sample, composition


@composition(
    Sample((2, 3)),
    Sample((2, 3, 2), ord="nuc"),
    Sample((3, 2), ord=2, keepdims=True),
    Sample((2, 2), ord=-2),
    Sample((2, 3), ord=1),
    Sample((2, 3), ord=-np.inf),
    Sample((2, 2), ord=np.inf, complex=True),
)
def matrix_norm(x, *, keepdims=False, ord="fro"):
    """The norm of each matrix (..., m, n).

    ``ord`` is "fro" (the root of the sum of squares), "nuc" (the sum of the singular values), 2 or
    -2 (the largest or smallest of them), 1 or -1 (the largest or smallest sum of the absolute
    values of a column), inf or -inf (of a row). Where x is 0 the gradient is 0.

    >>> F.matrix_norm(np.array([[3.0, 0.0], [0.0, -4.0]]), ord="nuc")
    array(7.)
    """
    x = as_operand(x)
    if complaint := no_matrix("x", x):
        raise ValueError(f"matrix_norm: {complaint}")
    if ord == "fro":
        return F.norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord == "nuc" or ord in (2, -2):
        s = F.svdvals(x)
        y = F.sum(s, axis=-1) if ord == "nuc" else s[..., 0 if ord == 2 else -1]
        return F.expand_dims(y, (-2, -1)) if keepdims else y
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError(
            f"matrix_norm: ord={ord!r} came, 'fro', 'nuc', 1, -1, 2, -2, inf or -inf is needed"
        )
    across, along = (-2, -1) if abs(ord) == 1 else (-1, -2)
    sums = F.sum(F.abs(x), axis=across, keepdims=True)
    y = (F.max if ord > 0 else F.min)(sums, axis=along, keepdims=True)
    return y if keepdims else F.squeeze(y, (-2, -1))


@composition(Sample((2, 3)), Sample((2, 3), axis=1, ord=3), Sample((2, 3), axis=0, keepdims=True))
def vector_norm(x, *, axis=None, keepdims=False, ord=2):
    """The norm of vectors along ``axis``, of all elements if None: `norm` under NumPy's new name.

    >>> F.vector_norm(np.array([[3.0, 4.0], [0.0, 1.0]]), axis=1)
    array([5., 1.])
    """
    return F.norm(x, ord, axis, keepdims)


@composition(
    Sample((2, 2)),
    Sample((3, 2)),
    Sample((2, 2, 2), p="fro"),
    Sample((2, 2), p=1),
    Sample((2, 2), p=-2),
)
def cond(x, p=None):
    """How much larger relative errors can become in a system with x: norm(x) * norm(inv(x)).

    ``p`` is the ``ord`` of `matrix_norm`. For None and 2 it is the largest singular value over the
    smallest, of any matrix (..., m, n): infinite where that is 0, and then its derivative raises
    numpy.linalg.LinAlgError. For other norms a singular matrix raises it at once.

    >>> F.cond(np.array([[4.0, 0.0], [0.0, -2.0]]))
    array(2.)
    """
    x = as_operand(x)
    if p not in (None, 2, -2):
        if complaint := not_square("x", x):
            raise ValueError(f"cond: {complaint}")
        return matrix_norm(x, ord=p) * matrix_norm(F.inv(x), ord=p)
    s = F.svdvals(x)
    if p == -2:
        return s[..., -1] / s[..., 0]
    with np.errstate(divide="ignore"):
        return s[..., 0] / s[..., -1]


def matrix_rank(x: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """The number of singular values above ``tol``, an array: it has no derivative.

    ``tol`` is NumPy's by default: the largest of them times max(m, n) and the rounding error, or
    times ``rtol``.

    >>> F.matrix_rank(np.ones((3, 2)))
    array(1)
    """
    x = array_of(as_operand(x))
    s = F.abs(F.eigvalsh(x)) if hermitian else F.svdvals(x)
    if tol is None:
        relative = max(x.shape[-2:]) * float(np.finfo(s.dtype).eps) if rtol is None else rtol
        tol = F.max(s, axis=-1, keepdims=True) * np.asarray(relative)[..., None]
    else:
        tol = np.asarray(tol)[..., None]
    return F.sum((s > tol).astype(np.int64), axis=-1)


def linalg_norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """NumPy's ``linalg.norm``: of vectors, or of matrices where two axes are meant."""
    x = as_operand(x)
    if ord is None or (axis is None and x.ndim == 1):
        return F.norm(x, 2 if ord is None else ord, axis, keepdims)
    axes = axes_of("norm", axis, x.ndim)
    if len(axes) == 1:
        return F.norm(x, ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError(f"norm: {len(axes)} axes of x {x.shape} came, one or two are needed")
    y = matrix_norm(F.moveaxis(x, axes, (-2, -1)), ord=ord)
    return F.expand_dims(y, axes) if keepdims else y


def linalg_diagonal(x: Any, offset: int = 0) -> Any:
    """NumPy's ``linalg.diagonal``: of the last two axes."""
    return F.diagonal(x, offset, -2, -1)


def linalg_trace(x: Any, offset: int = 0) -> Any:
    """NumPy's ``linalg.trace``: of the last two axes."""
    return F.trace(x, offset, -2, -1)
