"""Images on a finer or coarser grid than their own."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, floor
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.function import as_operand
from descend.functions.images.kernels import cubic_weights, keys, linear_weights
from descend.functions.images.pooling import WindowSpread
from descend.functions.images.taps import Resample, Taps
from descend.functions.images.windows import LAYOUTS, Lengths, Windows, per_axis
from descend.functions.registry import Sample, composition

MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "trilinear": (3,),
}
"""The ways to interpolate, with the numbers of spatial axes that each is for."""


@composition(
    Sample((1, 2, 3, 4), scale_factor=2),
    Sample((1, 2, 5), size=3, mode="nearest-exact"),
    Sample((1, 2, 4), size=7, mode="linear"),
    Sample((1, 2, 3, 4), size=(5, 2), mode="bilinear", align_corners=True),
    Sample((1, 1, 4, 3), scale_factor=(1.5, 2.0), mode="bicubic"),
    Sample((1, 1, 2, 3, 2), size=(3, 2, 3), mode="trilinear"),
    Sample((1, 1, 7, 5), size=(3, 4), mode="bilinear", antialias=True),
)
def interpolate(
    x,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """x (N, C, L), (N, C, H, W) or (N, C, D, H, W) with other lengths.

    The new lengths are ``size``, or floor(length * ``scale_factor``): one number, or one for each
    axis. An element is as wide as the image divided by its length, and a new one gets the value of
    the image at its middle; with ``align_corners`` the middles of the first and last elements stay
    where they are (of one new element, that is the first).

    ``mode`` is "nearest" (the element in which the new one begins), "nearest-exact" (in which its
    middle lies), "area" (`adaptive_avg_pool2d`), or by the number of axes "linear", "bilinear" or
    "bicubic" (the cubic convolution of Keys, doi:10.1109/TASSP.1981.1163711, with a = -0.75),
    "trilinear". With ``antialias`` the weights of "bilinear" and "bicubic" (a = -0.5) become as
    wide as the new elements where these are wider.

    A ``scale_factor`` is also the distance of the new elements, unless ``recompute_scale_factor``.

    >>> F.interpolate(np.array([[[0.0, 4.0]]]), scale_factor=2, mode="linear")
    array([[[0., 1., 3., 4.]]])
    """
    x = as_operand(x)
    axes = x.ndim - 2
    if axes not in LAYOUTS or 0 in x.shape[2:]:
        layouts = ", ".join(f"(N, {layout})" for layout in LAYOUTS.values())
        raise ValueError(
            f"interpolate: x {x.shape} came, one of {layouts} is needed, with elements"
        )
    _check_mode(mode, axes, align_corners, antialias)
    lengths = x.shape[2:]
    sizes, distances = _new_lengths(lengths, size, scale_factor, recompute_scale_factor)
    if mode == "nearest":  # where PyTorch, too, takes the lengths and not the factor
        distances = tuple(
            length / n if n in (length, 2 * length) else step
            for n, length, step in zip(sizes, lengths, distances, strict=True)
        )
    if mode == "area":
        return getattr(F, f"adaptive_avg_pool{axes}d")(x, sizes)
    if mode == "nearest" and all(
        n % length == 0 and step * n == length
        for n, length, step in zip(sizes, lengths, distances, strict=True)
    ):
        return _repeated(x, sizes)
    if x.dtype.kind in "bui" and not mode.startswith("nearest"):
        x = F.astype(x, np.float64)
    # Axes that shrink come first, so that the others have less to do
    for axis in sorted(range(axes), key=lambda axis: sizes[axis] / lengths[axis]):
        length, n, step = lengths[axis], sizes[axis], distances[axis]
        if align_corners:
            step = (length - 1) / (n - 1) if n > 1 else 0.0
        if (n, step) != (length, 1):
            taps = _taps(mode, length, n, step, bool(align_corners), antialias)
            x = Resample(axis - axes, taps)(x)
    return x


def _check_mode(mode: Any, axes: int, align_corners: Any, antialias: Any) -> None:
    """ValueError where a mode does not fit the number of axes or the other arguments."""
    if axes not in MODES.get(mode, ()):
        fitting = ", ".join(f'"{name}"' for name, fit in MODES.items() if axes in fit)
        raise ValueError(
            f"interpolate: mode={mode!r} came, x has {axes} spatial axes, for which there are "
            f"{fitting}"
        )
    if align_corners is not None and not mode.endswith(("linear", "cubic")):
        raise ValueError(
            f"interpolate: align_corners={align_corners!r} came, which mode={mode!r} does not "
            f"have: leave it out"
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(
            f'interpolate: antialias=True came, which only "bilinear" and "bicubic" have, not '
            f"mode={mode!r}"
        )


def _new_lengths(
    lengths: Lengths, size: Any, scale_factor: Any, recompute: Any
) -> tuple[Lengths, tuple[float, ...]]:
    """The new lengths, and how far apart the new elements are, in old ones."""
    axes = len(lengths)
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"interpolate: size={size!r} and scale_factor={scale_factor!r} came, exactly one of "
            f"them is needed"
        )
    if size is not None:
        sizes = per_axis("interpolate", "size", size, axes, 1)
        return sizes, tuple(n / m for n, m in zip(lengths, sizes, strict=True))
    several = isinstance(scale_factor, (tuple, list))
    factors = tuple(scale_factor) if several else (scale_factor,) * axes
    if len(factors) != axes or not all(floor(n * f) >= 1 for n, f in zip(lengths, factors)):  # noqa: B905
        raise ValueError(
            f"interpolate: scale_factor={scale_factor!r} came, a number or {axes} of them are "
            f"needed, which leave at least one element of {lengths}"
        )
    sizes = tuple(floor(n * f) for n, f in zip(lengths, factors, strict=True))
    if recompute:
        return sizes, tuple(n / m for n, m in zip(lengths, sizes, strict=True))
    return sizes, tuple(1 / f for f in factors)


def _repeated(x: Any, sizes: Lengths) -> Any:
    """Each element as often as it comes: the commonest case, in which windows do not overlap."""
    times = tuple(n // length for n, length in zip(sizes, x.shape[2:], strict=True))
    one, zero = (1,) * len(times), (0,) * len(times)
    return WindowSpread(Windows(times, times, one, zero, zero), sizes)(x)


@lru_cache
def _taps(
    mode: str, length: int, n: int, step: float, align_corners: bool, antialias: bool
) -> Taps:
    """Which elements of an axis each of n new ones is the sum of, with which weights."""
    if mode.startswith("nearest"):
        begin = 0.5 if mode == "nearest-exact" else 0
        if step == length / n:  # exactly, as 49 * (1 / 49) is less than 1
            places = ((2 * np.arange(n) + int(2 * begin)) * length) // (2 * n)
        else:
            places = np.floor((np.arange(n) + begin) * step).astype(np.int64)
        return Taps(length, np.minimum(places, length - 1)[None])
    cubic = mode == "bicubic"
    if antialias:
        return _antialiased(length, n, step, cubic)
    positions = np.arange(n) * step if align_corners else (np.arange(n) + 0.5) * step - 0.5
    if not cubic:
        positions = np.clip(positions, 0, length - 1)
    first = np.floor(positions).astype(np.int64)
    weights = cubic_weights(positions - first) if cubic else linear_weights(positions - first)
    offsets = np.arange(-1, 3) if cubic else np.arange(2)
    return Taps(length, np.clip(first + offsets[:, None], 0, length - 1), np.stack(weights))


def _antialiased(length: int, n: int, step: float, cubic: bool) -> Taps:
    """The weights of a filter as wide as the new elements, where these are wider than the old."""
    wide = max(step, 1.0)
    reach = (2 if cubic else 1) * wide
    middles = (np.arange(n) + 0.5) * step
    first = np.maximum((middles - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((middles + reach + 0.5).astype(np.int64), length)
    places = first + np.arange(ceil(reach) * 2 + 1)[:, None]
    distances = np.abs((places - middles + 0.5) / wide)
    weights = keys(distances, -0.5) if cubic else np.maximum(1 - distances, 0)
    weights = np.where(places < last, weights, 0)
    return Taps(length, np.minimum(places, length - 1), weights / weights.sum(0))
