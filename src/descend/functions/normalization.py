"""Bringing elements to mean 0 and variance 1: over a batch, or within each sample."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.arrays import as_array
from descend.core.errors import kind_of, shape_of
from descend.core.function import as_operand
from descend.core.variable import Variable, array_of
from descend.functions.registry import Sample, composition


@composition(
    Sample((2, 3, 4), normalized_shape=(4,)),
    Sample((2, 3, 4), normalized_shape=(3, 4)),
    Sample((3, 4), 4, (4,), (4,)),
    Sample((0, 3), 3),
)
def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """(x - mean) / sqrt(variance + eps) * weight + bias, within each sample.

    ``normalized_shape`` is the shape of the last axes of x, over which mean and variance are taken;
    ``weight`` and ``bias`` have this shape. Ba, Kiros and Hinton, 2016,
    https://doi.org/10.48550/arXiv.1607.06450.

    >>> F.layer_norm(np.array([[1.0, 2.0, 3.0]]), 3).round(3)
    array([[-1.225,  0.   ,  1.225]])
    """
    x = as_operand(x)
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"layer_norm: x {shape_of(x)} does not end with normalized_shape {shape}")
    for name, part in (("weight", weight), ("bias", bias)):
        _check_shape("layer_norm", name, part, shape)
    if x.dtype == np.float16:
        y = layer_norm(F.astype(x, np.float32), shape, weight, bias, eps)
        return F.astype(y, np.float16)
    return _within_samples(x, weight, bias, axes=tuple(range(-len(shape), 0)), eps=eps)


@fused
def _within_samples(x: Any, weight: Any, bias: Any, *, axes: Any, eps: float) -> Any:
    centred = x + -F.mean(x, axes, keepdims=True)  # x - mean would negate the whole gradient
    variance = F.mean(F.square(centred), axes, keepdims=True)
    y = centred * (variance + eps) ** -0.5
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@composition(
    Sample((4, 3), None, None, (3,), (3,), training=True),
    Sample((3, 2, 2, 2), None, None, training=True),
    Sample((4, 3), np.array([0.5, 0.0, -1.0]), np.array([1.0, 0.5, 2.0]), (3,), (3,)),
    Sample((2, 2, 2, 2), np.array([0.5, 0.0]), np.array([1.0, 0.5])),
)
def batch_norm(
    x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """(x - mean) / sqrt(variance + eps) * weight + bias, for each channel.

    x is (N, C) or (N, C, ...); the other arrays are (C,). When training, mean and variance are
    those of the batch, and the running ones are moved towards them: ``momentum`` is the part of the
    new. They are Variables whose ``data`` is rebound, or None. Elsewhere mean and variance are
    the running ones. The variance that normalizes divides by n, the one that is remembered by
    n - 1.

    Raises ValueError when training on one value a channel, which has no variance. Ioffe and
    Szegedy, 2015, https://doi.org/10.48550/arXiv.1502.03167.

    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> F.batch_norm(x, None, None, training=True).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    x = as_operand(x)
    if x.ndim < 2:
        raise ValueError(f"batch_norm: x {shape_of(x)} came, (N, C) or (N, C, ...) is needed")
    channels = (x.shape[1],)
    given = {
        "running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias
    }  # fmt: skip
    for name, part in given.items():
        _check_shape("batch_norm", name, part, channels)
    if x.dtype == np.float16:
        x = F.astype(x, np.float32)
        y = batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
        return F.astype(y, np.float16)
    if training:
        count = _count(x, running_mean, running_var)
        y, mean, variance = _of_the_batch(x, weight, bias, eps=eps)
        _move(running_mean, mean, momentum)
        _move(running_var, array_of(variance) * (count / (count - 1)), momentum)
        return y
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm: without training it needs running_mean and running_var")
    return _by_statistics(x, running_mean, running_var, weight, bias, eps=eps)


@fused
def _of_the_batch(x: Any, weight: Any, bias: Any, *, eps: float) -> Any:
    """The elements, normalized, and the mean and variance that they had: arrays."""
    axes = (0, *range(2, x.ndim))
    mean = F.mean(x, axes, keepdims=True)
    centred = x + -mean  # x - mean would negate the whole gradient before it is summed
    variance = F.mean(F.square(centred), axes, keepdims=True)
    y = _scaled(centred, variance, weight, bias, eps)
    return y, array_of(mean), array_of(variance)


@fused
def _by_statistics(x: Any, mean: Any, variance: Any, weight: Any, bias: Any, *, eps: float) -> Any:
    row = _row(x)
    centred = x - F.reshape(mean, row)
    return _scaled(centred, F.reshape(variance, row), weight, bias, eps)


def _scaled(centred: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    row = _row(centred)
    scale = (variance + eps) ** -0.5
    y = centred * (scale if weight is None else scale * F.reshape(weight, row))
    return y if bias is None else y + F.reshape(bias, row)


def _row(x: Any) -> tuple[int, ...]:
    """The shape in which an array with a number for each channel broadcasts to x."""
    return (1, -1) + (1,) * (x.ndim - 2)


def _count(x: Any, running_mean: Any, running_var: Any) -> int:
    """How many values there are for each channel, after checks of what training needs."""
    count = prod((x.shape[0], *x.shape[2:]))
    if count < 2:
        raise ValueError(
            f"batch_norm: x {x.shape} has {count} values a channel, training needs at least 2: "
            f"use a larger batch, or training=False"
        )
    for name, part in (("running_mean", running_mean), ("running_var", running_var)):
        if part is not None and not isinstance(part, Variable):
            raise TypeError(
                f"batch_norm: {name} is {kind_of(part)}, training needs a Variable to write into"
            )
    return count


def _move(running: Variable | None, new: Any, momentum: Any) -> None:
    """Rebind a running statistic to (1 - momentum) of itself and ``momentum`` of the new."""
    if running is not None:
        old = running.data
        moved = old * (1 - momentum) + array_of(new).reshape(old.shape) * momentum
        running.data = as_array(moved.astype(old.dtype))


def _check_shape(op: str, name: str, x: Any, shape: tuple[int, ...]) -> None:
    """ValueError if an array is given that has not this shape."""
    if x is not None and np.shape(array_of(x)) != shape:
        raise ValueError(f"{op}: {name} {np.shape(array_of(x))} came, {shape} is needed")
