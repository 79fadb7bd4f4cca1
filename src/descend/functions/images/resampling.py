"""Images at other places than their own: on a finer or coarser grid, or wherever a grid says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import ceil, floor, prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import Array, get_array_module
from descend.core.function import Function, as_operand
from descend.core.variable import array_of
from descend.functions.images.pooling import WindowSpread
from descend.functions.images.windows import LAYOUTS, Lengths, Windows, per_axis
from descend.functions.registry import Sample, composition


class Resample(Function):
    """Weighted sums along an axis: y[i] is the sum over t of weights[t, i] * x[places[t, i]].

    ``axis`` counts from the end, where x has ``length``. A weight of 0 keeps even an infinite
    element out; without weights there is one place for each i, whose element is taken.
    """

    def __init__(
        self, axis: int, length: int, places: np.ndarray, weights: np.ndarray | None = None
    ) -> None:
        self.axis = axis
        self.length = length
        self.places = places
        self.weights = weights

    def forward(self, x):
        xp = get_array_module(x)
        if self.weights is None:
            return xp.take(x, xp.asarray(self.places[0]), axis=self.axis)
        wide = x.astype(np.float32) if x.dtype == np.float16 else x
        y: Any = None
        for places, weights in zip(self.places, self.weights, strict=True):
            part = xp.take(wide, xp.asarray(places), axis=self.axis)
            weights = weights.reshape(-1, *(1,) * (-self.axis - 1)).astype(wide.dtype)
            if not weights.all():
                part = xp.where(xp.asarray(weights != 0), part, xp.asarray(0, wide.dtype))
            if not (weights == 1).all():
                part = part * xp.asarray(weights)
            y = part if y is None else y + part
        return y.astype(x.dtype, copy=False)

    def backward(self, gy):
        places, weights = self._adjoint()
        return Resample(self.axis, self.places.shape[1], places, weights)(gy)

    def _adjoint(self) -> tuple[np.ndarray, np.ndarray]:
        """For each element of x which of y have it, with which weights: again (t, i)."""
        tap, to = np.nonzero(np.ones(self.places.shape) if self.weights is None else self.weights)
        taken = self.places[tap, to]
        order = np.argsort(taken, kind="stable")
        tap, to, taken = tap[order], to[order], taken[order]
        rank = np.arange(len(taken)) - np.searchsorted(taken, taken)
        shape = (int(rank.max(initial=0)) + 1, self.length)
        places, weights = np.zeros(shape, np.int64), np.zeros(shape)
        places[rank, taken] = to
        weights[rank, taken] = 1 if self.weights is None else self.weights[tap, to]
        return places, weights


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
            places, weights = _resampling(mode, length, n, step, bool(align_corners), antialias)
            x = Resample(axis - axes, length, places, weights)(x)
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


def _resampling(
    mode: str, length: int, n: int, step: float, align_corners: bool, antialias: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Which elements of an axis each of n new ones is the sum of, with which weights."""
    if mode.startswith("nearest"):
        begin = 0.5 if mode == "nearest-exact" else 0
        if step == length / n:  # exactly, as 49 * (1 / 49) is less than 1
            places = ((2 * np.arange(n) + int(2 * begin)) * length) // (2 * n)
        else:
            places = np.floor((np.arange(n) + begin) * step).astype(np.int64)
        return np.minimum(places, length - 1)[None], None
    cubic = mode == "bicubic"
    if antialias:
        return _antialiased(length, n, step, cubic)
    positions = np.arange(n) * step if align_corners else (np.arange(n) + 0.5) * step - 0.5
    if not cubic:
        positions = np.clip(positions, 0, length - 1)
    first = np.floor(positions).astype(np.int64)
    weights = cubic_weights(positions - first) if cubic else linear_weights(positions - first)
    offsets = np.arange(-1, 3) if cubic else np.arange(2)
    return np.clip(first + offsets[:, None], 0, length - 1), np.stack(weights)


def _antialiased(length: int, n: int, step: float, cubic: bool) -> tuple[np.ndarray, np.ndarray]:
    """The weights of a filter as wide as the new elements, where these are wider than the old."""
    wide = max(step, 1.0)
    reach = (2 if cubic else 1) * wide
    middles = (np.arange(n) + 0.5) * step
    first = np.maximum((middles - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((middles + reach + 0.5).astype(np.int64), length)
    places = first + np.arange(ceil(reach) * 2 + 1)[:, None]
    distances = np.abs((places - middles + 0.5) / wide)
    weights = _keys(distances, -0.5) if cubic else np.maximum(1 - distances, 0)
    weights = np.where(places < last, weights, 0)
    return np.minimum(places, length - 1), weights / weights.sum(0)


def linear_weights(t: Any) -> list[Any]:
    """The weights of the two elements around a place that is t behind the first."""
    return [1 - t, t]


def cubic_weights(t: Any) -> list[Any]:
    """The weights of the four elements around a place that is t behind the second."""
    a = -0.75

    def near(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _keys(d: np.ndarray, a: float) -> np.ndarray:
    """The cubic convolution kernel at distances from its middle."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d < 1, near, np.where(d < 2, far, 0))


# ---- at places that a grid names ----------------------------------------------------------------


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

    # A row for each element of the images, and one of zeros for what lies outside
    N, C = x.shape[:2]
    rows = F.reshape(F.moveaxis(x, 1, -1), (N * prod(lengths), C))
    outside = rows.shape[0]
    rows = F.pad(rows, ((0, 1), (0, 0)))
    y = None
    for parts in product(*taps):
        index = np.arange(N).reshape(-1, *(1,) * axes)
        inside, weight = True, None
        for (at, own), length in zip(parts, lengths, strict=True):
            inside = (at >= 0) & (at < length) & inside
            index = index * length + at
            weight = own if weight is None or own is None else weight * own
        part = F.getitem(rows, xp.where(inside, index, outside))
        if weight is not None:
            part = part * F.expand_dims(weight, -1)
        y = part if y is None else y + part
    return F.astype(F.moveaxis(y, -1, 1), dtype)


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
