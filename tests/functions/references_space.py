"""Convolutions, pooling and resampling over any number of axes: one window or pixel at a time."""

from __future__ import annotations

import itertools
import math

import numpy as np


def each(value, axes):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


def batched(axes):
    """Let a function of (N, C, lengths) take one image (C, lengths), too."""

    def enter(function):
        def call(x, *arguments, **params):
            if x.ndim == axes + 1:
                return function(x[None], *arguments, **params)[0]
            return function(x, *arguments, **params)

        return call

    return enter


# ---- convolutions -------------------------------------------------------------------------------


def convolution(axes):
    @batched(axes)
    def convolve(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        stride, dilation = each(stride, axes), each(dilation, axes)
        size = weight.shape[2:]
        if padding == "same":
            total = [d * (k - 1) for d, k in zip(dilation, size, strict=True)]
            width = [(t // 2, t - t // 2) for t in total]
        else:
            width = [(p, p) for p in each(padding, axes)]
        x = np.pad(x, [(0, 0), (0, 0), *width])
        counts = [
            (n - d * (k - 1) - 1) // s + 1
            for n, d, k, s in zip(x.shape[2:], dilation, size, stride, strict=True)
        ]
        K, per_group = weight.shape[:2]
        y = np.zeros((len(x), K, *counts))
        for n, k, *place in np.ndindex(*y.shape):
            first = k // (K // groups) * per_group
            for c, *tap in np.ndindex(per_group, *size):
                at = [
                    p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True)
                ]
                y[(n, k, *place)] += x[(n, first + c, *at)] * weight[(k, c, *tap)]
            y[(n, k, *place)] += 0 if bias is None else bias[k]
        return y

    return convolve


def transposed(axes):
    @batched(axes)
    def convolve(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        stride, dilation = each(stride, axes), each(dilation, axes)
        padding, extra = each(padding, axes), each(output_padding, axes)
        C, per_group, *size = weight.shape
        full = [
            (n - 1) * s + d * (k - 1) + 1 + e
            for n, s, d, k, e in zip(x.shape[2:], stride, dilation, size, extra, strict=True)
        ]
        y = np.zeros((len(x), per_group * groups, *full))
        for n, c, *place in np.ndindex(*x.shape):
            first = c // (C // groups) * per_group
            for k, *tap in np.ndindex(per_group, *size):
                at = [
                    p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True)
                ]
                y[(n, first + k, *at)] += x[(n, c, *place)] * weight[(c, k, *tap)]
        inside = [slice(p, n - p) for p, n in zip(padding, full, strict=True)]
        y = y[(..., *inside)]
        return y if bias is None else y + bias.reshape(-1, *[1] * axes)

    return convolve


conv1d, conv3d = convolution(1), convolution(3)
conv_transpose1d, conv_transpose3d = transposed(1), transposed(3)


# ---- pooling ------------------------------------------------------------------------------------


def starts(length, size, stride, padding, dilation, ceil_mode):
    """Where the windows of an axis begin."""
    room = length + 2 * padding - dilation * (size - 1) - 1
    count = (math.ceil(room / stride) if ceil_mode else room // stride) + 1
    found = [i * stride - padding for i in range(count)]
    return [start for start in found if start < length or not ceil_mode]


def over_windows(axes, x, answer, size, stride, padding=0, dilation=1, ceil_mode=False):
    """``answer(elements, positions)`` for each window of each plane; positions also outside."""
    size = each(size, axes)
    stride = size if stride is None else each(stride, axes)
    padding, dilation = each(padding, axes), each(dilation, axes)
    begins = [
        starts(*setting, ceil_mode)
        for setting in zip(x.shape[2:], size, stride, padding, dilation, strict=True)
    ]
    y = np.zeros((*x.shape[:2], *map(len, begins)))
    for n, c, *window in np.ndindex(*y.shape):
        lines = [
            [begins[a][i] + t * dilation[a] for t in range(size[a])] for a, i in enumerate(window)
        ]
        places = list(itertools.product(*lines))
        inside = [p for p in places if all(0 <= i < L for i, L in zip(p, x.shape[2:], strict=True))]
        y[(n, c, *window)] = answer(np.array([x[(n, c, *p)] for p in inside]), places)
    return y


def max_pool(axes):
    @batched(axes)
    def pool(x, size, stride=None, padding=0, dilation=1, ceil_mode=False):
        return over_windows(
            axes, x, lambda values, _: values.max(), size, stride, padding, dilation, ceil_mode
        )

    return lambda x, kernel_size, *rest, **params: pool(x, kernel_size, *rest, **params)


def avg_pool(axes):
    @batched(axes)
    def pool(
        x,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    ):
        border = each(padding, axes)

        def mean(values, places):
            counted = [
                p
                for p in places
                if all(i < L + b for i, L, b in zip(p, x.shape[2:], border, strict=True))
            ]
            number = len(counted) if count_include_pad else len(values)
            return values.sum() / (divisor_override or number)

        return over_windows(axes, x, mean, kernel_size, stride, padding, 1, ceil_mode)

    return pool


def lp_pool(axes):
    @batched(axes)
    def pool(x, norm_type, kernel_size, stride=None, ceil_mode=False):
        def norm(values, _):
            total = (values**norm_type).sum()
            return total if norm_type == 1 else total ** (1 / norm_type)

        return over_windows(axes, x, norm, kernel_size, stride, ceil_mode=ceil_mode)

    return pool


max_pool1d, max_pool3d = max_pool(1), max_pool(3)
avg_pool1d, avg_pool3d = avg_pool(1), avg_pool(3)
lp_pool1d, lp_pool2d, lp_pool3d = lp_pool(1), lp_pool(2), lp_pool(3)


def adaptive(axes, reduce):
    @batched(axes)
    def pool(x, output_size):
        sizes = each(output_size, axes)
        sizes = [n if s is None else s for s, n in zip(sizes, x.shape[2:], strict=True)]
        y = np.zeros((*x.shape[:2], *sizes))
        for window in np.ndindex(*sizes):
            part = tuple(
                slice(math.floor(i * L / n), math.ceil((i + 1) * L / n))
                for i, n, L in zip(window, sizes, x.shape[2:], strict=True)
            )
            elements = x[(slice(None), slice(None), *part)]
            y[(..., *window)] = reduce(elements, axis=tuple(range(2, x.ndim)))
        return y

    return pool


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = (
    adaptive(axes, np.mean) for axes in (1, 2, 3)
)
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = (
    adaptive(axes, np.max) for axes in (1, 2, 3)
)


def max_unpool(axes):
    def unpool(x, indices, kernel_size, stride=None, padding=0, output_size=None):
        if x.ndim == axes + 1:
            alone = (x[None], indices[None], kernel_size, stride, padding, output_size)
            return unpool(*alone)[0]
        size, border = each(kernel_size, axes), each(padding, axes)
        stride = size if stride is None else each(stride, axes)
        lengths = [
            (n - 1) * s + k - 2 * p
            for n, s, k, p in zip(x.shape[2:], stride, size, border, strict=True)
        ]
        if output_size is not None:
            lengths = output_size[-axes:]
        y = np.zeros((*x.shape[:2], *lengths))
        for n, c in np.ndindex(*x.shape[:2]):
            for place in np.ndindex(*lengths):
                own = np.ravel_multi_index(place, lengths)
                came = x[n, c][indices[n, c] == own]
                y[(n, c, *place)] = came.mean() if came.size else 0
        return y

    return unpool


max_unpool1d, max_unpool2d, max_unpool3d = (max_unpool(axes) for axes in (1, 2, 3))


# ---- resampling ---------------------------------------------------------------------------------


def keys(d, a):
    """The cubic convolution kernel, as in Keys' paper."""
    d = abs(d)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def tent(d):
    return max(0.0, 1 - abs(d))


def line_weights(length, n, factor, mode, align_corners, antialias):
    """The matrix (n, length) of an axis."""
    matrix = np.zeros((n, length))
    for i in range(n):
        if mode == "area":
            first, last = math.floor(i * length / n), math.ceil((i + 1) * length / n)
            matrix[i, first:last] = 1 / (last - first)
            continue
        if mode.startswith("nearest"):
            place = i + (0.5 if mode == "nearest-exact" else 0)
            matrix[i, min(math.floor(place / factor + 1e-9), length - 1)] = 1
            continue
        step = 1 / factor
        if align_corners:
            step = (length - 1) / (n - 1) if n > 1 else 0
        if antialias:
            middle, wide = (i + 0.5) * step, max(step, 1)
            for j in range(length):
                d = (j + 0.5 - middle) / wide
                matrix[i, j] = keys(d, -0.5) if mode == "bicubic" else tent(d)
            matrix[i] /= matrix[i].sum()
            continue
        place = i * step if align_corners else (i + 0.5) * step - 0.5
        if mode != "bicubic":
            place = min(max(place, 0), length - 1)
        for j in range(math.floor(place) - 1, math.floor(place) + 3):
            weight = keys(place - j, -0.75) if mode == "bicubic" else tent(place - j)
            matrix[i, min(max(j, 0), length - 1)] += weight
    return matrix


def interpolate(
    x,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    axes = x.ndim - 2
    lengths = x.shape[2:]
    if size is None:
        factors = each(scale_factor, axes)
        sizes = [math.floor(n * f) for n, f in zip(lengths, factors, strict=True)]
    else:
        sizes = each(size, axes)
    if size is not None or recompute_scale_factor:
        factors = [n / m for n, m in zip(sizes, lengths, strict=True)]
    for axis in range(axes):
        matrix = line_weights(
            lengths[axis], sizes[axis], factors[axis], mode, align_corners, antialias
        )
        x = np.moveaxis(np.moveaxis(x, 2 + axis, -1) @ matrix.T, -1, 2 + axis)
    return x


def affine_grid(theta, size, align_corners=False):
    N, _, *lengths = size
    axes = len(lengths)
    y = np.zeros((N, *lengths, axes))
    for n, *place in np.ndindex(N, *lengths):
        point = []
        for i, L in zip(place, lengths, strict=True):
            if align_corners:
                point.append(2 * i / (L - 1) - 1 if L > 1 else 0)
            else:
                point.append((2 * i + 1) / L - 1)
        y[(n, *place)] = theta[n] @ [*point[::-1], 1]
    return y


def standing_for(place, length, padding_mode, align_corners):
    """The place that stands for another: reflected until it lies inside."""
    if padding_mode == "border":
        return min(max(place, 0), length - 1)
    if padding_mode == "reflection":
        low, high = (0, length - 1) if align_corners else (-0.5, length - 0.5)
        if low == high:
            return 0
        while not low <= place <= high:
            place = 2 * low - place if place < low else 2 * high - place
        return min(max(place, 0), length - 1)
    return place


def grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False):
    lengths = x.shape[2:]
    y = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    for n, *target in np.ndindex(*grid.shape[:-1]):
        taps = []
        for g, L in zip(grid[(n, *target)][::-1], lengths, strict=True):
            g = -1 if np.isnan(g) else g
            place = (g + 1) / 2 * (L - 1) if align_corners else ((g + 1) * L - 1) / 2

            def standing(place, L=L):
                return standing_for(place, L, padding_mode, align_corners)

            if mode == "bicubic":
                around = [math.floor(place) + i for i in range(-1, 3)]
                taps.append([(int(standing(j)), keys(place - j, -0.75)) for j in around])
            elif mode == "nearest":
                taps.append([(round(standing(place)), 1)])
            else:
                place = standing(place)
                around = [math.floor(place), math.floor(place) + 1]
                taps.append([(j, tent(place - j)) for j in around])
        for parts in itertools.product(*taps):
            at = tuple(j for j, _ in parts)
            if all(0 <= j < L for j, L in zip(at, lengths, strict=True)):
                weight = math.prod(w for _, w in parts)
                y[(n, slice(None), *target)] += weight * x[(n, slice(None), *at)]
    return y


# ---- shuffling ----------------------------------------------------------------------------------


def pixel_shuffle(x, upscale_factor):
    r = upscale_factor
    *lead, C, H, W = x.shape
    y = np.zeros((*lead, C // r**2, H * r, W * r))
    for c, i, j in np.ndindex(*y.shape[-3:]):
        y[..., c, i, j] = x[..., c * r**2 + i % r * r + j % r, i // r, j // r]
    return y


def pixel_unshuffle(x, downscale_factor):
    r = downscale_factor
    *lead, C, H, W = x.shape
    y = np.zeros((*lead, C * r**2, H // r, W // r))
    for c, i, j in np.ndindex(C, H, W):
        y[..., c * r**2 + i % r * r + j % r, i // r, j // r] = x[..., c, i, j]
    return y


def channel_shuffle(x, groups):
    per_group = x.shape[1] // groups
    order = [g * per_group + i for i in range(per_group) for g in range(groups)]
    return x[:, order]
