"""Dropout: elements, channels or samples set to 0 at random while training.

Half words of the generator are drawn, one for each thing that is kept or dropped, in x's order.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.arrays import get_array_module, is_inexact
from descend.core.config import config
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.networks.rectifiers import SELU_ALPHA, SELU_SCALE
from descend.functions.random import rng_or_default
from descend.functions.registry import Sample, composition


@composition(
    Sample((3, 4), p=0.0),
    Sample((3, 4), p=1.0),
    Sample((3, 4), training=False),
    Sample((3, 4), p=0.3, training=True, rng=1),
    Sample((), training=True, rng=1),
    Sample((0, 3), training=True, rng=1),
)
def dropout(x, p=0.5, training=None, rng=None):
    """x with each element set to 0 with probability ``p`` and the others divided by 1 - p.

    Unchanged when not training; None asks ``using_config("train", ...)``. One half word is drawn
    an element, in x's order. Srivastava et al., JMLR 15, 2014,
    https://jmlr.org/papers/v15/srivastava14a.html.

    >>> F.dropout(np.ones(6), p=0.5, rng=0)
    array([0., 0., 2., 0., 0., 0.])
    """
    x = as_operand(x)
    return _dropped("dropout", x, x.shape, p, training, rng)


@composition(
    Sample((2, 3, 2), training=True, rng=2),
    Sample((4, 2), p=0.3, training=True, rng=1),
    Sample((2, 3, 2), training=False),
)
def dropout1d(x, p=0.5, training=None, rng=None):
    """`dropout` of whole channels of x, (N, C, L) or (C, L).

    Tompson, Goroshin, Jain, LeCun and Bregler, 2014, https://doi.org/10.48550/arXiv.1411.4280.

    >>> F.dropout1d(np.ones((1, 3, 2)), p=0.5, rng=0)
    array([[[0., 0.],
            [0., 0.],
            [2., 2.]]])
    """
    return _channels_dropped("dropout1d", x, 1, p, training, rng)


@composition(
    Sample((2, 3, 2, 1), training=True, rng=2), Sample((4, 2, 1), p=0.3, training=True, rng=1)
)
def dropout2d(x, p=0.5, training=None, rng=None):
    """`dropout` of whole channels of x, (N, C, H, W) or (C, H, W).

    >>> F.dropout2d(np.ones((3, 1, 2)), p=0.5, rng=0)
    array([[[0., 0.]],
    <BLANKLINE>
           [[0., 0.]],
    <BLANKLINE>
           [[2., 2.]]])
    """
    return _channels_dropped("dropout2d", x, 2, p, training, rng)


@composition(
    Sample((2, 3, 2, 1, 1), training=True, rng=2),
    Sample((4, 2, 1, 1), p=0.3, training=True, rng=1),
)
def dropout3d(x, p=0.5, training=None, rng=None):
    """`dropout` of whole channels of x, (N, C, D, H, W) or (C, D, H, W).

    >>> F.dropout3d(np.ones((1, 3, 1, 1, 2)), p=0.5, rng=0).sum(axis=(2, 3, 4))
    array([[0., 0., 4.]])
    """
    return _channels_dropped("dropout3d", x, 3, p, training, rng)


@composition(
    Sample((4, 2), training=True, rng=1),
    Sample((3, 2, 2), p=0.3, training=True, rng=2),
    Sample((3, 2), training=False),
)
def drop_path(x, p=0.5, training=None, rng=None):
    """`dropout` of whole samples, the entries of x along its first axis: stochastic depth.

    Huang, Sun, Liu, Sedra and Weinberger, 2016, https://doi.org/10.48550/arXiv.1603.09382.

    >>> F.drop_path(np.ones((3, 2)), p=0.5, rng=0)
    array([[0., 0.],
           [0., 0.],
           [2., 2.]])
    """
    x = as_operand(x)
    if x.ndim == 0:
        raise ValueError("drop_path: x has no axis, (N, ...) is needed")
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return _dropped("drop_path", x, shape, p, training, rng)


@composition(
    Sample((3, 4), training=True, rng=1),
    Sample((3, 4), p=0.2, training=True, rng=2),
    Sample((3,), p=1.0, training=True),
    Sample((3, 4), training=False),
)
def alpha_dropout(x, p=0.5, training=None, rng=None):
    """x with each element, with probability ``p``, set to what `selu` answers far left of 0.

    Then x is scaled and moved so that mean 0 and variance 1 stay. With p = 1 all is 0. Klambauer,
    Unterthiner, Mayr and Hochreiter, 2017, https://doi.org/10.48550/arXiv.1706.02515.

    >>> F.alpha_dropout(np.zeros(3), p=0.5, rng=0).round(4)
    array([-0.7792, -0.7792,  0.7792])
    """
    name = "alpha_dropout"
    x = as_operand(x)
    rng = _checked(name, x, p, training, rng)
    if rng is None:
        return x
    if p == 1:
        return x * 0
    factors = _draw(x, x.shape, p, rng, scale=1.0)
    low = -SELU_SCALE * SELU_ALPHA
    scale = ((1 - p) * (1 + p * low**2)) ** -0.5
    return _kept_or_low(x, factors, low=low, scale=scale, shift=-scale * p * low)


@fused
def _kept_or_low(x: Any, factors: Any, *, low: float, scale: float, shift: float) -> Any:
    kept = array_of(factors) != 0
    return F.where(kept, x * scale + shift, low * scale + shift)


def _channels_dropped(name: str, x: Any, axes: int, p: float, training: Any, rng: Any) -> Any:
    """x with channels dropped, each of which has that many axes."""
    x = as_operand(x)
    if x.ndim not in (axes + 1, axes + 2):
        rest = ", ".join("DHW"[-axes:]) if axes > 1 else "L"
        raise ValueError(f"{name}: x {shape_of(x)} came, (N, C, {rest}) or (C, {rest}) is needed")
    return _dropped(name, x, x.shape[:-axes] + (1,) * axes, p, training, rng)


def _dropped(
    name: str, x: Any, shape: tuple[int, ...], p: float, training: bool | None, rng: Any
) -> Any:
    """x times random factors of that shape, which broadcasts to x's."""
    rng = _checked(name, x, p, training, rng)
    return x if rng is None else x * _draw(x, shape, p, rng, 1 / (1 - p) if p < 1 else 0.0)


def _checked(name: str, x: Any, p: float, training: bool | None, rng: Any) -> Any:
    """The generator to draw from; None where nothing is to be dropped."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is {p}, a probability from 0 to 1 is needed")
    rng = rng_or_default(name, rng)
    if p == 0 or not (config().train if training is None else training):
        return None
    if not is_inexact(x.dtype):
        raise TypeError(f"{name}: x is {x.dtype}, floating point is needed")
    return rng


def _draw(x: Any, shape: tuple[int, ...], p: float, rng: Any, scale: float) -> Any:
    """0 with probability p and ``scale`` elsewhere, on x's device."""
    bits = rng.halves(prod(shape))
    factors = _factors(bits, p=p, scale=scale, shape=shape, dtype=x.dtype)
    if isinstance(factors, np.ndarray):  # the generator may be on the CPU where x is not
        factors = get_array_module(array_of(x)).asarray(factors)
    return factors


@fused
def _factors(bits: Any, *, p: float, scale: float, shape: tuple[int, ...], dtype: Any) -> Any:
    # Half words are whole numbers below 2**32: p is rounded to a multiple of 2**-32.
    kept = bits >= round(p * 2**32) if p < 1 else bits != bits
    return get_array_module(kept).reshape(kept * dtype.type(scale), shape)
