"""How near vectors are to each other: distances, angles, and forms of two vectors.

A distance of 0 has the gradient 0: of all its slopes there, the one that favours no direction.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.axis import axis_of
from descend.functions.registry import Sample, composition


@composition(
    Sample((2, 3), (2, 3)),
    Sample((2, 3, 2), (3, 1), axis=-2),
    Sample((3,), (2, 3), axis=-1),
)
def cosine_similarity(x0, x1, axis=1, eps=1e-8):
    """The cosine of the angle between the vectors of x0 and x1 along ``axis``.

    The shapes broadcast. Lengths less than ``eps`` count as ``eps``: of a vector of zeros the
    similarity is 0.

    >>> F.cosine_similarity(np.array([[1.0, 0.0]]), np.array([[2.0, 2.0]])).round(4)
    array([0.7071])
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    try:
        shape = np.broadcast_shapes(x0.shape, x1.shape)
    except ValueError:
        raise ValueError(
            f"cosine_similarity: x0 {shape_of(x0)} and x1 {shape_of(x1)} do not broadcast"
        ) from None
    axis = axis_of("cosine_similarity", axis, len(shape)) - len(shape)
    if min(x0.ndim, x1.ndim) < -axis or x0.shape[axis] != x1.shape[axis]:
        x0, x1 = F.broadcast_to(x0, shape), F.broadcast_to(x1, shape)
    return _cosine(x0, x1, axis=axis, eps=eps)


@fused
def _cosine(x0: Any, x1: Any, *, axis: int, eps: float) -> Any:
    length0, length1 = (F.maximum(length(x, 2.0, axis), eps) for x in (x0, x1))
    return F.sum(x0 * x1, axis) / length0 / length1


@composition(
    Sample((3, 4), (3, 4)),
    Sample((3, 4), (4,), p=1.0, keepdims=True),
    Sample((4,), (4,), p=3.0),
    Sample((2, 3), (2, 3), p=inf),
)
def pairwise_distance(x0, x1, p=2.0, eps=1e-6, keepdims=False):
    """The p-norm of x0 - x1 + eps along the last axis, each vector of x0 with its own of x1.

    The shapes broadcast. ``eps`` keeps the distance of equal vectors away from 0; with ``eps=0`` it
    is 0, with gradient 0.

    >>> F.pairwise_distance(np.array([[0.0, 3.0]]), np.array([[4.0, 0.0]]), eps=0.0)
    array([5.])
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    if x0.ndim == 0 or x1.ndim == 0:
        raise ValueError(
            f"pairwise_distance: x0 {shape_of(x0)} and x1 {shape_of(x1)} came, (..., D) is needed"
        )
    return _pairwise(x0, x1, p=_order("pairwise_distance", p), eps=eps, keepdims=keepdims)


@fused
def _pairwise(x0: Any, x1: Any, *, p: float, eps: float, keepdims: bool) -> Any:
    return length(x0 - x1 + eps if eps else x0 - x1, p, -1, keepdims=keepdims)


@composition(
    Sample((2, 3), (4, 3)),
    Sample((2, 2, 3), (1, 3), p=1.0),
    Sample((2, 3), (2, 3), p=3.0),
    Sample((2, 2), (3, 2), p=1.5),
    Sample((2, 2), (3, 2), p=inf),
    Sample((0, 2), (3, 2)),
)
def cdist(x0, x1, p=2.0):
    """The p-norm of the difference of each vector of x0 and each of x1.

    x0 is (..., M, D), x1 (..., N, D), the result (..., M, N); the leading axes broadcast. Equal
    vectors have the distance 0, with gradient 0. ``p`` may be 0 (how many elements differ) or inf
    (the largest difference).

    >>> F.cdist(np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[3.0, 4.0]]))
    array([[5.],
           [4.]])
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    if min(x0.ndim, x1.ndim) < 2 or x0.shape[-1] != x1.shape[-1]:
        raise ValueError(
            f"cdist: x0 {shape_of(x0)} and x1 {shape_of(x1)} came, "
            f"(..., M, D) and (..., N, D) are needed"
        )
    return _cdist(x0, x1, p=_order("cdist", p))


@fused
def _cdist(x0: Any, x1: Any, *, p: float) -> Any:
    # By products, as |a|**2 + |b|**2 - 2 a b, near vectors would lose all digits
    return length(F.expand_dims(x0, -2) - F.expand_dims(x1, -3), p, -1)


@composition(
    Sample((3, 2), (3, 4), (2, 2, 4), (2,)),
    Sample((2,), (3,), (1, 2, 3)),
    Sample((2, 2, 2), (2, 2, 1), (3, 2, 1)),
)
def bilinear(x0, x1, weight, bias=None):
    """The forms x0 @ weight[k] @ x1 + bias[k], for each k.

    x0 is (..., in0), x1 (..., in1), weight (out, in0, in1), bias (out,) or None; the result is
    (..., out).

    >>> F.bilinear(np.array([1.0, 2.0]), np.array([3.0]), np.array([[[1.0], [10.0]]]))
    array([63.])
    """
    x0, x1, weight = as_operand(x0), as_operand(x1), as_operand(weight)
    fits = weight.ndim == 3 and min(x0.ndim, x1.ndim) > 0
    if not fits or x0.shape[:-1] != x1.shape[:-1] or (
        weight.shape[1:] != (x0.shape[-1], x1.shape[-1])
    ):  # fmt: skip
        raise ValueError(
            f"bilinear: x0 {shape_of(x0)}, x1 {shape_of(x1)} and weight {shape_of(weight)} came, "
            f"(..., in0), (..., in1) and (out, in0, in1) are needed"
        )
    terms = F.expand_dims(x0, -1) * F.expand_dims(x1, -2)
    count = prod(weight.shape[1:])
    terms = F.reshape(terms, (*x0.shape[:-1], count))
    weight = F.reshape(weight, (weight.shape[0], count))
    return F.linear(terms, weight) if bias is None else F.linear(terms, weight, bias)


def length(x: Any, p: float, axis: Any, *, keepdims: bool = False) -> Any:
    """The p-norm along ``axis``; where it is 0 so is its gradient, to any order."""
    if p == 0:
        return F.sum(F.where(array_of(x) != 0, F.ones_like(x), 0), axis, keepdims)
    if p == 1:
        return F.sum(F.abs(x), axis, keepdims)
    if p == inf:
        return F.max(F.abs(x), axis, keepdims)
    if p == 2:
        total = F.sum(F.square(x), axis, keepdims)
    else:
        # Elements that are 0 are left out: their powers with a negative exponent, which are in
        # some derivative, are infinite
        none = array_of(x) == 0
        total = F.sum(F.where(none, 0, F.abs(F.where(none, 1, x)) ** p), axis, keepdims)
    same = array_of(total) == 0
    total = F.where(same, 1, total)
    return F.where(same, 0, F.sqrt(total) if p == 2 else total ** (1 / p))


def _order(name: str, p: float) -> float:
    """The order of a norm, after a check."""
    if not p >= 0:
        raise ValueError(f"{name}: p is {p}, a number from 0 on is needed")
    return float(p)
