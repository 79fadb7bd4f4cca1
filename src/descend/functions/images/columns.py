"""Convolutions on arrays: matrix products with columns that hold the elements of the windows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

from descend.core.arrays import Array, get_array_module
from descend.functions.images.windows import Lengths, Windows

BLOCK = 2 << 20
"""Bytes of columns at a time: small enough for a cache, yet matrix products run at full speed.

Smaller blocks lose more in the start of each matrix product than they win in the cache."""


class Blocks:
    """Blocks of images, or of rows of one image, whose columns fit into ``BLOCK`` bytes.

    A block is ``(images, rows)``: two slices, of the batch and of the first axis of windows. There
    are at least two spatial axes; a signal is an image of one column. The columns of a block are a
    matrix with a row for each channel and place in the window, and a column for each window.

    Where the stride along the last axis is 1, windows are also put across the end of each line,
    unless these were the most. Then all elements of an image that one place of the window meets lie
    in one run of memory, which is copied much faster than line by line. What these windows give is
    cut off the result.
    """

    def __init__(self, xp: Any, shape: tuple[int, ...], dtype: Any, windows: Windows) -> None:
        self.xp = xp
        self.N, C, *rest = shape
        lengths = tuple(rest)
        self.counts = windows.counts(lengths)
        padded = windows.padded(lengths)
        runs_on = windows.stride[-1] == 1 and padded[-1] <= 2 * self.counts[-1]
        self.grid = (*self.counts[:-1], padded[-1] if runs_on else self.counts[-1])

        column = C * prod(windows.size) * dtype.itemsize
        fitting = max(1, BLOCK // max(1, column * prod(self.grid[1:])))
        self.rows = _even_share(self.counts[0], fitting)
        self.images = _even_share(self.N, max(1, fitting // self.counts[0]))
        self.columns_memory = xp.empty(
            column // dtype.itemsize * self.images * self.rows * prod(self.grid[1:]), dtype
        )

        size = C * self.images * prod(padded)
        beyond = windows.span[-1] - 1  # windows across the last line's end read on behind it
        self.padded_memory = xp.zeros(size + beyond, dtype)
        padded_images = self.padded_memory[:size].reshape(C, self.images, *padded)
        inside = zip(windows.before, lengths, strict=True)
        self.interior = padded_images[:, :, *(slice(b, b + length) for b, length in inside)]
        by_channel, by_image, *pitch = padded_images.strides
        self.elements = xp.lib.stride_tricks.as_strided(
            self.padded_memory,
            (C, *windows.size, self.images, *self.grid),
            (
                by_channel,
                *(p * d for p, d in zip(pitch, windows.dilation, strict=True)),
                by_image,
                *(p * s for p, s in zip(pitch, windows.stride, strict=True)),
            ),
        )

    def __iter__(self) -> Iterator[tuple[slice, slice]]:
        for n in range(0, self.N, self.images):
            for row in range(0, self.counts[0], self.rows):
                yield (
                    slice(n, min(n + self.images, self.N)),
                    slice(row, min(row + self.rows, self.counts[0])),
                )

    def shape(self, images: slice, rows: slice) -> tuple[int, ...]:
        """The windows of a block along each axis, those across the lines' ends included."""
        return (images.stop - images.start, rows.stop - rows.start, *self.grid[1:])

    def elements_of(self, images: slice, rows: slice) -> Array:
        """A view of the padded images: (C, size, windows of the block)."""
        count = images.stop - images.start
        axes = self.elements.ndim - 1 - len(self.grid)
        return self.elements[(slice(None),) * axes + (slice(count), rows)]

    def columns(self, x: Array, images: slice, rows: slice) -> Array:
        """The elements of every window of a block as a matrix, in memory that is used again."""
        if rows.start == 0:
            interior = self.interior[:, : images.stop - images.start]
            interior[...] = self.xp.moveaxis(x[images], 0, 1)
        elements = self.elements_of(images, rows)
        columns = self.columns_memory[: elements.size].reshape(elements.shape)
        columns[...] = elements
        return columns.reshape(-1, prod(self.shape(images, rows)))

    def values(self, x: Array, images: slice, rows: slice) -> Array:
        """x (N, K, counts) in a block's windows, zeros across the lines' ends: (K, windows)."""
        part = self.xp.moveaxis(x[images, :, rows], 0, 1)
        if self.grid != self.counts:
            values = self.xp.zeros((x.shape[1], *self.shape(images, rows)), x.dtype)
            values[..., : self.counts[-1]] = part
            part = values
        return part.reshape(x.shape[1], -1)


def correlate(x: Array, weight: Array, bias: Any, windows: Windows, groups: int) -> Array:
    """The sums over the windows of x (N, C, lengths) times each of K kernels: (N, K, counts)."""
    if x.ndim == 3:
        x, weight, windows = x[..., None], weight[..., None], _of_one_column(windows)
        return correlate(x, weight, bias, windows, groups)[..., 0]
    xp = get_array_module(x, weight)
    K = len(weight)
    kernels = weight.reshape(groups, K // groups, -1)
    if bias is not None:
        bias = bias.reshape(-1, *(1,) * (x.ndim - 1))
    y = xp.empty((len(x), K, *windows.counts(x.shape[2:])), x.dtype)
    if _pointwise(windows):  # the image itself is the columns
        N, C, size = len(x), x.shape[1], prod(x.shape[2:])
        flat = x.reshape(N, groups, C // groups, size)
        xp.matmul(kernels, flat, out=y.reshape(N, groups, K // groups, size))
        if bias is not None:
            y += bias[:, 0]
        return y
    blocks = Blocks(xp, x.shape, x.dtype, windows)
    for images, rows in blocks:
        columns = blocks.columns(x, images, rows)
        sums = xp.matmul(kernels, columns.reshape(groups, -1, columns.shape[-1]))
        sums = sums.reshape(K, *blocks.shape(images, rows))[..., : blocks.counts[-1]]
        part = xp.moveaxis(y[images, :, rows], 0, 1)
        if bias is None:
            part[...] = sums
        else:
            xp.add(sums, bias, out=part)
    return y


def spread(x: Array, weight: Array, lengths: Lengths, windows: Windows, groups: int) -> Array:
    """What the windows add up to if each adds its kernels times x (N, K, counts)."""
    if x.ndim == 3:
        x, weight, windows = x[..., None], weight[..., None], _of_one_column(windows)
        return spread(x, weight, (*lengths, 1), windows, groups)[..., 0]
    xp = get_array_module(x, weight)
    K, per_group, *size = weight.shape
    C = per_group * groups
    mirrored = _mirrored(windows)
    if mirrored is not None and (K <= C or _pointwise(windows)):
        return correlate(x, _mirrored_weight(weight, groups), None, mirrored, groups)
    kernels = weight.reshape(groups, K // groups, -1).swapaxes(1, 2)
    y = xp.empty((len(x), C, *lengths), x.dtype)
    blocks = Blocks(xp, y.shape, x.dtype, windows)
    for images, rows in blocks:
        values = blocks.values(x, images, rows)
        elements = blocks.elements_of(images, rows)
        columns = blocks.columns_memory[: elements.size].reshape(elements.shape)
        products = columns.reshape(groups, -1, values.shape[-1])
        xp.matmul(kernels, values.reshape(groups, K // groups, -1), out=products)
        if rows.start == 0:
            blocks.padded_memory[...] = 0
        for place in product(*map(range, size)):
            elements[:, *place] += columns[:, *place]  # within one place no element comes twice
        if rows.stop == blocks.counts[0]:
            interior = blocks.interior[:, : images.stop - images.start]
            y[images] = xp.moveaxis(interior, 1, 0)
    return y


def collect(x: Array, gy: Array, shape: tuple[int, ...], windows: Windows, groups: int) -> Array:
    """The sums over all windows of x times gy (N, K, counts): the weight's ``shape``."""
    if x.ndim == 3:
        x, gy, windows = x[..., None], gy[..., None], _of_one_column(windows)
        return collect(x, gy, (*shape, 1), windows, groups)[..., 0]
    xp = get_array_module(x, gy)
    K = shape[0]
    gw = xp.zeros((groups, K // groups, prod(shape[1:])), x.dtype)
    blocks = Blocks(xp, x.shape, x.dtype, windows)
    for images, rows in blocks:
        columns = blocks.columns(x, images, rows)
        columns = columns.reshape(groups, -1, columns.shape[-1])
        values = blocks.values(gy, images, rows).reshape(groups, K // groups, -1)
        gw += xp.matmul(values, columns.swapaxes(1, 2))
    return gw.reshape(shape)


def _even_share(total: int, most: int) -> int:
    """The size of the fewest equal parts that have at most ``most`` each."""
    parts = -(-total // most)
    return -(-total // max(1, parts)) or 1


def _of_one_column(windows: Windows) -> Windows:
    """The windows of a signal as those of an image of width 1, whose blocks are parts of lines."""
    (size,), (stride,), (dilation,) = windows.size, windows.stride, windows.dilation
    (before,), (after,) = windows.before, windows.after
    return Windows((size, 1), (stride, 1), (dilation, 1), (before, 0), (after, 0))


def _pointwise(windows: Windows) -> bool:
    """Whether each window is one element of the image, and each element a window."""
    ones = (1,) * len(windows.size)
    border = any(windows.before) or any(windows.after)
    return windows.size == ones and windows.stride == ones and not border


def _mirrored(windows: Windows) -> Windows | None:
    """The windows of the convolution that is the adjoint where the stride is 1; None elsewhere.

    Its image is the one with the fewer channels, if K <= C: the columns are the smaller ones.
    """
    before = tuple(span - 1 - b for span, b in zip(windows.span, windows.before, strict=True))
    after = tuple(span - 1 - a for span, a in zip(windows.span, windows.after, strict=True))
    if max(windows.stride) > 1 or min(*before, *after) < 0:
        return None
    return Windows(windows.size, windows.stride, windows.dilation, before, after)


def _mirrored_weight(weight: Array, groups: int) -> Array:
    """Each kernel turned around, and the in and out channels of each group exchanged."""
    K, per_group, *size = weight.shape
    kernels = weight.reshape(groups, K // groups, per_group, *size).swapaxes(1, 2)
    kernels = kernels[(..., *(slice(None, None, -1),) * len(size))]
    return kernels.reshape(groups * per_group, K // groups, *size)
