"""Losses that are satisfied once the right answer leads by a margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.arrays import as_array, get_array_module
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.losses.common import class_index, class_weight, pair, reduced
from descend.functions.registry import Sample, composition

SIGNS = np.array([[1, -1], [-1, -1], [1, 1]])
BITS = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


@composition(Sample((3, 2), SIGNS), Sample((3, 2), SIGNS, margin=0.5, reduction="none"))
def hinge_loss(x, t, margin=1.0, reduction="mean"):
    """max(0, margin - t * x), where t is 1 or -1.

    >>> F.hinge_loss(np.array([0.5, 2.0]), np.array([1, -1]), reduction="none")
    array([0.5, 3. ])
    """
    x, t = pair("hinge_loss", x, t)
    return reduced("hinge_loss", F.relu(margin - t * x), reduction)


@composition(Sample((3, 2), SIGNS), Sample((3, 2), SIGNS, margin=0.2, reduction="sum"))
def hinge_embedding_loss(x, t, margin=1.0, reduction="mean"):
    """x, a distance, where t is 1, and max(0, margin - x) where t is -1.

    >>> F.hinge_embedding_loss(np.array([0.25, 0.25]), np.array([1, -1]), reduction="none")
    array([0.25, 0.75])
    """
    x, t = pair("hinge_embedding_loss", x, t)
    each = F.where(array_of(t) > 0, x, F.relu(margin - x))
    return reduced("hinge_embedding_loss", each, reduction)


@composition(
    Sample((3, 2), (3, 2), SIGNS),
    Sample((2,), (2,), np.array([1, -1]), margin=0.5, reduction="none"),
)
def margin_ranking_loss(x0, x1, t, margin=0.0, reduction="mean"):
    """max(0, margin - t * (x0 - x1)): with t = 1, x0 should be the larger, with -1 x1.

    The shapes must be equal: nothing is broadcast.

    >>> F.margin_ranking_loss(np.array([1.0]), np.array([3.0]), np.array([1]))
    array(2.)
    """
    x0, x1 = pair("margin_ranking_loss", x0, x1)
    x0, t = pair("margin_ranking_loss", x0, t)
    return reduced("margin_ranking_loss", F.relu(margin - t * (x0 - x1)), reduction)


@composition(Sample((3, 2), SIGNS), Sample((3, 2), SIGNS, reduction="none"))
def soft_margin_loss(x, t, reduction="mean"):
    """log(1 + exp(-t * x)), without overflow, where t is 1 or -1.

    >>> F.soft_margin_loss(np.array([0.0, -1000.0]), np.array([1, 1]), reduction="none")
    array([6.93147181e-01, 1.00000000e+03])
    """
    return _soft_margin(*pair("soft_margin_loss", x, t), reduction=reduction)


@fused
def _soft_margin(x: Any, t: Any, *, reduction: str) -> Any:
    return reduced("soft_margin_loss", F.softplus(-t * x), reduction)


@composition(
    Sample((3, 4), np.array([2, 0, 3])),
    Sample((3, 2), np.array([1, 0, 1]), p=2, margin=0.5, weight=np.array([0.5, 2.0])),
    Sample((4,), np.array(1), reduction="sum"),
)
def multi_margin_loss(x, t, p=1, margin=1.0, weight=None, reduction="mean"):
    """The sum over the wrong classes i of max(0, margin - x[t] + x[i])**p * weight[t] / C.

    x is (N, C) or (C,), t the class of each sample, (N,) or (). ``p`` is 1 or 2.

    >>> F.multi_margin_loss(np.array([1.0, 0.5, -3.0]), np.array(0)).round(4).item()
    0.1667
    """
    name = "multi_margin_loss"
    x, t = as_operand(x), as_operand(t)
    if x.ndim not in (1, 2) or x.shape[-1] == 0:
        raise ValueError(f"{name}: x {shape_of(x)} came, (N, C) or (C,) is needed")
    if p not in (1, 2):
        raise ValueError(f"{name}: p is {p}, 1 or 2 is needed")
    classes = x.shape[-1]
    weight = class_weight(name, weight, classes)
    index, _ = class_index(name, x, t, None, x.ndim - 1)
    right = index[..., None] == get_array_module(index).arange(classes)
    own = F.sum(F.where(right, x, 0), axis=-1, keepdims=True)
    short = F.where(right, 0, F.relu(margin - own + x))
    each = F.sum(short if p == 1 else F.square(short), axis=-1) / classes
    return reduced(name, each if weight is None else each * F.take(weight, index), reduction)


@composition(
    Sample((2, 4), np.array([[3, 0, -1, 1], [-1, 2, 0, 1]])),
    Sample((2, 3), np.array([[2, 0, 1], [1, -1, 2]]), reduction="none"),
    Sample((4,), np.array([1, 2, -1, 0])),
)
def multilabel_margin_loss(x, t, reduction="mean"):
    """The sum over the classes j of a sample and all others i of max(0, 1 - x[j] + x[i]) / C.

    x is (N, C) or (C,). t has its shape: the numbers of the sample's classes, each once, up to the
    first -1; what follows does not count.

    >>> F.multilabel_margin_loss(np.array([0.5, 0.0, 0.0, 1.5]), np.array([3, 0, -1, 1]))
    array(0.25)
    """
    name = "multilabel_margin_loss"
    x, t = as_operand(x), as_array(array_of(t))
    if x.ndim not in (1, 2) or x.shape[-1] == 0 or t.shape != x.shape:
        raise ValueError(
            f"{name}: x {shape_of(x)} and t {t.shape} came, both (N, C) or (C,) are needed"
        )
    if t.dtype.kind not in "iu":
        raise TypeError(f"{name}: t is {t.dtype}, class numbers are integers: t.astype(int)")
    classes = x.shape[-1]
    if isinstance(t, np.ndarray) and t.size and t.max() >= classes:
        raise ValueError(f"{name}: t has the class {t.max()}, x {x.shape} has 0 to {classes - 1}")
    xp = get_array_module(t)
    counted = xp.cumsum((t < 0).astype("int64"), axis=-1) == 0
    named = counted[..., None] & (t[..., None] == xp.arange(classes))  # (..., place, class)
    among = xp.any(named, axis=-2)
    own = F.sum(F.where(named, F.expand_dims(x, -2), 0), axis=-1, keepdims=True)
    short = F.relu(1 - own + F.expand_dims(x, -2))
    short = F.where(counted[..., None] & ~among[..., None, :], short, 0)
    return reduced(name, F.sum(short, axis=(-1, -2)) / classes, reduction)


@composition(
    Sample((2, 3), BITS),
    Sample((2, 3), BITS, np.array([1.0, 0.5, 2.0]), reduction="none"),
    Sample((3,), BITS[0]),
)
def multilabel_soft_margin_loss(x, t, weight=None, reduction="mean"):
    """The mean over the classes of the binary cross entropy of logits x, for each sample.

    x and t are (..., C); ``weight`` (C,) scales each class.

    >>> x, t = np.array([[0.0, 1000.0]]), np.array([[1.0, 1.0]])
    >>> F.multilabel_soft_margin_loss(x, t).round(4).item()
    0.3466
    """
    name = "multilabel_soft_margin_loss"
    x, t = pair(name, x, t)
    if x.ndim == 0:
        raise ValueError(f"{name}: x has no axis, (..., C) is needed")
    return _multilabel_soft_margin(
        x, t, class_weight(name, weight, x.shape[-1]), reduction=reduction
    )


@fused
def _multilabel_soft_margin(x: Any, t: Any, weight: Any, *, reduction: str) -> Any:
    each = -t * F.logsigmoid(x) - (1 - t) * F.logsigmoid(-x)
    each = each if weight is None else each * weight
    return reduced("multilabel_soft_margin_loss", F.mean(each, -1), reduction)
