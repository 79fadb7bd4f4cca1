"""Images at the places that a grid names."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import Array, get_array_module
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.images.blending import Blend, Chosen
from descend.functions.images.kernels import cubic_weights, linear_weights
from descend.functions.registry import Sample, composition


@composition(
    Sample((2, 2, 3), size=(2, 3, 2, 4)),
    Sample((1, 2, 3), size=(1, 1, 1, 3), align_corners=True),
    Sample((1, 3, 4), size=(1, 1, 2, 1, 2)),
)
def affine_grid(theta, size, align_corners=False):
    """The grid for `grid_sample` that a linear map of each image makes of its places.

    theta (N, 2, 3) with ``size`` (N, C, H, W) gives (N, H, W, 2): theta @ (x, y, 1) at each
    element's middle, where x and y go from -1 to 1 between the image's edges, with
    ``align_corners`` between the middles of its outermost elements (an axis of one element lies at
    0). theta (N, 3, 4) with ``size`` (N, C, D, H, W) gives (N, D, H, W, 3).

    >>> F.affine_grid(np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))
    array([[[[-0.5,  0. ],
             [ 0.5,  0. ]]]])
    """
    theta, size = as_operand(theta), tuple(size)
    axes = len(size) - 2
    if axes not in (2, 3) or theta.shape != (size[0], axes, axes + 1):
        raise ValueError(
            f"affine_grid: theta {theta.shape} and size={size} came, (N, 2, 3) with (N, C, H, W) "
            f"or (N, 3, 4) with (N, C, D, H, W) is needed"
        )
    lengths = size[2:]
    places = np.ones((*lengths, axes + 1))
    for axis, n in enumerate(lengths):
        if align_corners:
            line = np.linspace(-1, 1, n) if n > 1 else np.zeros(n)
        else:
            line = (2 * np.arange(n) + 1) / n - 1
        places[..., axes - 1 - axis] = line.reshape(-1, *(1,) * (axes - 1 - axis))
    rows = places.reshape(-1, axes + 1).astype(theta.dtype)
    return F.reshape(F.matmul(rows, F.swapaxes(theta, 1, 2)), (size[0], *lengths, axes))


@composition(
    Sample((2, 2, 3, 4), (2, 2, 2, 2), low=-1.3, high=1.3),
    Sample((1, 2, 3, 3), (1, 1, 3, 2), padding_mode="border", align_corners=True),
    Sample((1, 1, 3, 4), (1, 2, 2, 2), padding_mode="reflection", mode="bicubic"),
    Sample((1, 1, 2, 3, 2), (1, 1, 1, 2, 3), low=-0.9, high=0.9),
)
def grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False):
    """x (N, C, H, W) at the places of grid (N, H', W', 2): (N, C, H', W').

    A place is (x, y): (-1, -1) is the first corner of the image and (1, 1) the last, with
    ``align_corners`` the middles of the elements there. x (N, C, D, H, W) goes with
    (N, D', H', W', 3). NaN is taken for -1.

    ``mode`` is "bilinear" (of eight elements in a volume), "nearest" (ties to the even one; no
    gradient to the grid) or "bicubic" (images only). Beyond the image ``padding_mode`` puts
    "zeros", the elements of the "border", or the image's "reflection" at its edges.

    From M. Jaderberg et al., "Spatial transformer networks", 2015.

    >>> x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> F.grid_sample(x, np.array([[[[0.0, 0.0], [0.5, -0.5]]]]))
    array([[[[2.5, 2. ]]]])
    """
    x, grid = as_operand(x), as_operand(grid)
    axes = x.ndim - 2
    _check_grid(x, grid, mode, padding_mode)
    lengths = x.shape[2:]
    dtype = np.result_type(x.dtype, grid.dtype)
    if grid.dtype == np.float16:
        grid = F.astype(grid, np.float32)  # places need more digits than values
    xp = get_array_module(array_of(grid))
    grid = F.where(xp.isnan(array_of(grid)), -1, grid)
    taps = []
    for axis, length in enumerate(lengths):
        place = grid[..., axes - 1 - axis]
        scale, middle = (length - 1) / 2 if align_corners else length / 2, (length - 1) / 2
        beyond = _beyond(padding_mode, length, align_corners)
        taps.append(_taps(mode, beyond, place * scale + middle, length))

    # A row for each element of the images; what lies outside has the number behind the last
    N, C = x.shape[:2]
    rows = F.reshape(F.moveaxis(x, 1, -1), (N * prod(lengths), C))
    chosen: list[Any] = []
    weights: list[Any] = []
    for parts in product(*taps):
        index = np.arange(N).reshape(-1, *(1,) * axes)
        inside, weight = True, None
        for (at, own), length in zip(parts, lengths, strict=True):
            inside = (at >= 0) & (at < length) & inside
            index = index * length + at
            weight = own if weight is None or own is None else weight * own
        chosen.append(xp.where(inside, index, rows.shape[0]))
        weights.append(weight)
    y = _blended(rows, chosen, weights)
    return F.astype(F.moveaxis(y, -1, 1), dtype)


def _blended(rows: Any, chosen: list[Any], weights: list[Any]) -> Any:
    """The sums of the rows that are chosen at each place, by their weights."""
    if all(isinstance(array_of(part), np.ndarray) for part in (rows, *chosen)):
        shape, each = chosen[0].shape, (-1, len(chosen))
        if weights[0] is None:
            weights = [np.ones(shape, np.float32)]
        all_rows = Chosen(np.stack(chosen, axis=-1).reshape(each), rows.shape[0])
        y = Blend(all_rows)(rows, F.reshape(F.stack(weights, axis=-1), each))
        return F.reshape(y, (*shape, rows.shape[1]))
    rows = F.pad(rows, ((0, 1), (0, 0)))
    y = None
    for row, weight in zip(chosen, weights, strict=True):
        part = F.getitem(rows, row)
        part = part if weight is None else part * F.expand_dims(weight, -1)
        y = part if y is None else y + part
    return y


def _check_grid(x: Any, grid: Any, mode: Any, padding_mode: Any) -> None:
    """ValueError where the arguments of grid_sample do not fit together."""
    axes = x.ndim - 2
    fits = axes in (2, 3) and grid.ndim == x.ndim and grid.shape[-1] == axes
    if not fits or grid.shape[0] != x.shape[0] or 0 in x.shape[2:]:
        raise ValueError(
            f"grid_sample: x {x.shape} and grid {grid.shape} came, (N, C, H, W) with (N, H', W', "
            f"2) or (N, C, D, H, W) with (N, D', H', W', 3) is needed, images with elements"
        )
    modes = ("bilinear", "nearest", "bicubic")[: 5 - axes]
    for name, value, known in (
        ("mode", mode, modes),
        ("padding_mode", padding_mode, ("zeros", "border", "reflection")),
    ):
        if value not in known:
            names = ", ".join(f'"{one}"' for one in known)
            raise ValueError(f"grid_sample: {name}={value!r} came, one of {names} is needed")


def _beyond(padding_mode: str, length: int, align_corners: bool) -> Callable[[Any], Any]:
    """What takes a place along an axis to the one that stands for it if it lies outside."""
    if padding_mode == "zeros":
        return lambda place: F.clip(place, -4, length + 3)  # so that it fits an integer
    if padding_mode == "border":
        return lambda place: F.clip(place, 0, length - 1)
    low, span = (0.0, length - 1) if align_corners else (-0.5, length)

    def reflected(place: Any) -> Any:
        if span == 0:
            return place * 0
        place = F.abs(place - low)
        xp = get_array_module(array_of(place))
        turns = xp.floor(array_of(place) / span)
        place = place - turns * span
        odd = turns - 2 * xp.floor(turns / 2)
        place = F.where(odd == 0, place, span - place) + low
        return F.clip(place, 0, length - 1)

    return reflected


def _taps(
    mode: str, beyond: Callable[[Any], Any], place: Any, length: int
) -> list[tuple[Array, Any]]:
    """The elements of an axis around each place, and their weights (None: the one element)."""
    xp = get_array_module(array_of(place))
    if mode == "bicubic":
        place = F.clip(place, -1e9, 1e9)
        first = xp.floor(array_of(place))
        weights = cubic_weights(place - first)
        return [
            (beyond(first + offset).astype(np.int64), weight)
            for offset, weight in zip(range(-1, 3), weights, strict=True)
        ]
    place = beyond(place)
    if mode == "nearest":
        return [(xp.round(array_of(place)).astype(np.int64), None)]
    first = xp.floor(array_of(place))
    weights = linear_weights(place - first)
    first = first.astype(np.int64)
    return [(first, weights[0]), (first + 1, weights[1])]
