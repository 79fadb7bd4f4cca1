"""Bringing vectors, neighbourhoods of channels and matrices to a size."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.arrays import get_array_module
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import Variable, array_of
from descend.functions.axis import axes_of, axis_of
from descend.functions.matrices.similarity import length
from descend.functions.registry import Sample, composition


@composition(
    Sample((2, 3)),
    Sample((2, 3), p=1.0, axis=0),
    Sample((2, 2, 3), p=3.0, axis=(0, 2)),
    Sample((3,), axis=-1),
)
def normalize(x, p=2.0, axis=1, eps=1e-12):
    """x divided by its p-norm along ``axis``: vectors of length 1.

    A norm less than ``eps`` counts as ``eps``: zeros stay zeros, and the gradient there is that of
    x / eps.

    >>> F.normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    x = as_operand(x)
    if not p >= 0:
        raise ValueError(f"normalize: p is {p}, a number from 0 on is needed")
    return _normalize(x, p=p, axis=axes_of("normalize", axis, x.ndim), eps=eps)


@fused
def _normalize(x: Any, *, p: float, axis: Any, eps: float) -> Any:
    return x / F.maximum(length(x, p, axis, keepdims=True), eps)


@composition(
    Sample((2, 5, 2), 3),
    Sample((2, 4), 2, alpha=0.5, beta=1.5, k=2.0),
    Sample((1, 3, 1, 2), 7, alpha=1.0),
)
def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + alpha * mean)**beta, the mean of the squares of ``size`` neighbouring channels.

    x is (N, C, ...); channel c has size // 2 neighbours before it and (size - 1) // 2 behind. Where
    there are none they count as 0. Krizhevsky, Sutskever and Hinton, NIPS 2012.

    >>> F.local_response_norm(np.array([[1.0, 2.0]]), 2, alpha=2.0, beta=1.0)
    array([[0.5       , 0.33333333]])
    """
    x = as_operand(x)
    if x.ndim < 2:
        raise ValueError(f"local_response_norm: x {shape_of(x)} came, (N, C, ...) is needed")
    if size < 1:
        raise ValueError(f"local_response_norm: size is {size}, at least 1 is needed")
    return _local_response(x, size=size, alpha=alpha, beta=beta, k=k)


@fused
def _local_response(x: Any, *, size: int, alpha: float, beta: float, k: float) -> Any:
    squares = F.square(x) * (alpha / size)
    rest = [(0, 0)] * (x.ndim - 2)
    padded = F.pad(squares, ((0, 0), (size // 2, (size - 1) // 2), *rest))
    total = k
    for i in range(size):
        total = total + padded[:, i : i + x.shape[1]]
    return x / total**beta


@composition(
    Sample((3, 2), np.array([0.6, 0.0, 0.8]), n_power_iterations=0, order=1),
    Sample((3, 2), np.array([0.6, 0.0, 0.8]), order=0),
    Sample((2, 3, 2), np.array([1.0, 2.0, 3.0]), n_power_iterations=3, axis=1, order=0),
)
def spectral_norm(weight, u, n_power_iterations=1, axis=0, eps=1e-12):
    """``weight`` divided by its largest singular value, and the vector u to go on with: a pair.

    ``weight`` is seen as a matrix W whose rows lie along ``axis``; u, one number a row, approaches
    the left singular vector with each power iteration v = W.T @ u, u = W @ v, both brought to
    length 1. The value is u @ W @ v, where u and v count as constants. Miyato, Kataoka, Koyama and
    Yoshida, 2018, https://doi.org/10.48550/arXiv.1802.05957.

    >>> F.spectral_norm(np.diag([4.0, 2.0]), np.array([1.0, 0.0]))[0]
    array([[1. , 0. ],
           [0. , 0.5]])
    """
    weight, u = as_operand(weight), as_operand(u)
    remembered = isinstance(weight, Variable) or isinstance(u, Variable)
    if weight.ndim < 2:
        raise ValueError(f"spectral_norm: weight {shape_of(weight)} came, a matrix is needed")
    axis = axis_of("spectral_norm", axis, weight.ndim)
    rows = weight.shape[axis]
    if u.shape != (rows,):
        raise ValueError(f"spectral_norm: u {shape_of(u)} came, ({rows},) is needed")
    matrix = F.reshape(F.moveaxis(weight, axis, 0), (rows, -1))
    fixed, u = array_of(matrix), array_of(u)
    v = _unit(fixed.T @ u, eps)
    for _ in range(n_power_iterations):
        u = _unit(fixed @ v, eps)
        v = _unit(fixed.T @ u, eps)
    largest = F.sum(u[:, None] * matrix * v)
    # Without iterations u is the caller's array, which nothing may share
    u = get_array_module(u).copy(u)
    return weight / largest, Variable(u, requires_grad=False) if remembered else u


def _unit(x: Any, eps: float) -> Any:
    """x brought to length 1, for arrays."""
    xp = get_array_module(x)
    return x / xp.maximum(xp.sqrt(xp.sum(xp.square(x))), eps)
