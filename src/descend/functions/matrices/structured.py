"""Matrices put together from blocks, or from their first row and column."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from descend import functions as F
from descend.core.arrays import conj
from descend.core.function import as_operand
from descend.functions.registry import Sample, composition


@composition(Sample((2, 3), (1, 2)), Sample((2,), (), (0, 2), (1, 1)), Sample((2, 2)))
def block_diag(*xs):
    """The matrix that has these on its diagonal, and zeros elsewhere.

    A vector is a matrix with one row, a number one with one element.

    >>> F.block_diag(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[1., 2., 0.],
           [0., 0., 3.],
           [0., 0., 4.]])
    """
    if not xs:
        raise ValueError("block_diag: nothing came, at least one matrix is needed")
    xs = [as_operand(x) for x in xs]
    for x in xs:
        if x.ndim > 2:
            raise ValueError(f"block_diag: {x.shape} came, matrices (m, n) are needed")
    xs = [F.reshape(x, (1, *((1,) * (1 - x.ndim)), *x.shape)) if x.ndim < 2 else x for x in xs]
    ends = list(accumulate(x.shape[1] for x in xs))
    rows = [
        F.pad(x, ((0, 0), (end - x.shape[1], ends[-1] - end)))
        for x, end in zip(xs, ends, strict=True)
    ]
    return F.concatenate(rows, axis=0)


@composition(Sample((3,)), Sample((3,), (2,)), Sample((2,), complex=True))
def toeplitz(c, r=None):
    """The matrix with the first column c (m,) and the first row r (n,), constant along diagonals.

    r[0] is not used. Without r it is the conjugate of c: the matrix is symmetric (Hermitian).

    >>> F.toeplitz(np.array([1.0, 2.0, 3.0]))
    array([[1., 2., 3.],
           [2., 1., 2.],
           [3., 2., 1.]])
    """
    c = as_operand(c)
    r = conj(c) if r is None else as_operand(r)
    if c.ndim != 1 or r.ndim != 1:
        raise ValueError(f"toeplitz: c {c.shape} and r {r.shape} came, (m,) and (n,) are needed")
    (m,), (n,) = c.shape, r.shape
    values = F.concatenate([c[::-1], r[1:]], axis=0)
    return F.getitem(values, m - 1 - np.arange(m)[:, None] + np.arange(n))
