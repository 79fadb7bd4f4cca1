"""Diagonals, and what lies on one side of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.function import as_operand
from descend.functions.axis import axes_of
from descend.functions.kinds import beside
from descend.functions.registry import Sample, composition


@composition(
    Sample((3, 4)),
    Sample((3, 4), offset=-1),
    Sample((2, 3, 4), offset=2, axis1=-1, axis2=0),
    Sample((2, 2), offset=5),
)
def diagonal(x, offset=0, axis1=0, axis2=1):
    """The elements whose place along ``axis2`` is ``offset`` beyond that along ``axis1``.

    Both axes go; the diagonal runs along a new last one. The answer is no view.

    >>> F.diagonal(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 4.])
    """
    x = as_operand(x)
    axes = axes_of("diagonal", (axis1, axis2), x.ndim)
    y = F.moveaxis(x, axes, (0, 1))
    y = F.getitem(y, _places(y.shape[0], y.shape[1], offset))
    return F.moveaxis(y, 0, -1) if y.ndim > 1 else y


def _places(rows: int, columns: int, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """The row and the column of each element on a diagonal."""
    first = max(-offset, 0)
    places = np.arange(first, max(min(rows, columns - offset), first))
    return places, places + offset


@composition(Sample((3,)), Sample((2,), k=-1), Sample((3, 4)), Sample((3, 4), k=1))
def diag(x, k=0):
    """The matrix that has x (N,) on its k-th diagonal; of a matrix (M, N), that diagonal.

    >>> F.diag(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    x = as_operand(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag: x {x.shape} has {x.ndim} axes, 1 or 2 are needed")
    size = x.size + abs(k)
    return F.scatter_to(x, _places(size, size, k), (size, size))


@composition(Sample((2, 2)), Sample((), k=1))
def diagflat(x, k=0):
    """The matrix that has all elements of x on its k-th diagonal.

    >>> F.diagflat(np.array([[1.0, 2.0]]))
    array([[1., 0.],
           [0., 2.]])
    """
    return diag(F.ravel(x), k)


@composition(Sample((3, 4)), Sample((2, 3, 3), k=-1), Sample((3,)))
def tril(x, k=0):
    """x (..., M, N) with zeros above its k-th diagonal.

    >>> F.tril(np.ones((2, 2)))
    array([[1., 0.],
           [1., 1.]])
    """
    x = _matrices("tril", x)
    return F.where(_lower(x, k), x, beside(x, np.zeros((), x.dtype)))


@composition(Sample((3, 4)), Sample((2, 3, 3), k=1), Sample((3,)))
def triu(x, k=0):
    """x (..., M, N) with zeros below its k-th diagonal.

    >>> F.triu(np.ones((2, 2)))
    array([[1., 1.],
           [0., 1.]])
    """
    x = _matrices("triu", x)
    return F.where(_lower(x, k - 1), beside(x, np.zeros((), x.dtype)), x)


def _matrices(name: str, x: Any) -> Any:
    """x; ValueError if it has no axis."""
    x = as_operand(x)
    if x.ndim == 0:
        raise ValueError(f"{name}: x () has no axes, at least 1 is needed")
    return x


def _lower(x: Any, k: int) -> Any:
    """Where a matrix is not above its k-th diagonal; one axis counts as the row of a square."""
    rows, columns = x.shape[-2:] if x.ndim > 1 else (x.size, x.size)
    return beside(x, np.tri(rows, columns, k, dtype=bool))


@composition(Sample((3, 4)), Sample((2, 3, 4), offset=1, axis1=1, axis2=-1))
def trace(x, offset=0, axis1=0, axis2=1):
    """The sum of a `diagonal`.

    >>> F.trace(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array(5.)
    """
    return F.sum(diagonal(x, offset, axis1, axis2), axis=-1)
