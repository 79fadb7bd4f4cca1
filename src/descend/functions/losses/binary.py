"""Losses for targets that are yes or no: 1, 0, or a probability between."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.axis import axes_of
from descend.functions.losses.common import pair, reduced
from descend.functions.registry import Sample, composition

SHARES: dict[str, Any] = {"low": 0.1, "high": 0.9}


@composition(
    Sample((3, 4), (3, 4), **SHARES),
    Sample((3, 2), np.array([[1.0, 0.0]] * 3), np.array([[1.0], [2.0], [0.0]]), **SHARES),
    Sample((3,), (3,), reduction="none", **SHARES),
)
def binary_cross_entropy(x, t, weight=None, reduction="mean"):
    """-t * log(x) - (1 - t) * log(1 - x), times ``weight``, of probabilities x.

    x and t have one shape; ``weight`` broadcasts to it. Logarithms are held at -100, where their
    slope is 0: a wrong answer without doubt costs 100. Of logits,
    `binary_cross_entropy_with_logits` is exact.

    >>> F.binary_cross_entropy(np.array([0.5, 0.0]), np.array([1.0, 1.0]), reduction="none")
    array([  0.69314718, 100.        ])
    """
    x, t = pair("binary_cross_entropy", x, t)
    values = array_of(x)
    if isinstance(values, np.ndarray) and ((values < 0) | (values > 1)).any():
        raise ValueError(
            f"binary_cross_entropy: x has elements from {values.min():.4g} to {values.max():.4g}, "
            f"probabilities from 0 to 1 are needed: binary_cross_entropy_with_logits takes logits"
        )
    weight = None if weight is None else as_operand(weight)
    if weight is not None and not _broadcasts(weight.shape, x.shape):
        raise ValueError(
            f"binary_cross_entropy: weight {weight.shape} must broadcast to x {x.shape}"
        )
    return _binary_cross_entropy(x, t, weight, reduction=reduction)


@fused
def _binary_cross_entropy(x: Any, t: Any, weight: Any, *, reduction: str) -> Any:
    each = -t * _held_log(x) - (1 - t) * _held_log(1 - x)
    each = each if weight is None else each * weight
    return reduced("binary_cross_entropy", each, reduction)


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _held_log(x: Any) -> Any:
    """The logarithm, at least -100."""
    tiny = array_of(x) <= exp(-100)
    return F.where(tiny, -100, F.log(F.where(tiny, 1, x)))


@composition(
    Sample((3, 4), np.array([[1.0, 0.0, 1.0, 0.0]] * 3)),
    Sample((3,), np.array([1.0, 0.0, 0.5]), alpha=-1, gamma=1.5, reduction="none"),
    Sample((2, 2), (2, 2), gamma=3, reduction="sum", **SHARES),
)
def focal_loss(x, t, alpha=0.25, gamma=2.0, reduction="mean"):
    """Binary cross entropy of logits x, times (1 - p)**gamma where p is how much of t was right.

    What is answered well already counts little. Positives count ``alpha``, negatives 1 - alpha;
    ``alpha=-1`` counts both once. Lin, Goyal, Girshick, He and Dollár, 2017,
    https://doi.org/10.48550/arXiv.1708.02002.

    >>> x, t = np.array([4.0, -4.0]), np.array([1.0, 1.0])
    >>> F.focal_loss(x, t, alpha=-1, reduction="none").round(4)
    array([0.    , 3.8749])
    """
    if alpha != -1 and not 0 <= alpha <= 1:
        raise ValueError(f"focal_loss: alpha is {alpha}, 0 to 1 or -1 is needed")
    x, t = pair("focal_loss", x, t)
    return _focal_loss(x, t, alpha=alpha, gamma=gamma, reduction=reduction)


@fused
def _focal_loss(x: Any, t: Any, *, alpha: float, gamma: float, reduction: str) -> Any:
    each = -t * F.logsigmoid(x) - (1 - t) * F.logsigmoid(-x)
    wrong = t * F.sigmoid(-x) + (1 - t) * F.sigmoid(x)  # 1 - p without cancellation
    each = each * wrong**gamma
    if alpha != -1:
        each = each * (alpha * t + (1 - alpha) * (1 - t))
    return reduced("focal_loss", each, reduction)


@composition(
    Sample((2, 3, 2), np.array([[[1.0, 0.0]] * 3, [[0.0, 1.0]] * 3]), **SHARES),
    Sample((2, 4), (2, 4), axis=1, smooth=0.0, reduction="none", **SHARES),
    Sample((3,), (3,), axis=0, **SHARES),
)
def dice_loss(x, t, axis=None, smooth=1.0, reduction="mean"):
    """1 - (2 * sum(x * t) + smooth) / (sum(x) + sum(t) + smooth): how little two regions overlap.

    x are probabilities, t is 1 inside the region and 0 outside. Sums run over ``axis``, over all
    axes but the first if None. Where x, t and ``smooth`` are all 0 the loss is 0. Milletari, Navab
    and Ahmadi, 2016, https://doi.org/10.48550/arXiv.1606.04797.

    >>> F.dice_loss(np.array([[1.0, 1.0, 1.0]]), np.array([[0.0, 1.0, 0.0]]), smooth=0.0)
    array(0.5)
    """
    x, t = pair("dice_loss", x, t)
    axes = axes_of("dice_loss", range(1, x.ndim) if axis is None else axis, x.ndim)
    return _dice_loss(x, t, axes=axes, smooth=smooth, reduction=reduction)


@fused
def _dice_loss(x: Any, t: Any, *, axes: tuple[int, ...], smooth: float, reduction: str) -> Any:
    total = F.sum(x, axes) + F.sum(t, axes) + smooth
    nothing = array_of(total) == 0
    overlap = (2 * F.sum(x * t, axes) + smooth) / F.where(nothing, 1, total)
    return reduced("dice_loss", F.where(nothing, 0, 1 - overlap), reduction)
