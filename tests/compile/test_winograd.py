import ctypes
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from descend.compile import graph
from descend.compile.kernels import convolution, tiles, winograd
from descend.compile.kernels.convolution import ConvolutionSpec
from descend.compile.kernels.winograd import (
    convolve,
    convolve_input,
    convolve_weight,
    faster,
    supports,
    weight_partial,
)
from descend.compile.machine.native import load
from descend.functions.images.windows import Windows

GUARD = 64
IMAGES = 4
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


def guarded(shape, dtype, fill):
    """Memory with a guard zone of ``fill`` on both sides, and the array in the middle."""
    size = int(np.prod(shape))
    memory = np.full(size + 2 * GUARD, fill, dtype)
    return memory, memory[GUARD : GUARD + size].reshape(shape)


def intact(memory):
    """Whether nothing was written to the guard zones."""
    sides = np.concatenate([memory[:GUARD], memory[-GUARD:]])
    return bool((np.isnan(sides) | (sides == 7)).all())


def run(kernel, given, calls):
    """The kernel with these calls (begin, end)."""
    # NaN to whoever uses scratch unwritten.
    scratch = np.full(kernel.scratch + GUARD, 0xFF, np.uint8)
    arrays = [given[role] if role != "scratch" else scratch for role in kernel.operands]
    buffers = np.array([array.ctypes.data for array in arrays], np.int64)
    arguments = np.zeros(2 * len(arrays), np.int64)
    arguments[::2] = np.arange(len(arrays))
    code = load(kernel.text, 0)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3)
    for i, (begin, end) in enumerate(calls):
        kind(code["kernel"])(buffers.ctypes.data, arguments.ctypes.data, begin, end, i == 0)
    assert code and (scratch[kernel.scratch :] == 0xFF).all()


def halves(kernel):
    """Two calls that are the whole kernel."""
    return [(0, kernel.extent // 2), (kernel.extent // 2, kernel.extent)]


def correlate(plan, given, calls):
    """The weight packed, and the images of these calls."""
    pack, main = plan.kernels
    ((name, size),) = plan.buffers
    memory, packed = guarded((size,), given["weight"].dtype, np.nan)
    given = given | {name: packed}
    run(pack, given, halves(pack))
    run(main, given, calls)
    assert intact(memory)


def close(actual, want, dtype):
    scale = max(1, np.abs(want).max(initial=0))
    np.testing.assert_allclose(actual / scale, want / scale, atol=TOLERANCE[dtype], rtol=0)


def padded(before, after=None):
    """Windows of 3 x 3 on images with this border."""
    after = before if after is None else after
    first, last = (n if isinstance(n, tuple) else (n, n) for n in (before, after))
    return Windows((3, 3), (1, 1), (1, 1), first, last)


def case(lengths, channels, filters, windows, dtype="float32", first=False):
    """The spec, and x, weight and gy."""
    rng = np.random.default_rng(0)
    counts = windows.counts(lengths)
    shape = (filters, channels, 3, 3) if first else (filters, 3, 3, channels)
    shapes = ((IMAGES, *lengths, channels), shape, (IMAGES, *counts, filters))
    x, weight, gy = (guarded(shape, dtype, np.nan)[1] for shape in shapes)
    for array in (x, weight, gy):
        array[...] = rng.standard_normal(array.shape)
    weight = np.moveaxis(weight, 1, -1) if first else weight
    strides = tuple(s // weight.itemsize for s in weight.strides)
    spec = ConvolutionSpec(dtype, IMAGES, lengths, channels, filters, windows, strides)
    return spec, x, weight, gy


def check(lengths, channels, filters, windows, form, dtype="float32", first=False):
    """The three operations on some of the images against the graph's meaning of them.

    ``first``: the weight lies in memory with its channels before its window, as PyTorch's.
    """
    spec, x, weight, gy = case(lengths, channels, filters, windows, dtype, first)
    assert supports(spec)
    calls, chosen = [(1, 2), (2, 4)], slice(1, 4)
    params = {"windows": windows, "groups": 1}

    memory, y = guarded(gy.shape, dtype, 7)
    correlate(convolve(spec, form), {"x": x, "weight": weight, "y": y}, calls)
    close(y[chosen], graph.OPERATIONS["convolve"].value(x, weight, **params)[chosen], dtype)
    assert (y[:1] == 7).all() and intact(memory)

    memory, gx = guarded(x.shape, dtype, 7)
    correlate(convolve_input(spec, form), {"gy": gy, "weight": weight, "gx": gx}, calls)
    want = graph.OPERATIONS["convolve_input"].value(gy, weight, lengths=lengths, **params)
    close(gx[chosen], want[chosen], dtype)
    assert (gx[:1] == 7).all() and intact(memory)

    # Two threads, each with a copy; they need not follow each other closely.
    *_, copy = weight_partial(spec, form)
    copy = int(np.prod(weight_partial(spec, form)))
    step = copy + 16
    memory, partial = guarded((2 * step,), dtype, np.nan)
    partial[:copy] = partial[step : step + copy] = 0
    plan = convolve_weight(spec, form, copies=2, step=step)
    for thread, call in enumerate(calls):
        own = {"x": x, "gy": gy, "partial": partial[thread * step :]}
        run(plan.kernels[0], own, [call])
    around, gw = guarded((filters, channels, 3, 3) if first else weight.shape, dtype, 7)
    gw = np.moveaxis(gw, 1, -1) if first else gw
    run(plan.kernels[1], {"partial": partial, "gw": gw}, halves(plan.kernels[1]))
    want = graph.OPERATIONS["convolve_weight"].value(x[chosen], gy[chosen], **params)
    close(gw, want, dtype)
    assert intact(memory) and intact(around) and np.isnan(partial[copy:step]).all()


@pytest.mark.parametrize(
    ("channels", "filters", "dtype", "form"),
    [
        (1, 1, "float32", "4x4"),
        (1, 16, "float64", "4x4"),
        (3, 8, "float64", "2x2"),
        (5, 7, "float32", "2x2"),
        (16, 24, "float32", "4x4"),
        (13, 33, "float32", "4x4"),
    ],
)
def test_channels(channels, filters, dtype, form):
    check((8, 12), channels, filters, padded(1), form, dtype, first=True)


@pytest.mark.parametrize(
    ("lengths", "form"), [((1, 1), "2x2"), ((4, 4), "4x4"), ((5, 9), "2x2"), ((16, 7), "4x4")]
)
@pytest.mark.parametrize(
    "windows",
    [padded(1), padded(3, 0), padded((0, 4), (2, 1))],
    ids=lambda w: f"{w.before}-{w.after}",
)
def test_windows(lengths, windows, form):
    check(lengths, 8, 9, windows, form)


def test_no_border():
    check((6, 10), 8, 8, padded(0), "4x4")
    check((3, 3), 8, 8, padded(0), "4x4")


def test_blocks(monkeypatch):
    """Blocks that end in the middle of an image."""
    monkeypatch.setattr(winograd, "TILES", 6)
    monkeypatch.setattr(winograd, "WEIGHT_TILES", 5)
    check((20, 12), 8, 16, padded(1), "4x4")


def test_many_channels():
    """Blocks as small as they get."""
    check((4, 4), 300, 16, padded(1), "4x4")


@pytest.mark.parametrize(("width", "count"), [(16, 16), (16, 32), (64, 32)])
def test_other_processors(monkeypatch, width, count):
    """The tiles that processors with other vectors get; LLVM splits what this one lacks."""
    monkeypatch.setattr(tiles, "vector_bytes", lambda: width)
    monkeypatch.setattr(tiles, "registers", lambda: count)
    check((7, 9), 5, 70, padded(1), "4x4")
    check((7, 9), 8, 9, padded(1), "2x2", dtype="float64")


def errors(actual, want):
    """The largest error and the usual one, relative to the largest result and the usual one."""
    error = actual - want
    return np.abs(error).max() / np.abs(want).max(), error.std() / want.std()


@pytest.mark.parametrize(("form", "largest", "beside"), [("2x2", 1e-6, 1.5), ("4x4", 4e-6, 4)])
@pytest.mark.parametrize("channels", [16, 64, 256])
def test_errors(channels, form, largest, beside):
    """Rounding costs not much more than in the direct sum."""
    windows = padded(1)
    spec, x, weight, gy = case((12, 12), channels, 16, windows)
    wide = [array.astype("float64") for array in (x, weight, gy)]
    params = {"windows": windows, "groups": 1}
    everything = [(0, IMAGES)]

    want = graph.OPERATIONS["convolve"].value(wide[0], wide[1], **params)
    results = []
    for plan in (convolution.convolve(spec), convolve(spec, form)):
        y = np.empty_like(gy)
        correlate(plan, {"x": x, "weight": weight, "y": y}, everything)
        results.append(errors(y, want))
    assert results[1][0] < largest and results[1][1] < beside * results[0][1]

    want = graph.OPERATIONS["convolve_input"].value(wide[2], wide[1], lengths=(12, 12), **params)
    results = []
    for plan in (convolution.convolve_input(spec), convolve_input(spec, form)):
        gx = np.empty_like(x)
        correlate(plan, {"gy": gy, "weight": weight, "gx": gx}, everything)
        results.append(errors(gx, want))
    assert results[1][0] < largest and results[1][1] < beside * results[0][1]

    want = graph.OPERATIONS["convolve_weight"].value(wide[0], wide[2], **params)
    partial = np.zeros(convolution.weight_partial(spec), "float32")
    (direct,) = convolution.convolve_weight(spec).kernels
    run(direct, {"x": x, "gy": gy, "partial": partial}, everything)
    direct_errors = errors(np.moveaxis(partial, -1, 0), want)
    partial, gw = np.zeros(weight_partial(spec, form), "float32"), np.empty_like(weight)
    for kernel in convolve_weight(spec, form).kernels:
        given = {"x": x, "gy": gy, "partial": partial, "gw": gw}
        run(kernel, given, [(0, kernel.extent)])
    made = errors(gw, want)
    assert made[0] < largest and made[1] < beside * direct_errors[1]


def test_unsupported():
    spec, *_ = case((8, 8), 8, 8, padded(1))
    windows = spec.windows
    assert supports(spec)
    assert not supports(replace(spec, dtype="int64"))
    assert not supports(replace(spec, groups=2))
    assert not supports(replace(spec, lengths=(2, 8), windows=padded(0)))
    for other in (
        replace(windows, size=(3, 1)),
        replace(windows, stride=(2, 1)),
        replace(windows, dilation=(1, 2)),
        replace(windows, ceil_mode=True),
    ):
        assert not supports(replace(spec, windows=other))


def test_names():
    """Kernels of one name have one text, whatever the number of images."""
    spec, *_ = case((16, 16), 8, 16, padded(1))
    for make in (convolve, convolve_input, convolve_weight):
        made = {}
        for images in (1, 2, 5, 100):
            for kernel in make(replace(spec, images=images)).kernels:
                assert made.setdefault(kernel.name, kernel.text) == kernel.text
        assert len(made) < 8


OPERATIONS = ("convolve", "convolve_input", "convolve_weight")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_faster(operation):
    """What was measured: large tiles where they fit, small ones beside, direct for few channels."""
    spec, *_ = case((16, 16), 64, 64, padded(1))
    spec = replace(spec, images=32)
    assert faster(spec, operation) == "4x4"
    assert faster(replace(spec, channels=16, filters=32), operation) == "4x4"
    assert faster(replace(spec, lengths=(6, 6)), operation) == "2x2"
    assert faster(replace(spec, channels=1, filters=32), operation) == "direct"
    assert faster(replace(spec, lengths=(1, 1)), operation) == "direct"
    assert faster(replace(spec, groups=2), operation) == "direct"
