"""Losses of representations: like things near to each other, unlike ones apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.losses.common import pair, reduced
from descend.functions.registry import Sample, composition


@composition(
    Sample((3, 4), (3, 4), np.array([1, -1, -1])),
    Sample((2, 3), (2, 3), np.array([-1, 1]), margin=-0.5, reduction="none"),
    Sample((3,), (3,), np.array(-1), margin=-1.0),
)
def cosine_embedding_loss(x0, x1, t, margin=0.0, reduction="mean"):
    """1 - cos where t is 1, max(0, cos - margin) where t is -1: cos is `cosine_similarity`.

    x0 and x1 are (N, D) or (D,), t (N,) or ().

    >>> x0, x1 = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 2.0], [3.0, 0.0]])
    >>> F.cosine_embedding_loss(x0, x1, np.array([1, -1]), reduction="none")
    array([1., 1.])
    """
    name = "cosine_embedding_loss"
    x0, x1 = pair(name, x0, x1)
    t = as_operand(t)
    if x0.ndim not in (1, 2) or t.shape != x0.shape[:-1]:
        raise ValueError(
            f"{name}: x0 {shape_of(x0)} and t {shape_of(t)} came, (N, D) and (N,), or (D,) and () "
            f"are needed"
        )
    cos = F.cosine_similarity(x0, x1, axis=-1)
    each = F.where(array_of(t) > 0, 1 - cos, F.relu(cos - margin))
    return reduced(name, each, reduction)


@composition(
    Sample((3, 4), (3, 4), (3, 4)),
    Sample((2, 3), (2, 3), (2, 3), margin=2.0, swap=True, reduction="none"),
    Sample((3,), (3,), (3,), margin=4.0, p=1.0),
)
def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"
):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin): d is `pairwise_distance`.

    All are (N, D) or (D,). With ``swap``, d(positive, negative) is taken where it is less than
    d(anchor, negative). Balntas, Riba, Ponsa and Mikolajczyk, 2016,
    https://doi.org/10.5244/C.30.119.

    >>> a, p, n = np.array([[0.0]]), np.array([[1.0]]), np.array([[1.5]])
    >>> F.triplet_margin_loss(a, p, n).round(4).item()
    0.5
    """
    name = "triplet_margin_loss"
    anchor, positive, negative = as_operand(anchor), as_operand(positive), as_operand(negative)
    if not anchor.shape == positive.shape == negative.shape or anchor.ndim == 0:
        raise ValueError(
            f"{name}: anchor {shape_of(anchor)}, positive {shape_of(positive)} and negative "
            f"{shape_of(negative)} came, the same (N, D) or (D,) is needed"
        )
    near = F.pairwise_distance(anchor, positive, p, eps)
    far = F.pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = F.minimum(far, F.pairwise_distance(positive, negative, p, eps))
    return reduced(name, F.relu(near - far + margin), reduction)


@composition(
    Sample((3, 4), (3, 4)),
    Sample((2, 3), (2, 3), (4, 3), temperature=0.5, reduction="none"),
    Sample((1, 2), (1, 2)),
)
def info_nce(x0, x1, negatives=None, temperature=0.1, reduction="mean"):
    """Cross entropy of finding, for each row of x0, its own row of x1 among all others.

    x0 and x1 are (N, D); the logits are cosines divided by ``temperature``. The others are the rest
    of x1, or, if given, ``negatives`` (M, D) instead. Van den Oord, Li and Vinyals, 2018,
    https://doi.org/10.48550/arXiv.1807.03748.

    >>> F.info_nce(np.eye(2), np.eye(2), temperature=1.0).round(4).item()
    0.3133
    """
    x0, x1 = pair("info_nce", x0, x1)
    negatives = None if negatives is None else as_operand(negatives)
    others = x1 if negatives is None else negatives
    if x0.ndim != 2 or others.ndim != 2 or others.shape[1] != x0.shape[1]:
        rest = "" if negatives is None else f" and negatives {shape_of(negatives)}"
        raise ValueError(
            f"info_nce: x0 {shape_of(x0)}{rest} came, (N, D){rest and ' and (M, D)'} is needed"
        )
    if not temperature > 0:
        raise ValueError(f"info_nce: temperature is {temperature}, more than 0 is needed")
    logits = _logits(x0, x1, negatives, temperature=temperature)
    alone = negatives is not None
    t = np.zeros(x0.shape[0], np.int64) if alone else np.arange(x0.shape[0])
    return F.cross_entropy(logits, t, reduction=reduction)


@fused
def _logits(x0: Any, x1: Any, negatives: Any, *, temperature: float) -> Any:
    x0, x1 = F.normalize(x0, axis=1) / temperature, F.normalize(x1, axis=1)
    if negatives is None:
        return F.matmul(x0, F.transpose(x1))
    own = F.sum(x0 * x1, axis=1, keepdims=True)
    others = F.matmul(x0, F.transpose(F.normalize(negatives, axis=1)))
    return F.concatenate([own, others], axis=1)
