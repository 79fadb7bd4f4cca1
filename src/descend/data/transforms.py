"""Random changes of a whole batch of images at once.

A transform is called with the images, (N, C, H, W) floating point, and a random generator; it
returns new images of the same dtype and never writes into its input. Each image gets its own draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


class Compose:
    """The given transforms, one after the other.

    >>> Compose(RandomHorizontalFlip(), Normalize(0.5, 0.25))
    Compose(RandomHorizontalFlip(p=0.5), Normalize(mean=0.5, std=0.25))
    """

    def __init__(self, *transforms: Callable[[Array, np.random.Generator], Array]) -> None:
        for i, transform in enumerate(transforms):
            if not callable(transform):
                raise TypeError(
                    f"Compose: transform {i} is {transform!r}, a function of (x, rng) needed: "
                    "pass the transforms one by one, not in a list"
                )
        self.transforms = transforms

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """The images after all transforms."""
        for transform in self.transforms:
            x = transform(x, rng)
        return x

    def __repr__(self) -> str:
        """The transforms in their order."""
        return f"Compose({', '.join(map(repr, self.transforms))})"


class Normalize:
    """The images minus `mean`, divided by `std`: numbers, or one number a channel."""

    def __init__(self, mean: ArrayLike, std: ArrayLike) -> None:
        self.mean, self.std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        for name, value in (("mean", self.mean), ("std", self.std)):
            if value.ndim > 1:
                raise ValueError(
                    f"Normalize: {name} has shape {value.shape}, a number or one a channel needed"
                )
        if not np.all(self.std > 0):
            raise ValueError(f"Normalize: std is {self.std.tolist()}, it must be positive")

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> Array:
        """The normalized images; nothing is random."""
        _check_images(x, "Normalize")
        for name, value in (("mean", self.mean), ("std", self.std)):
            if value.ndim == 1 and len(value) != x.shape[1]:
                raise ValueError(
                    f"Normalize: {name} has {len(value)} numbers, the images have {x.shape[1]} "
                    "channels: one number a channel needed"
                )
        mean, std = (v.astype(x.dtype).reshape(-1, 1, 1) for v in (self.mean, self.std))
        return (x - mean) / std

    def __repr__(self) -> str:
        """Both numbers, or lists of numbers."""
        return f"Normalize(mean={self.mean.tolist()}, std={self.std.tolist()})"


class RandomHorizontalFlip:
    """The images, each mirrored left to right with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = _probability(p, "RandomHorizontalFlip")

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """The images, some of them mirrored."""
        _check_images(x, "RandomHorizontalFlip")
        flip = rng.random(len(x)) < self.p
        return np.where(flip[:, None, None, None], x[..., ::-1], x)

    def __repr__(self) -> str:
        """The probability."""
        return f"RandomHorizontalFlip(p={self.p})"


class RandomCrop:
    """A random window of `size` of each image, which is first framed by `padding` zeros.

    `size` is one number or (height, width), in pixels.
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        self.size = (
            _pixels(height, "RandomCrop: size", low=1),
            _pixels(width, "RandomCrop: size", low=1),
        )
        self.padding = _pixels(padding, "RandomCrop: padding")

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """The windows, (N, C, height, width)."""
        _check_images(x, "RandomCrop")
        framed = _frame(x, self.padding)
        if framed.shape[2] < self.size[0] or framed.shape[3] < self.size[1]:
            raise ValueError(
                f"RandomCrop: a window of {self.size} does not fit into images of "
                f"{x.shape[2:]} with padding {self.padding}: pad more or crop less"
            )
        return _random_windows(framed, self.size, rng)

    def __repr__(self) -> str:
        """Size and padding."""
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomTranslate:
    """The images, each shifted by up to `pixels` up or down and left or right; zeros move in."""

    def __init__(self, pixels: int) -> None:
        self.pixels = _pixels(pixels, "RandomTranslate: pixels")

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """The shifted images, of the same shape."""
        _check_images(x, "RandomTranslate")
        return _random_windows(_frame(x, self.pixels), (x.shape[2], x.shape[3]), rng)

    def __repr__(self) -> str:
        """The largest shift."""
        return f"RandomTranslate(pixels={self.pixels})"


class RandomErasing:
    """The images, each with probability `p` with one rectangle overwritten by `value`.

    The rectangle covers a share of the image drawn from the range `area`, its height / width is
    drawn (on a log scale) from the range `ratio`. One that is too high or too wide is cut to the
    image, where the paper draws again.

    Z. Zhong, L. Zheng, G. Kang, S. Li, Y. Yang, "Random erasing data augmentation", AAAI 2020,
    https://doi.org/10.1609/aaai.v34i07.7000
    """

    def __init__(
        self,
        p: float = 0.5,
        area: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float = 0.0,
    ) -> None:
        self.p = _probability(p, "RandomErasing")
        if not 0 < area[0] <= area[1] <= 1:
            raise ValueError(f"RandomErasing: area is {area}, two rising numbers in (0, 1] needed")
        if not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"RandomErasing: ratio is {ratio}, two rising positive numbers needed")
        self.area, self.ratio, self.value = area, ratio, float(value)

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """The images, some of them with a rectangle missing."""
        _check_images(x, "RandomErasing")
        N, _, H, W = x.shape
        erase = rng.random(N) < self.p
        area = rng.uniform(*self.area, N) * H * W
        ratio = np.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1]), N))
        rows = _span(np.sqrt(area * ratio), H, rng)
        columns = _span(np.sqrt(area / ratio), W, rng)
        hole = erase[:, None, None] & rows[:, :, None] & columns[:, None, :]
        return np.where(hole[:, None], self.value, x)

    def __repr__(self) -> str:
        """Probability, ranges and value."""
        return (
            f"RandomErasing(p={self.p}, area={self.area}, ratio={self.ratio}, value={self.value})"
        )


def _span(length: Array, size: int, rng: np.random.Generator) -> Array:
    """(N, size) booleans, true on a random stretch of about `length` in each row."""
    whole = np.clip(np.rint(length), 1, size).astype(np.int64)[:, None]
    start = rng.integers(0, size - whole, endpoint=True)
    place = np.arange(size)
    return (start <= place) & (place < start + whole)


def _frame(x: Array, width: int) -> Array:
    return np.pad(x, ((0, 0), (0, 0), (width, width), (width, width)))


def _random_windows(x: Array, size: tuple[int, int], rng: np.random.Generator) -> Array:
    N, _, H, W = x.shape
    top = rng.integers(0, H - size[0], N, endpoint=True)
    left = rng.integers(0, W - size[1], N, endpoint=True)
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))
    return windows[np.arange(N), :, top, left]


def _check_images(x: Array, name: str) -> None:
    if not isinstance(x, np.ndarray) or x.ndim != 4:
        shape = getattr(x, "shape", type(x).__name__)
        raise ValueError(f"{name}: x is {shape}, images of shape (N, C, H, W) needed")
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(
            f"{name}: x has dtype {x.dtype}, floating point needed: x.astype('float32') / 255"
        )


def _probability(p: float, name: str) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is {p}, a probability between 0 and 1 needed")
    return p


def _pixels(value: int, name: str, low: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise ValueError(f"{name} is {value!r}, an integer of at least {low} needed")
    return int(value)
