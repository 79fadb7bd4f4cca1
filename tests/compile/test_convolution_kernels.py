import ctypes
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from descend.compile import graph
from descend.compile.kernels import tiles
from descend.compile.kernels.convolution import (
    ConvolutionSpec,
    convolve,
    convolve_input,
    convolve_weight,
    supports,
    weight_partial,
)
from descend.compile.machine.native import load
from descend.functions.images.windows import Windows

GUARD = 64
IMAGES = 4
TOLERANCE = {"float32": 2e-5, "float64": 1e-13}


def guarded(shape, dtype, fill):
    """Memory with a guard zone of ``fill`` on both sides, and the array in the middle."""
    size = int(np.prod(shape))
    memory = np.full(size + 2 * GUARD, fill, dtype)
    return memory, memory[GUARD : GUARD + size].reshape(shape)


def run(plan, given, dtype, calls):
    """The plan's kernels, the last one with these calls (begin, end)."""
    packed = [guarded((size,), dtype, np.nan) for _, size in plan.buffers]
    given = given | {
        name: array for (name, _), (_, array) in zip(plan.buffers, packed, strict=True)
    }
    for kernel in plan.kernels:
        scratch = np.full(kernel.scratch + GUARD, 0xFF, np.uint8)
        arrays = [given[role] if role != "scratch" else scratch for role in kernel.operands]
        buffers = np.array([array.ctypes.data for array in arrays], np.int64)
        arguments = np.zeros(2 * len(arrays), np.int64)
        arguments[::2] = np.arange(len(arrays))
        code = load(kernel.text, 0)
        numbers = [ctypes.c_int64] * 3
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *numbers)
        half = kernel.extent // 2
        parts = calls if kernel is plan.kernels[-1] else [(0, half), (half, kernel.extent)]
        for i, (begin, end) in enumerate(parts):
            kind(code["kernel"])(buffers.ctypes.data, arguments.ctypes.data, begin, end, i == 0)
        assert (scratch[kernel.scratch :] == 0xFF).all()
    for memory, _ in packed:
        assert np.isnan(memory[:GUARD]).all() and np.isnan(memory[-GUARD:]).all()


def close(actual, want, dtype):
    scale = max(1, np.abs(want).max(initial=0))
    np.testing.assert_allclose(actual / scale, want / scale, atol=TOLERANCE[dtype], rtol=0)


def check(lengths, channels, filters, windows, groups=1, dtype="float32", first=False):
    """The three operations on some of the images against the graph's meaning of them.

    ``first``: the weight lies in memory with its channels before its window, as PyTorch's.
    """
    rng = np.random.default_rng(0)
    counts = windows.counts(lengths)
    inner = channels // groups
    shape = (filters, inner, *windows.size) if first else (filters, *windows.size, inner)
    x, weight, gy = (
        guarded(lengths, dtype, np.nan)[1]
        for lengths in ((IMAGES, *lengths, channels), shape, (IMAGES, *counts, filters))
    )
    for array in (x, weight, gy):
        array[...] = rng.standard_normal(array.shape)
    weight = np.moveaxis(weight, 1, -1) if first else weight
    strides = tuple(s // weight.itemsize for s in weight.strides)
    spec = ConvolutionSpec(dtype, IMAGES, lengths, channels, filters, windows, strides, groups)
    assert supports(spec)
    calls, chosen = [(1, 2), (2, 4)], slice(1, 4)
    params = {"windows": windows, "groups": groups}

    memory, y = guarded(gy.shape, dtype, 7)
    run(convolve(spec), {"x": x, "weight": weight, "y": y}, dtype, calls)
    close(y[chosen], graph.OPERATIONS["convolve"].value(x, weight, **params)[chosen], dtype)
    assert (y[:1] == 7).all() and (memory[:GUARD] == 7).all() and (memory[-GUARD:] == 7).all()

    memory, gx = guarded(x.shape, dtype, 7)
    run(convolve_input(spec), {"gy": gy, "weight": weight, "gx": gx}, dtype, calls)
    want = graph.OPERATIONS["convolve_input"].value(gy, weight, lengths=lengths, **params)
    close(gx[chosen], want[chosen], dtype)
    assert (gx[:1] == 7).all() and (memory[:GUARD] == 7).all() and (memory[-GUARD:] == 7).all()

    memory, partial = guarded(weight_partial(spec), dtype, 7)
    partial[...] = 1
    run(convolve_weight(spec), {"x": x, "gy": gy, "partial": partial}, dtype, calls)
    want = graph.OPERATIONS["convolve_weight"].value(x[chosen], gy[chosen], **params)
    close(np.moveaxis(partial, -1, 0) - 1, want, dtype)
    assert (memory[:GUARD] == 7).all() and (memory[-GUARD:] == 7).all()


def windows(size, stride=1, dilation=1, before=0, after=None, axes=2):
    each = [n if isinstance(n, tuple) else (n,) * axes for n in (size, stride, dilation, before)]
    last = each[3] if after is None else after if isinstance(after, tuple) else (after,) * axes
    return Windows(*each, last)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("channels", "filters"), [(1, 1), (1, 16), (3, 8), (5, 7), (16, 24), (13, 33), (8, 10)]
)
def test_channels(channels, filters, dtype):
    check((7, 9), channels, filters, windows(3, before=1), dtype=dtype, first=True)


@pytest.mark.parametrize(
    "place",
    [
        windows(1),
        windows(2),
        windows((3, 1)),
        windows((1, 4), before=(0, 2)),
        windows(3, before=(2, 0), after=(0, 3)),
        windows(3, before=5),
        windows(3, stride=2, before=1),
        windows(1, stride=2),
        windows(1, stride=3, before=1),
        windows(2, stride=(2, 3)),
        windows(4, stride=3, before=2, after=1),
        windows(3, dilation=2, before=2),
        windows(3, dilation=(1, 3), before=(1, 2)),
        windows(3, stride=2, dilation=2, before=2),
        windows(3, stride=3, dilation=2, before=1),
        windows(2, stride=4, dilation=3, before=3, after=0),
        windows(2, stride=6, dilation=4, before=3),
    ],
    ids=lambda w: "-".join(str(n) for n in (w.size, w.stride, w.dilation, w.before, w.after)),
)
def test_windows(place):
    check((8, 11), 6, 9, place)


@pytest.mark.parametrize("lengths", [(1,), (5,), (40,)])
def test_one_axis(lengths):
    check(lengths, 4, 18, windows(3, before=1, axes=1), first=True)
    check(lengths, 4, 18, windows(3, stride=2, dilation=2, before=2, axes=1))


@pytest.mark.parametrize(
    ("channels", "filters", "groups"), [(4, 6, 2), (9, 30, 3), (5, 10, 5), (6, 2, 2)]
)
def test_groups(channels, filters, groups):
    check((6, 5), channels, filters, windows(3, before=1), groups)
    check((6, 5), channels, filters, windows(2, stride=2), groups, first=True)


@pytest.mark.parametrize("channels", [3, 8, 21])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_depthwise(channels, dtype):
    check((6, 7), channels, channels, windows(3, before=1), channels, dtype, first=True)
    check((9, 7), channels, channels, windows((4, 3), stride=2, dilation=(2, 1)), channels, dtype)


def test_strips():
    """Images of which only some rows are taken at once, the last strip a shorter one."""
    check((47, 60), 40, 8, windows(3, before=1))
    check((47, 60), 40, 8, windows(3, stride=2))


@pytest.mark.parametrize(("width", "count"), [(16, 16), (16, 32), (64, 32)])
def test_other_processors(monkeypatch, width, count):
    """The tiles that processors with other vectors get; LLVM splits what this one lacks."""
    monkeypatch.setattr(tiles, "vector_bytes", lambda: width)
    monkeypatch.setattr(tiles, "registers", lambda: count)
    check((7, 9), 5, 70, windows(3, before=1))
    check((7, 9), 20, 20, windows(3, before=1), 20)
    check((7, 9), 3, 9, windows(2, stride=2), dtype="float64")


def test_unsupported():
    spec = ConvolutionSpec("float32", 2, (4, 4), 1, 1, windows(2), (4, 2, 1, 1))
    assert supports(spec)
    assert not supports(replace(spec, dtype="int64"))
    assert not supports(replace(spec, lengths=(4, 4, 4), windows=windows(2, axes=3)))
    assert not supports(replace(spec, lengths=(1, 4)))
    assert not supports(replace(spec, images=0))
    assert not supports(replace(spec, windows=replace(spec.windows, ceil_mode=True)))
