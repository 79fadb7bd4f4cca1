"""Losses: how far an output is from its target, in one number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.arrays import as_array, get_array_module, is_inexact
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.registry import Sample, composition

PAIRS = (
    Sample((3, 4), (3, 4)),
    Sample((3,), (3,), reduction="sum"),
    Sample((2, 3), (2, 3), reduction="none"),
    Sample((), ()),
)
CLASSES = np.array([2, 0, 2])
SOFT = np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]])


@composition(*PAIRS)
def mse_loss(x, t, reduction="mean"):
    """The squared difference of x and t: its mean, its "sum", or each one ("none").

    The shapes must be equal: nothing is broadcast.

    >>> F.mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array(2.)
    """
    return _squared_error(*pair("mse_loss", x, t), reduction=reduction)


@fused
def _squared_error(x: Any, t: Any, *, reduction: str) -> Any:
    return reduced("mse_loss", F.square(x - t), reduction)


@composition(*PAIRS)
def l1_loss(x, t, reduction="mean"):
    """The absolute difference of x and t: its mean, its "sum", or each one ("none").

    The shapes must be equal: nothing is broadcast.

    >>> F.l1_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array(1.)
    """
    x, t = pair("l1_loss", x, t)
    return reduced("l1_loss", F.abs(x - t), reduction)


@composition(
    Sample((3, 4), CLASSES),
    Sample((3, 4), CLASSES, np.array([0.5, 2.0, 1.0, 3.0]), label_smoothing=0.1),
    Sample((3, 4), CLASSES, ignore_index=0, reduction="sum"),
    Sample((2, 3, 2), np.array([[0, 2], [1, 1]]), reduction="none"),
    Sample((4,), np.array(1)),
    Sample((2, 3), SOFT, np.array([0.5, 2.0, 1.0])),
    Sample((2, 3), (2, 3), label_smoothing=0.2, low=0.1, high=1),
)
def cross_entropy(
    x, t, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0, axis=1
):
    """The negative logarithm of the probability that softmax(x) gives to the target.

    x are logits with the classes along ``axis``: (N, C), (N, C, ...), or (C,) alone. t is either
    the index of the class, integers in x's shape without ``axis``, or the probability of every
    class, floating point in x's shape. ``weight`` (C,) scales each class; ``label_smoothing`` takes
    that part of the target and spreads it evenly over the classes.

    The mean over indices is weighted by their ``weight``, and leaves out those equal to
    ``ignore_index``; where no target counts it is 0, with gradient 0. The mean over probabilities
    divides by the number of samples. A class of probability or weight 0 adds 0, even where its
    logit is -inf.

    >>> F.cross_entropy(np.array([[0.0, 0.0], [0.0, 3.0]]), np.array([0, 1])).round(4).item()
    0.3709
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing is {label_smoothing}, 0 to 1 is needed")
    x, t = as_operand(x), as_operand(t)
    axis = class_axis("cross_entropy", x, axis)
    weight = class_weight("cross_entropy", weight, x.shape[axis])
    settings = {"reduction": reduction, "label_smoothing": label_smoothing, "axis": axis}
    if t.dtype.kind == "f":
        return _soft_cross_entropy(x, t, weight, **settings)
    index, counted = class_index("cross_entropy", x, t, ignore_index, axis)
    return _hard_cross_entropy(x, index, counted, weight, **settings)


@fused
def _hard_cross_entropy(
    x: Any,
    index: Any,
    counted: Any,
    weight: Any,
    *,
    reduction: str,
    label_smoothing: float,
    axis: int,
) -> Any:
    """Cross entropy with a class for each sample."""
    logp = F.log_softmax(x, axis)
    each, share = _picked(logp, index, counted, weight, axis)
    if label_smoothing:
        spread = logp if weight is None else times(_along(weight, logp, axis), logp)
        spread = F.where(counted, -F.mean(spread, axis), 0)
        each = (1 - label_smoothing) * each + label_smoothing * spread
    return _weighted("cross_entropy", each, share, reduction)


@composition(
    Sample((3, 4), CLASSES),
    Sample((3, 4), CLASSES, np.array([0.5, 2.0, 1.0, 3.0])),
    Sample((3, 4), CLASSES, ignore_index=0, reduction="sum"),
    Sample((2, 3, 2), np.array([[0, 2], [1, 1]]), reduction="none"),
)
def nll_loss(x, t, weight=None, ignore_index=-100, reduction="mean", axis=1):
    """Minus x at the target: `cross_entropy` of logarithms of probabilities.

    x is (N, C) or (N, C, ...), t the index of the class, integers in x's shape without ``axis``.

    >>> F.nll_loss(np.log(np.array([[0.5, 0.5], [0.2, 0.8]])), np.array([0, 1]), reduction="none")
    array([0.69314718, 0.22314355])
    """
    x, t = as_operand(x), as_operand(t)
    axis = class_axis("nll_loss", x, axis)
    weight = class_weight("nll_loss", weight, x.shape[axis])
    index, counted = class_index("nll_loss", x, t, ignore_index, axis)
    each, share = _picked(x, index, counted, weight, axis)
    return _weighted("nll_loss", each, share, reduction)


@composition(
    Sample((3, 4), (3, 4)),
    Sample((3, 2), (3, 2), np.array([[1.0], [2.0], [0.0]]), reduction="sum"),
    Sample((3, 2), (3, 2), pos_weight=np.array([3.0, 0.5]), reduction="none"),
)
def binary_cross_entropy_with_logits(x, t, weight=None, pos_weight=None, reduction="mean"):
    """-pos_weight * t * log(p) - (1 - t) * log(1 - p) with p = sigmoid(x), times ``weight``.

    x and t have one shape; ``weight`` and ``pos_weight`` broadcast to it. A term whose factor is 0
    adds 0, even where x is infinite.

    >>> x, t = np.array([0.0, -1000.0]), np.array([1.0, 1.0])
    >>> F.binary_cross_entropy_with_logits(x, t, reduction="none")
    array([6.93147181e-01, 1.00000000e+03])
    """
    x, t = pair("binary_cross_entropy_with_logits", x, t)
    return _binary_cross_entropy(x, t, weight, pos_weight, reduction=reduction)


@fused
def _binary_cross_entropy(x: Any, t: Any, weight: Any, pos_weight: Any, *, reduction: str) -> Any:
    name = "binary_cross_entropy_with_logits"
    positive = t if pos_weight is None else t * pos_weight
    each = -times(positive, F.logsigmoid(x)) - times(1 - t, F.logsigmoid(-x))
    if each.shape == x.shape and weight is not None:
        each = each * weight
    if each.shape != x.shape:
        raise ValueError(
            f"{name}: weight {np.shape(array_of(weight))} and pos_weight "
            f"{np.shape(array_of(pos_weight))} must broadcast to x {x.shape}"
        )
    return reduced(name, each, reduction)


def pair(name: str, x: Any, t: Any) -> tuple[Any, Any]:
    """Output and target, after a check that their shapes are equal.

    A target of integers or booleans comes back in x's dtype, which it must not promote.
    """
    x, t = as_operand(x), as_operand(t)
    if t.dtype.kind in "biu" and is_inexact(x.dtype):
        t = F.astype(t, x.dtype)
    if x.shape != t.shape:
        raise ValueError(
            f"{name}: x {shape_of(x)} and t {shape_of(t)} must have the same shape: "
            f"reshape one of them"
        )
    return x, t


def reduced(name: str, losses: Any, reduction: str) -> Any:
    """The mean or the sum of the losses, or all of them."""
    if reduction == "mean":
        return F.mean(losses)
    if reduction == "sum":
        return F.sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f'{name}: reduction={reduction!r} came, "mean", "sum" or "none" is needed')


def _weighted(name: str, losses: Any, share: Any, reduction: str) -> Any:
    """`reduced`, where each loss counts ``share`` in the mean."""
    if reduction != "mean":
        return reduced(name, losses, reduction)
    total = F.sum(share)
    return F.sum(losses) / F.where(array_of(total) == 0, 1, total).astype(losses.dtype)


# ---- classes ----------------------------------------------------------------------------------


@fused
def _soft_cross_entropy(
    x: Any, t: Any, weight: Any, *, reduction: str, label_smoothing: float, axis: int
) -> Any:
    """Cross entropy with a probability for every class."""
    logp = F.log_softmax(x, axis)
    if t.shape != logp.shape:
        raise ValueError(
            f"cross_entropy: x {logp.shape} and t {t.shape} of {t.dtype}, probabilities, must have "
            f"the same shape: class numbers are integers"
        )
    if label_smoothing:
        t = (1 - label_smoothing) * t + label_smoothing / logp.shape[axis]
    factor = t if weight is None else t * _along(weight, logp, axis)
    each = -F.sum(times(factor, logp), axis)
    return reduced("cross_entropy", each, reduction)


def class_axis(name: str, x: Any, axis: int) -> int:
    """The axis of the classes; a single sample (C,) has only one."""
    if x.ndim == 0:
        raise ValueError(f"{name}: x has no axis, (N, C) or (C,) is needed")
    return 0 if x.ndim == 1 else normalize_axis_index(axis, x.ndim)


def class_weight(name: str, weight: Any, classes: int) -> Any:
    """The weights of the classes, after a check of their shape."""
    if weight is None:
        return None
    weight = as_operand(weight)
    if weight.shape != (classes,):
        raise ValueError(f"{name}: weight {shape_of(weight)} came, ({classes},) is needed")
    return weight


def class_index(name: str, x: Any, t: Any, ignore_index: int | None, axis: int) -> tuple[Any, Any]:
    """The class of each sample (0 where it is ignored), and whether it counts: arrays."""
    t = array_of(t)
    classes, shape = x.shape[axis], x.shape[:axis] + x.shape[axis + 1 :]
    if t.dtype.kind not in "iu":
        raise TypeError(f"{name}: t is {t.dtype}, class numbers are integers: t.astype(int)")
    if t.shape != shape:
        raise ValueError(
            f"{name}: t {t.shape} holds class numbers, for x {x.shape} with its classes along axis "
            f"{axis} it must be {shape}"
        )
    xp = get_array_module(t)
    counted = t == t if ignore_index is None else t != ignore_index
    index = xp.where(counted, t, 0)
    # Only NumPy's arrays are looked at: asking a GPU would wait for it.
    if isinstance(index, np.ndarray) and index.size:
        for wrong in (index.min(), index.max()):
            if not 0 <= wrong < classes:
                raise ValueError(
                    f"{name}: t has the class {wrong}, x {x.shape} has classes 0 to {classes - 1}"
                )
    elif not isinstance(index, np.ndarray):  # below 0 it would count from the end
        index = xp.where(index < 0, classes, index)
    return index, as_array(counted)


def _picked(logp: Any, index: Any, counted: Any, weight: Any, axis: int) -> tuple[Any, Any]:
    """The loss of each sample and how much it counts in the mean."""
    # take_along_axis without the axis of length 1 that it would leave
    xp = get_array_module(index)
    lines = [
        xp.reshape(xp.arange(length), (-1,) + (1,) * (index.ndim - 1 - i))
        for i, length in enumerate(index.shape)
    ]
    each = -F.getitem(logp, (*lines[:axis], index, *lines[axis:]))
    if not isinstance(counted, np.ndarray) or not counted.all():
        each = F.where(counted, each, 0)
    if weight is None:
        return each, counted
    share = F.where(counted, F.take(weight, index), 0)
    return times(share, each), share


def _along(weight: Any, x: Any, axis: int) -> Any:
    """The weights of the classes in a shape that broadcasts along x's ``axis``."""
    return F.reshape(weight, (-1,) + (1,) * (x.ndim - axis - 1))


def times(factor: Any, x: Any) -> Any:
    """factor * x, where a factor of 0 makes 0 of an infinite x."""
    infinite = array_of(F.isinf(x)) & (array_of(factor) == 0)
    if isinstance(infinite, np.ndarray) and not infinite.any():
        return factor * x
    return factor * F.where(infinite, 0, x)
