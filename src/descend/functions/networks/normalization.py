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


@composition(
    Sample((2, 4, 3), 2, (4,), (4,)),
    Sample((2, 4), 2),
    Sample((2, 2, 2, 2), 1, eps=1e-3),
    Sample((0, 2, 2), 2),
)
def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    """(x - mean) / sqrt(variance + eps) * weight + bias, within each group of channels of a sample.

    x is (N, C, ...), its C channels ``num_groups`` groups of neighbours; ``weight`` and ``bias``
    are (C,). Wu and He, 2018, https://doi.org/10.48550/arXiv.1803.08494.

    >>> F.group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2).round(3)
    array([[-1.,  1., -1.,  1.]])
    """
    x = as_operand(x)
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ValueError(
            f"group_norm: x {shape_of(x)} came, (N, C) or (N, C, ...) is needed whose C channels "
            f"divide into num_groups={num_groups}"
        )
    for name, part in (("weight", weight), ("bias", bias)):
        _check_shape("group_norm", name, part, (x.shape[1],))
    if x.dtype == np.float16:
        y = group_norm(F.astype(x, np.float32), num_groups, weight, bias, eps)
        return F.astype(y, np.float16)
    return _within_groups(x, weight, bias, groups=num_groups, eps=eps)


@fused
def _within_groups(x: Any, weight: Any, bias: Any, *, groups: int, eps: float) -> Any:
    shape = (x.shape[0], groups, prod(x.shape[1:]) // groups)
    y = _within_samples(F.reshape(x, shape), None, None, axes=-1, eps=eps)
    y, row = F.reshape(y, x.shape), _row(x)
    y = y if weight is None else y * F.reshape(weight, row)
    return y if bias is None else y + F.reshape(bias, row)


@composition(
    Sample((2, 3, 4)),
    Sample((2, 2, 2, 2), None, None, (2,), (2,), eps=1e-3),
    Sample((2, 2, 3), np.array([0.5, 0.0]), np.array([1.0, 0.5]), use_input_stats=False),
)
def instance_norm(
    x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,
    momentum=0.1, eps=1e-5,
):  # fmt: skip
    """(x - mean) / sqrt(variance + eps) * weight + bias, for each channel of each sample.

    x is (N, C, ...) with at least one axis behind the channels; the other arrays are (C,). With
    ``use_input_stats`` mean and variance are the sample's own, and the running ones, where there
    are some, are moved towards their averages over the batch, as in `batch_norm`; without, they
    are the running ones. Raises ValueError where one element a channel has no variance. Ulyanov,
    Vedaldi and Lempitsky, 2016, https://doi.org/10.48550/arXiv.1607.08022.

    >>> F.instance_norm(np.array([[[1.0, 3.0], [10.0, 30.0]]])).round(3)
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """
    x = as_operand(x)
    if x.ndim < 3:
        raise ValueError(f"instance_norm: x {shape_of(x)} came, (N, C, ...) is needed")
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError(
                "instance_norm: without use_input_stats it needs running_mean and running_var"
            )
        return batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
    channels, count = x.shape[1], prod(x.shape[2:])
    for name, part in (
        ("running_mean", running_mean), ("running_var", running_var), ("weight", weight),
        ("bias", bias),
    ):  # fmt: skip
        _check_shape("instance_norm", name, part, (channels,))
    if count < 2:
        raise ValueError(
            f"instance_norm: x {x.shape} has {count} values a channel, at least 2 are needed"
        )
    _check_written("instance_norm", running_mean, running_var)
    y = group_norm(x, max(channels, 1), weight, bias, eps)
    if running_mean is not None or running_var is not None:
        values = F.stop_gradient(x)
        values = F.astype(values, np.float32) if x.dtype == np.float16 else values
        axes = tuple(range(2, x.ndim))
        _move(running_mean, F.mean(values, (0, *axes)), momentum)
        _move(running_var, F.mean(F.var(values, axes, ddof=1), 0), momentum)
    return y


@composition(
    Sample((2, 3, 4), 4),
    Sample((2, 3, 4), [3, 4], (3, 4), eps=1e-3),
    Sample((4,), 4, (4,)),
)
def rms_norm(x, normalized_shape, weight=None, eps=None):
    """x / sqrt(mean(x**2) + eps) * weight, within each sample.

    ``normalized_shape`` is the shape of the last axes of x, over which the mean is taken;
    ``weight`` has this shape. ``eps`` is the distance from 1 to the next number of x's dtype if
    None. Zhang and Sennrich, 2019, https://doi.org/10.48550/arXiv.1910.07467.

    >>> F.rms_norm(np.array([3.0, 4.0]), 2).round(4)
    array([0.8485, 1.1314])
    """
    x = as_operand(x)
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"rms_norm: x {shape_of(x)} does not end with normalized_shape {shape}")
    _check_shape("rms_norm", "weight", weight, shape)
    if eps is None:
        eps = float(np.finfo(x.dtype if x.dtype.kind == "f" else np.float64).eps)
    if x.dtype == np.float16:
        return F.astype(rms_norm(F.astype(x, np.float32), shape, weight, eps), np.float16)
    return _by_root_mean_square(x, weight, axes=tuple(range(-len(shape), 0)), eps=eps)


@fused
def _by_root_mean_square(x: Any, weight: Any, *, axes: Any, eps: float) -> Any:
    y = x * (F.mean(F.square(x), axes, keepdims=True) + eps) ** -0.5
    return y if weight is None else y * weight


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
    _check_written("batch_norm", running_mean, running_var)
    return count


def _check_written(op: str, running_mean: Any, running_var: Any) -> None:
    """TypeError if a running statistic is given that cannot be moved."""
    for name, part in (("running_mean", running_mean), ("running_var", running_var)):
        if part is not None and not isinstance(part, Variable):
            raise TypeError(
                f"{op}: {name} is {kind_of(part)}, training needs a Variable to write into"
            )


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
