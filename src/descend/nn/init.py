"""Filling parameters with their first values.

Each function rebinds ``x.data``, keeps its shape and dtype, and answers x. ``rng`` is a
`descend.Generator`, a seed, or None for the default generator.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import TypeVar

import numpy as np

from descend.core.variable import Variable
from descend.functions.random import Generator, rng_or_default

V = TypeVar("V", bound=Variable)

GAINS = {
    "linear": 1.0,
    "conv2d": 1.0,
    "conv_transpose2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance of activations, by the name of what follows the layer.

    ``param`` is the negative slope of "leaky_relu", 0.01 if None.
    """
    if nonlinearity == "leaky_relu":
        return sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise ValueError(
            f"calculate_gain: nonlinearity={nonlinearity!r} came, there are "
            f"{', '.join([*GAINS, 'leaky_relu'])}"
        )
    return GAINS[nonlinearity]


def fans(x: Variable) -> tuple[int, int]:
    """How many inputs each output has and how many outputs each input: (fan in, fan out).

    x is (out, in), or (out, in, ...) with the axes of a window.
    """
    if x.ndim < 2:
        raise ValueError(f"init: x {x.shape} has no fan: (out, in) or (out, in, ...) is needed")
    window = prod(x.shape[2:])
    return x.shape[1] * window, x.shape[0] * window


def constant_(x: V, val: float) -> V:
    """Every element ``val``."""
    x.data = np.full(x.shape, val, x.dtype)
    return x


def zeros_(x: V) -> V:
    """Every element 0."""
    return constant_(x, 0)


def ones_(x: V) -> V:
    """Every element 1."""
    return constant_(x, 1)


def uniform_(x: V, a: float = 0.0, b: float = 1.0, rng: Generator | int | None = None) -> V:
    """Spread evenly over a <= x < b."""
    x.data = rng_or_default("uniform_", rng).uniform(x.shape, a, b, x.dtype)
    return x


def normal_(x: V, mean: float = 0.0, std: float = 1.0, rng: Generator | int | None = None) -> V:
    """Normally distributed."""
    x.data = rng_or_default("normal_", rng).normal(x.shape, mean, std, x.dtype)
    return x


def trunc_normal_(
    x: V,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    rng: Generator | int | None = None,
) -> V:
    """Normally distributed, given that it lies between a and b."""
    if not (a < b and std > 0):
        raise ValueError(f"trunc_normal_: a={a}, b={b}, std={std} came; a < b and std > 0 needed")
    from scipy.special import ndtr, ndtri

    u = rng_or_default("trunc_normal_", rng).uniform(x.shape, dtype=np.float64)
    low, high = ndtr((a - mean) / std), ndtr((b - mean) / std)
    x.data = np.clip(mean + std * ndtri(low + u * (high - low)), a, b).astype(x.dtype)
    return x


def xavier_uniform_(x: V, gain: float = 1.0, rng: Generator | int | None = None) -> V:
    """Uniform with the standard deviation gain * sqrt(2 / (fan in + fan out)).

    Glorot and Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a.html.
    """
    bound = gain * sqrt(6 / sum(fans(x)))
    return uniform_(x, -bound, bound, rng)


def xavier_normal_(x: V, gain: float = 1.0, rng: Generator | int | None = None) -> V:
    """Normal with the standard deviation gain * sqrt(2 / (fan in + fan out))."""
    return normal_(x, 0.0, gain * sqrt(2 / sum(fans(x))), rng)


def kaiming_uniform_(
    x: V,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Generator | int | None = None,
) -> V:
    """Uniform with the standard deviation gain / sqrt(fan); ``a`` is the slope of a leaky relu.

    He, Zhang, Ren and Sun, 2015, https://doi.org/10.1109/ICCV.2015.123.
    """
    bound = sqrt(3) * calculate_gain(nonlinearity, a) / sqrt(_fan(x, mode))
    return uniform_(x, -bound, bound, rng)


def kaiming_normal_(
    x: V,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Generator | int | None = None,
) -> V:
    """Normal with the standard deviation gain / sqrt(fan); ``a`` is the slope of a leaky relu."""
    return normal_(x, 0.0, calculate_gain(nonlinearity, a) / sqrt(_fan(x, mode)), rng)


def orthogonal_(x: V, gain: float = 1.0, rng: Generator | int | None = None) -> V:
    """Rows (or columns, if there are fewer) of length ``gain`` at right angles; (out, ...).

    Saxe, McClelland and Ganguli, 2014, https://doi.org/10.48550/arXiv.1312.6120.
    """
    if x.ndim < 2:
        raise ValueError(f"orthogonal_: x {x.shape} came, at least two axes are needed")
    rows, columns = x.shape[0], prod(x.shape[1:])
    shape = (max(rows, columns), min(rows, columns))
    normal = rng_or_default("orthogonal_", rng).normal(shape, dtype=np.float64)
    q, r = np.linalg.qr(normal)
    q = q * np.sign(np.diag(r))  # else the signs of the columns are not uniform
    x.data = (gain * (q.T if rows < columns else q)).reshape(x.shape).astype(x.dtype)
    return x


def _fan(x: Variable, mode: str) -> int:
    """The fan that ``mode`` names."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'init: mode={mode!r} came, "fan_in" or "fan_out" is needed')
    return max(fans(x)[mode == "fan_out"], 1)
