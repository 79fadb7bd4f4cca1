"""Random variables: samples of distributions, differentiable in their parameters where they can be.

A sample of `normal`, `uniform`, `exponential` and `gumbel_softmax` is a function of the parameters
and of noise that does not depend on them: its gradient is that of this function, by which the
gradient of an expectation is estimated. Kingma and Welling, 2013,
https://doi.org/10.48550/arXiv.1312.6114.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.arrays import as_array, get_array_module, is_inexact
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import Variable, array_of
from descend.functions.axis import axis_of
from descend.functions.random import rng_or_default
from descend.functions.registry import Sample, composition


@composition(
    Sample((3,), (3,), rng=1, low=0.5),
    Sample((2, 1), 2.0, rng=2),
    Sample(1.0, (3,), shape=(2, 3), rng=3, low=0.5),
)
def normal(mean=0.0, std=1.0, shape=None, rng=None, dtype=None):
    """mean + std * e, with e normally distributed, drawn in the order of the result.

    ``mean`` and ``std`` broadcast to ``shape``, which is theirs if None. The dtype is theirs, or
    float32 if both are numbers.

    >>> F.normal(np.array([0.0, 10.0]), 0.001, rng=0).round(1)
    array([-0., 10.])
    """
    mean, std = _operand(mean), _operand(std)
    shape, dtype = _result("normal", shape, dtype, mean=mean, std=std)
    noise = _on_device(rng_or_default("normal", rng).normal(shape, dtype=dtype), mean, std)
    return mean + std * noise


@composition(
    Sample((3,), 3.0, rng=1),
    Sample((2, 1), (3,), rng=2),
    Sample(0.0, (), shape=(2,), rng=3),
)
def uniform(low=0.0, high=1.0, shape=None, rng=None, dtype=None):
    """low + (high - low) * u, with u spread evenly over 0 <= u < 1, in the order of the result.

    ``low`` and ``high`` broadcast to ``shape``, which is theirs if None. The dtype is theirs, or
    float32 if both are numbers.

    >>> y = F.uniform(np.array([0.0, 100.0]), np.array([1.0, 101.0]), rng=0)
    >>> y.astype(int)
    array([  0, 100])
    """
    low, high = _operand(low), _operand(high)
    shape, dtype = _result("uniform", shape, dtype, low=low, high=high)
    noise = _on_device(rng_or_default("uniform", rng).uniform(shape, dtype=dtype), low, high)
    return low + (high - low) * noise


@composition(Sample((3,), rng=1, low=0.5), Sample((2, 1), shape=(2, 3), rng=2, low=0.5))
def exponential(scale=1.0, shape=None, rng=None, dtype=None):
    """-scale * log(1 - u), with u spread evenly over 0 <= u < 1: waiting times of mean ``scale``.

    ``scale`` broadcasts to ``shape``, which is its own if None.

    >>> F.exponential(np.array([1.0, 1e6]), rng=0) > 10
    array([False,  True])
    """
    scale = _operand(scale)
    shape, dtype = _result("exponential", shape, dtype, scale=scale)
    noise = _exponential(rng_or_default("exponential", rng), shape, dtype)
    return scale * _on_device(noise.astype(dtype, copy=False), scale)


@composition(
    Sample(np.array([0.0, 1.0, 0.5]), rng=1), Sample(np.array([[0.3], [0.6]]), shape=(2, 3), rng=2)
)
def bernoulli(p, shape=None, rng=None):
    """1 with probability ``p`` and 0 elsewhere, in p's dtype; it has no gradient.

    ``p`` broadcasts to ``shape``, which is its own if None.

    >>> F.bernoulli(np.array([0.0, 1.0]), rng=0)
    array([0., 1.])
    """
    p = as_operand(p)
    values = array_of(p)
    if isinstance(values, np.ndarray) and not ((values >= 0) & (values <= 1)).all():
        raise ValueError("bernoulli: p has elements outside of 0 to 1, probabilities are needed")
    shape, dtype = _result("bernoulli", shape, None, p=p)
    wide = np.float64 if dtype == np.float64 else np.float32
    noise = _on_device(rng_or_default("bernoulli", rng).uniform(shape, dtype=wide), p)
    return _constant((noise < values).astype(dtype), p)


@composition(
    Sample(np.array([[0.0, 1.0], [2.0, -1.0]]), rng=1),
    Sample(np.array([[0.0, 1.0], [2.0, -1.0]]), axis=0, shape=(3,), rng=2),
)
def categorical(logits, axis=-1, shape=(), rng=None):
    """Class numbers, drawn with the probabilities softmax(logits) along ``axis``; no gradient.

    The result has the shape of ``logits`` without ``axis``, with ``shape``, as many independent
    draws, before it. The class of the largest logit + Gumbel noise is taken. Of logits that are
    all -inf it is 0.

    >>> F.categorical(np.array([[0.0, 1000.0], [1000.0, 0.0]]), rng=0)
    array([1, 0])
    """
    x = as_operand(logits)
    axis = axis_of("categorical", axis, x.ndim) - x.ndim
    x = F.stop_gradient(x)
    noise = _gumbel(rng_or_default("categorical", rng), (*shape, *x.shape), _floating(x.dtype))
    values = array_of(x) + _on_device(noise, x)
    return _constant(get_array_module(values).argmax(values, axis=axis), logits)


@composition(
    Sample((3, 4), rng=1),
    Sample((2, 3), tau=0.5, axis=0, rng=2),
    Sample((2, 3), hard=True, rng=3, order=0),
)
def gumbel_softmax(logits, tau=1.0, hard=False, axis=-1, rng=None):
    """softmax((logits + g) / tau) along ``axis``, with Gumbel noise g: nearly one class, drawn.

    The lower the temperature ``tau``, the nearer to 0 and 1. With ``hard`` the values are exactly
    those of the class that got most, 1 and 0, while the gradient stays that of the soft ones. Jang,
    Gu and Poole, 2016, https://doi.org/10.48550/arXiv.1611.01144.

    >>> F.gumbel_softmax(np.array([0.0, 1000.0]), hard=True, rng=0)
    array([0., 1.])
    """
    x = as_operand(logits)
    if not tau > 0:
        raise ValueError(f"gumbel_softmax: tau is {tau}, more than 0 is needed")
    axis = axis_of("gumbel_softmax", axis, x.ndim)
    dtype = _floating(x.dtype)
    noise = _gumbel(rng_or_default("gumbel_softmax", rng), x.shape, dtype).astype(dtype, copy=False)
    y = F.softmax((x + _on_device(noise, x)) / tau, axis)
    if not hard:
        return y
    values = array_of(y)
    xp = get_array_module(values)
    classes = xp.reshape(xp.arange(y.shape[axis]), (-1,) + (1,) * (y.ndim - axis - 1))
    chosen = xp.expand_dims(xp.argmax(values, axis=axis), axis) == classes
    return F.straight_through(y, chosen.astype(y.dtype))


# ---- noise ------------------------------------------------------------------------------------


def _exponential(rng: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Exponentially distributed numbers: float64, or float32 for that and what is shorter."""
    wide = np.float64 if dtype == np.float64 else np.float32
    return _waiting(rng.uniform(shape, dtype=wide))


@fused
def _waiting(u: Any) -> Any:
    return -get_array_module(u).log1p(-u)


def _gumbel(rng: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Gumbel noise, -log of exponentially distributed numbers; its dtype is as theirs."""
    noise = _exponential(rng, shape, dtype)
    # The least number drawn is 0, for all between 0 and the next one: half of that stands for them
    least = 2.0**-54 if noise.dtype == np.float64 else 2.0**-25
    xp = get_array_module(noise)
    return -xp.log(xp.maximum(noise, least))


# ---- arguments --------------------------------------------------------------------------------


def _operand(x: Any) -> Any:
    """A parameter: a number as it is, all else as an array."""
    return x if isinstance(x, (int, float)) else as_operand(x)


def _result(name: str, shape: Any, dtype: Any, **parameters: Any) -> tuple[Any, np.dtype[Any]]:
    """The shape and the dtype of a sample."""
    shapes = [np.shape(array_of(x)) for x in parameters.values()]
    try:
        broadcast = np.broadcast_shapes(*shapes)
        if shape is not None:
            shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
            if np.broadcast_shapes(broadcast, shape) != shape:
                raise ValueError
    except ValueError:
        came = ", ".join(f"{what} {shape_of(x)}" for what, x in parameters.items())
        wanted = "" if shape is None else f" to shape {shape}"
        raise ValueError(f"{name}: {came} do not broadcast{wanted}") from None
    kinds = [x.dtype for x in parameters.values() if hasattr(x, "dtype")]
    if dtype is None:
        dtype = _floating(np.result_type(*kinds)) if kinds else np.float32
    return broadcast if shape is None else shape, np.dtype(dtype)


def _floating(dtype: Any) -> np.dtype[Any]:
    """The dtype, or float64 for integers."""
    return np.dtype(dtype if is_inexact(np.dtype(dtype)) else np.float64)


def _on_device(noise: Any, *parameters: Any) -> Any:
    """Noise where the parameters are: the generator may be on the CPU where they are not."""
    if isinstance(noise, np.ndarray):
        return get_array_module(*(array_of(x) for x in parameters)).asarray(noise)
    return noise


def _constant(y: Any, x: Any) -> Any:
    """An array, as a constant Variable if x is a Variable."""
    y = as_array(y)
    return Variable(y, requires_grad=False) if isinstance(x, Variable) else y
