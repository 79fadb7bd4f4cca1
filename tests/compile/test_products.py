import ctypes
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from descend.compile.kernels import tiles
from descend.compile.kernels.products import MatmulSpec, matmul, supports
from descend.compile.machine.native import load

GUARD = 64
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


def guarded(shape, dtype, fill):
    """Memory with a guard zone of ``fill`` on both sides, and the array in the middle."""
    size = int(np.prod(shape))
    memory = np.full(size + 2 * GUARD, fill, dtype)
    return memory, memory[GUARD : GUARD + size].reshape(shape)


def caller(kernel, operands, scratch=None):
    """A call of the kernel: (begin, end, first)."""
    arrays = [operands[role] for role in kernel.operands if role != "scratch"]
    if scratch is None:  # NaN to whoever reads it unwritten
        scratch = np.full(kernel.scratch + GUARD, 0xFF, np.uint8)
    arrays += [scratch] * ("scratch" in kernel.operands)
    buffers = np.array([array.ctypes.data for array in arrays], np.int64)
    arguments = np.zeros(2 * len(arrays), np.int64)
    arguments[::2] = np.arange(len(arrays))
    code = load(kernel.text, 0)
    numbers = [ctypes.c_int64] * 3
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *numbers)(code["kernel"])

    def call(begin, end, first=1):
        function(buffers.ctypes.data, arguments.ctypes.data, begin, end, first)
        assert code and (scratch[kernel.scratch :] == 0xFF).all()

    call.scratch = scratch
    return call


def operands(rng, dtype, rows, inner, columns, batch=(), layout="cc", broadcast=()):
    """The spec of a product, its operands, and the guarded memory of c.

    The layout of a and of b: c (rows contiguous), t (transposed), s (every second element).
    """
    arrays = []
    for name, form, shape in zip("ab", layout, ((rows, inner), (inner, columns)), strict=True):
        lengths = (*(1 if (name, i) in broadcast else n for i, n in enumerate(batch)),)
        step = 2 if form == "s" else 1
        stored = (shape[0], shape[1] * step) if form != "t" else shape[::-1]
        _, x = guarded((*lengths, *stored), dtype, np.nan)
        x[...] = rng.standard_normal(x.shape)
        arrays.append(np.swapaxes(x, -1, -2) if form == "t" else x[..., ::step])
    memory, c = guarded((*batch, rows, columns), dtype, 7)
    a, b = arrays

    def strides(x):
        return tuple(s // x.itemsize for s in x.strides)

    leading = tuple(
        (
            n,
            *(0 if ("ab"[k], i) in broadcast else strides(x)[i] for k, x in enumerate((a, b))),
            strides(c)[i],
        )
        for i, n in enumerate(batch)
    )
    cut = "batch" if batch else "rows"
    spec = MatmulSpec(
        dtype, rows, inner, columns, strides(a)[-2:], strides(b)[-2:], columns, leading, cut
    )
    return spec, {"a": a, "b": b, "c": c}, memory


def check(spec, given, memory, calls):
    """The kernel against NumPy: the rows of the calls computed, all else untouched."""
    assert supports(spec)
    kernel = matmul(spec)
    a, b, c = (given[name].astype("float64") for name in "abc")
    want = c.copy()
    call = caller(kernel, given)
    first = 1
    for begin, end in calls(kernel.extent):
        if spec.cut == "inner":
            want = a[..., begin:end] @ b[..., begin:end, :] + want * spec.accumulate
        else:
            y = np.broadcast_to(a @ b, c.shape) + c * spec.accumulate
            want[begin:end] = y[begin:end]
        call(begin, end, first)
        first = 0
    scale = max(1, np.abs(want).max(initial=0))
    np.testing.assert_allclose(given["c"] / scale, want / scale, atol=TOLERANCE[spec.dtype], rtol=0)
    assert (memory[:GUARD] == 7).all() and (memory[-GUARD:] == 7).all()


def whole(extent):
    return [(0, extent)]


def two(extent):
    """A part in the middle, in two calls."""
    return [(extent // 5, extent // 2 + 1), (extent // 2 + 1, extent - extent // 7)]


SIZES = [
    (1, 1, 1),
    (2, 3, 5),
    (3, 7, 8),
    (4, 1, 17),
    (5, 16, 9),
    (6, 5, 16),
    (7, 64, 23),
    (9, 2, 33),
    (11, 31, 24),
    (13, 70, 4),
    (17, 17, 47),
    (23, 41, 64),
    (31, 8, 70),
    (47, 37, 29),
    (70, 13, 41),
    (1, 37, 67),
    (67, 37, 1),
    (1, 5, 1),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes_and_layouts(size, dtype):
    rng = np.random.default_rng(sum(size))
    for layout in ("cc", "ct", "tc", "tt"):
        check(*operands(rng, dtype, *size, layout=layout), two if size[0] > 4 else whole)


@pytest.mark.parametrize("layout", ["sc", "cs", "st", "ss"])
@pytest.mark.parametrize("size", [(7, 9, 19), (1, 9, 19), (9, 19, 1)], ids=str)
def test_steps_on_both_axes(size, layout):
    check(*operands(np.random.default_rng(0), "float32", *size, layout=layout), whole)


@pytest.mark.parametrize("size", [(300, 5, 20), (20, 900, 20), (400, 401, 21)], ids=str)
@pytest.mark.parametrize("layout", ["cc", "tt"])
@pytest.mark.parametrize("keep", [False, True])
def test_blocks(size, layout, keep):
    """More rows, or more of k, than are taken at once; b packed for each call or for all."""
    spec, *rest = operands(np.random.default_rng(0), "float32", *size, layout=layout)
    check(replace(spec, keep=keep), *rest, two)


@pytest.mark.parametrize("size", [(300, 5, 20), (20, 900, 20), (400, 401, 21)], ids=str)
@pytest.mark.parametrize("layout", ["cc", "tt"])
def test_packed_by_another_product(size, layout):
    """A product of other rows and another a reads what the first one has packed."""
    _, inner, columns = size
    spec, given, _ = operands(np.random.default_rng(0), "float32", *size, layout=layout)
    spec = replace(spec, keep=True)
    packs = caller(matmul(spec), given)
    packs(0, 1)
    other, more, memory = operands(
        np.random.default_rng(1), "float32", 7, inner, columns, layout="s" + layout[1]
    )
    more["b"] = np.full_like(given["b"], np.nan)  # it is not read any more
    kernel = matmul(replace(other, keep=True, packed=True))
    assert kernel.scratch == matmul(spec).scratch
    reads = caller(kernel, more, packs.scratch)
    reads(0, 3, 1)
    reads(3, 7, 0)
    want = more["a"].astype("float64") @ given["b"]
    scale = max(1, np.abs(want).max())
    np.testing.assert_allclose(more["c"] / scale, want / scale, atol=2e-6, rtol=0)
    assert (memory[:GUARD] == 7).all() and (memory[-GUARD:] == 7).all()


def test_planning_emits_nothing(monkeypatch):
    def refuse(*_):
        raise AssertionError("emitted")

    monkeypatch.setattr(tiles.Emitter, "text", refuse)
    kernel = matmul(MatmulSpec("float32", 8, 9, 10, (9, 1), (10, 1), 10))
    assert "rows=8" in kernel.name
    with pytest.raises(AssertionError, match="emitted"):
        assert kernel.text


def test_a_kernel_is_emitted_the_same_each_time():
    kernel = matmul(MatmulSpec("float32", 8, 900, 10, (900, 1), (10, 1), 10, keep=True))
    assert kernel.text == kernel.text


@pytest.mark.parametrize("layout", ["cc", "ct", "tc"])
@pytest.mark.parametrize("size", [(16, 32, 24), (7, 13, 10), (1, 20, 30), (5, 9, 1)], ids=str)
@pytest.mark.parametrize("broadcast", [(), (("b", 0),), (("b", 0), ("b", 1)), (("a", 1),)], ids=str)
def test_batch(size, layout, broadcast):
    rng = np.random.default_rng(0)
    check(*operands(rng, "float32", *size, (5, 2), layout, broadcast), lambda _: [(1, 3), (3, 4)])


def test_batch_with_one_matrix_for_all():
    """The rows of all matrices are then rows of one."""
    given = operands(np.random.default_rng(0), "float32", 7, 8, 9, (6,), broadcast=(("b", 0),))
    check(*given, lambda _: [(1, 2), (2, 5)])
    assert matmul(given[0]).extent == 6


@pytest.mark.parametrize("layout", ["cc", "ct", "tc", "tt"])
@pytest.mark.parametrize("size", [(13, 700, 17), (12, 35, 32), (1, 50, 9), (9, 50, 1)], ids=str)
def test_cut_along_k(size, layout):
    """Each call adds what a part of k gives."""
    rng = np.random.default_rng(0)
    spec, given, memory = operands(rng, "float32", *size, layout=layout)
    check(replace(spec, cut="inner", accumulate=True), given, memory, two)
    check(replace(spec, cut="inner"), given, memory, lambda _: [(3, 29)])


@pytest.mark.parametrize("size", [(13, 600, 17), (13, 9, 32), (1, 50, 9), (9, 50, 1)], ids=str)
def test_accumulate(size):
    spec, *rest = operands(np.random.default_rng(0), "float64", *size, layout="ct")
    check(replace(spec, accumulate=True), *rest, two)


@pytest.mark.parametrize(("width", "count"), [(16, 16), (16, 32), (64, 32)])
def test_other_processors(monkeypatch, width, count):
    """The tiles that processors with other vectors get; LLVM splits what this one lacks."""
    monkeypatch.setattr(tiles, "vector_bytes", lambda: width)
    monkeypatch.setattr(tiles, "registers", lambda: count)
    rng = np.random.default_rng(0)
    for size in [(23, 41, 70), (16, 9, 33), (9, 5, 130), (1, 40, 41)]:
        check(*operands(rng, "float32", *size), whole)
        check(*operands(rng, "float64", *size, layout="tt"), two)


def test_nothing_to_do():
    spec, given, memory = operands(np.random.default_rng(0), "float32", 13, 9, 17)
    check(spec, given, memory, lambda _: [(4, 4)])
    assert (given["c"] == 7).all()


def test_unsupported():
    spec = MatmulSpec("int64", 2, 3, 4, (3, 1), (4, 1), 4)
    assert not supports(spec)
    assert not supports(replace(spec, dtype="float32", cut="batch"))
    assert supports(replace(spec, dtype="float32"))


def test_lines_that_follow_each_other_are_one_loop():
    levels = [tiles.Level(2, 12, 120), tiles.Level(3, 4, 40), tiles.Level(4, 1, 10)]
    assert tiles.merged(levels) == [tiles.Level(24, 1, 10)]
    gap = [tiles.Level(2, 13, 120), tiles.Level(3, 4, 40), tiles.Level(1, 9, 9)]
    assert tiles.merged(gap) == gap[:2]


@pytest.mark.parametrize("count", range(1, 40))
def test_even_tiles_cover_all_rows(count):
    groups = tiles.even_tiles(count, 6)
    rows = [first + i for first, n, size in groups for i in range(n * size)]
    assert rows == list(range(count)) and len(groups) <= 2
    assert all(size <= 6 for _, _, size in groups)
