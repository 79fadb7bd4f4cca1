"""Windows that go over the spatial axes of images, and the operations that take them apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

from descend import functions as F
from descend.core.arrays import get_array_module
from descend.core.function import Function, as_operand
from descend.functions.registry import Sample, composition

Lengths = tuple[int, ...]
"""One number for each spatial axis."""


@dataclass(frozen=True)
class Windows:
    """Where windows stand on the spatial axes of an image.

    An axis of length L has a window at every multiple of its stride, counted from the border of
    ``before`` and ``after`` elements around the image, as long as the window fits. A window takes
    ``size`` elements, each ``dilation`` behind the other.
    """

    size: Lengths
    stride: Lengths
    dilation: Lengths
    before: Lengths
    after: Lengths
    ceil_mode: bool = False
    """Whether a last window may stick out at the far end, if it begins inside."""

    @property
    def span(self) -> Lengths:
        """How far one window reaches."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.size, self.dilation, strict=True))

    @property
    def disjoint(self) -> bool:
        """Whether no element belongs to two windows."""
        return all(span <= s for span, s in zip(self.span, self.stride, strict=True))

    def padded(self, lengths: Lengths) -> Lengths:
        """The lengths with the border."""
        borders = zip(lengths, self.before, self.after, strict=True)
        return tuple(length + before + after for length, before, after in borders)

    def counts(self, lengths: Lengths) -> Lengths:
        """How many windows there are along each axis; below 1 where none fits."""
        counts = []
        for length, padded, span, stride, before in zip(
            lengths, self.padded(lengths), self.span, self.stride, self.before, strict=True
        ):
            count = (padded - span) // stride + 1
            if self.ceil_mode:
                count = -((span - padded) // stride) + 1
                count -= (count - 1) * stride >= length + before
            counts.append(count)
        return tuple(counts)

    @lru_cache  # noqa: B019  frozen, and hashed by its few numbers
    def taps(self, lengths: Lengths) -> list[tuple[Lengths, Any, Any]]:
        """For each place in a window: that place, the windows where it meets the image, and where.

        The last two are indices of one shape, into (N, C, windows) and into (N, C, lengths). What
        lies in the border is left out, so no padded copy of the image is ever needed.
        """
        axes = [
            [_overlap(length, count, stride, i * dilation - before) for i in range(size)]
            for length, count, size, stride, dilation, before in zip(
                lengths,
                self.counts(lengths),
                self.size,
                self.stride,
                self.dilation,
                self.before,
                strict=True,
            )
        ]
        taps = []
        for place in product(*map(range, self.size)):
            overlaps = [axis[i] for axis, i in zip(axes, place, strict=True)]
            windows, elements = zip(*overlaps, strict=True)
            taps.append((place, (..., *windows), (..., *elements)))
        return taps


def _overlap(length: int, count: int, stride: int, offset: int) -> tuple[slice, slice]:
    """The windows along an axis whose element at ``offset`` is in the image, and these elements."""
    first = max(0, -(offset // stride))
    last = min(count, (length - 1 - offset) // stride + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    start = offset + first * stride
    return slice(first, last), slice(start, start + (last - first - 1) * stride + 1, stride)


def per_axis(operation: str, argument: str, value: Any, axes: int, least: int) -> Lengths:
    """A setting given as one integer for all axes or as one for each."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    fits = all(isinstance(v, int) and not isinstance(v, bool) and v >= least for v in values)
    if len(values) != axes or not fits:
        several = f" or {axes} of them, each" if axes > 1 else ""
        raise ValueError(
            f"{operation}: {argument}={value!r} came, an integer{several} at least {least}, is "
            f"needed"
        )
    return values


LAYOUTS = {1: "C, L", 2: "C, H, W", 3: "C, D, H, W"}
"""The axes of one image with so many spatial ones."""


def image_batch(operation: str, x: Any, axes: int) -> tuple[Any, bool]:
    """x as a batch of images (N, C, and ``axes`` lengths), and whether one image alone came."""
    x = as_operand(x)
    if x.ndim == axes + 1:
        return F.expand_dims(x, 0), True
    if x.ndim != axes + 2:
        layout = LAYOUTS[axes]
        raise ValueError(f"{operation}: x {x.shape} came, (N, {layout}) or ({layout}) is needed")
    return x, False


def as_it_came(y: Any, alone: bool) -> Any:
    """The result without the axis of the batch, if one image alone came."""
    return F.squeeze(y, 0) if alone else y


def check_fit(operation: str, windows: Windows, lengths: Lengths) -> None:
    """ValueError if not even one window fits on the image."""
    if min(windows.counts(lengths)) >= 1:
        return
    raise ValueError(
        f"{operation}: a window spans {windows.span}, more than x's {lengths} with padding, "
        f"{windows.padded(lengths)}: use more padding or a smaller window"
    )


class Unfold(Function):
    """The elements of every window: (N, C, size, counts), zeros in the border."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def forward(self, x):
        lengths = x.shape[2:]
        shape = (*x.shape[:2], *self.windows.size, *self.windows.counts(lengths))
        y = get_array_module(x).zeros(shape, x.dtype)
        for place, windows, elements in self.windows.taps(lengths):
            y[:, :, *place][windows] = x[elements]
        return y

    def backward(self, gy, *, x_shape):
        return Fold(self.windows, x_shape[2:])(gy)


class Fold(Function):
    """The adjoint of `Unfold`: each image element is the sum of what all windows hold for it."""

    def __init__(self, windows: Windows, lengths: Lengths) -> None:
        self.windows = windows
        self.lengths = lengths

    def forward(self, x):
        y = get_array_module(x).zeros((*x.shape[:2], *self.lengths), x.dtype)
        for place, windows, elements in self.windows.taps(self.lengths):
            y[elements] += x[:, :, *place][windows]
        return y

    def backward(self, gy):
        return Unfold(self.windows)(gy)


def _windows(operation: str, size: Any, dilation: Any, padding: Any, stride: Any) -> Windows:
    """The windows that unfold and fold go by."""
    size = per_axis(operation, "kernel_size", size, 2, 1)
    dilation = per_axis(operation, "dilation", dilation, 2, 1)
    padding = per_axis(operation, "padding", padding, 2, 0)
    stride = per_axis(operation, "stride", stride, 2, 1)
    return Windows(size, stride, dilation, padding, padding)


@composition(
    Sample((2, 2, 4, 5), kernel_size=(2, 3)),
    Sample((1, 2, 5, 4), kernel_size=2, dilation=(2, 1), padding=(1, 0), stride=(1, 2)),
    Sample((0, 2, 3, 3), kernel_size=2),
)
def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    """The windows of x (N, C, H, W) as columns: (N, C * kh * kw, windows).

    One image (C, H, W) becomes (C * kh * kw, windows).

    >>> F.unfold(np.arange(6.0).reshape(1, 1, 2, 3), 2)[0]
    array([[0., 1.],
           [1., 2.],
           [3., 4.],
           [4., 5.]])
    """
    x, alone = image_batch("unfold", x, 2)
    windows = _windows("unfold", kernel_size, dilation, padding, stride)
    check_fit("unfold", windows, x.shape[2:])
    N, C, *lengths = x.shape
    columns = (N, C * prod(windows.size), prod(windows.counts(tuple(lengths))))
    return as_it_came(F.reshape(Unfold(windows)(x), columns), alone)


@composition(
    Sample((2, 12, 9), output_size=(4, 5), kernel_size=(2, 3)),
    Sample(
        (1, 8, 10),
        output_size=(5, 4),
        kernel_size=2,
        dilation=(2, 1),
        padding=(1, 0),
        stride=(1, 2),
    ),
)
def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The columns (N, C * kh * kw, windows) summed into images (N, C, H, W).

    Elements that several windows share are the sum of all: the adjoint of `unfold`, not its
    inverse. Columns (C * kh * kw, windows) give one image (C, H, W).

    >>> F.fold(np.ones((1, 4, 2)), (2, 3), 2)[0, 0]
    array([[1., 2., 1.],
           [1., 2., 1.]])
    """
    x = as_operand(x)
    lengths = per_axis("fold", "output_size", output_size, 2, 1)
    windows = _windows("fold", kernel_size, dilation, padding, stride)
    check_fit("fold", windows, lengths)
    counts, taps = windows.counts(lengths), prod(windows.size)
    alone = x.ndim == 2
    if alone:
        x = F.expand_dims(x, 0)
    if x.ndim != 3 or x.shape[1] % taps or x.shape[2] != prod(counts):
        raise ValueError(
            f"fold: x {x.shape} came, (N, C * {taps}, {prod(counts)}) is needed: {taps} elements "
            f"a window, {' * '.join(map(str, counts))} windows on {lengths}"
        )
    N, rows, _ = x.shape
    y = Fold(windows, lengths)(F.reshape(x, (N, rows // taps, *windows.size, *counts)))
    return as_it_came(y, alone)
