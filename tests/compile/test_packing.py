import numpy as np
import pytest

pytest.importorskip("llvmlite")

from descend.compile.graph import Graph, input_node, node
from descend.compile.kernels.kernel import Access, Buffer, Kernel, Packing
from descend.compile.passes.buffers import plan
from descend.compile.passes.packing import share_packing
from descend.compile.passes.schedule import Band, Schedule
from descend.compile.run.runtime import Executable


def buffer(*shape):
    return Buffer(shape, np.dtype("float32"))


def kernel(weight, form=0, *, writes=(), scratch=640):
    """A kernel of 8 rows that packs the weight in some form."""
    packing = Packing(weight, form, lambda: "reads", lambda: "reads") if scratch else None
    return Kernel(
        rows=8,
        operands=[weight, *writes],
        reads=[Access(weight, 0, (0,), (8,))],
        writes=[Access(y, 0, (1,), (8,)) for y in writes],
        text=lambda: "packs",
        emit=lambda: "packs",
        title="",
        scratch=scratch,
        packing=packing,
    )


def shared(*kernels):
    """Whose packing each kernel of a band reads."""
    share_packing([Band(0, 8, list(kernels))])
    for k in kernels:
        assert k.text() == k.emit() == ("packs" if k.packed_by is None else "reads")
    return [None if k.packed_by is None else kernels.index(k.packed_by) for k in kernels]


def test_equal_packing_is_shared():
    x, y = buffer(8), buffer(8)
    kernels = kernel(x), kernel(y), kernel(x), kernel(x, 1), kernel(x), kernel(x, 1)
    assert shared(*kernels) == [None, None, 0, None, 0, 3]


def test_what_was_written_since_is_packed_anew():
    x, y = buffer(8), buffer(8)
    kernels = kernel(x), kernel(x, writes=[y]), kernel(y, writes=[x]), kernel(x), kernel(x)
    assert shared(*kernels) == [None, 0, None, None, 3]


def test_bands_share_nothing():
    x = buffer(8)
    kernels = kernel(x), kernel(x)
    share_packing([Band(0, 8, [kernels[0]]), Band(1, 8, [kernels[1]])])
    assert kernels[1].packed_by is None


@pytest.mark.parametrize("block", [2, 4])
def test_scratch_lasts_as_long_as_it_is_read(block):
    """On 2 threads, blocks of 2 come twice, and read what was packed for the first."""
    x, y, z = buffer(8), buffer(8), buffer(8)
    kernels = [kernel(x), kernel(y, scratch=0), kernel(x), kernel(z), kernel(z)]
    kernels[1].scratch = 64  # for one call
    band = Band(0, 8, kernels)
    share_packing([band])
    result = plan(Schedule([band], 1), {band: block}, 2)
    ends = [result.scratch[k] + k.scratch for k in kernels]
    starts = [result.scratch[k] for k in kernels]
    assert starts[0] == starts[2] and starts[3] == starts[4]
    assert starts[1] >= ends[0] or ends[1] <= starts[0]
    if block == 4:
        assert starts[3] < ends[0]  # x is not read any more
        assert result.thread_bytes == 704
    else:
        assert starts[3] >= ends[0] or ends[3] <= starts[0]
        assert result.thread_bytes == 1344


@pytest.mark.parametrize("rows", [2, 96, 700])
def test_steps_with_one_weight(rows):
    """Products of one band whose weight the first one packs."""
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(shape).astype("float32") for shape in ((rows, 40), (40, 40)))
    inputs = [input_node(a.shape, a.dtype) for a in (x, weight)]
    h = inputs[0]
    for _ in range(5):
        h = node("tanh", node("matmul", h, inputs[1]))
    executable = Executable(Graph(inputs, [h]))
    assert sum(k.packed_by is not None for k in executable.kernels) == 4
    y = np.empty((rows, 40), "float32")
    executable.run([x, weight], [y])
    want = x.astype("float64")
    for _ in range(5):
        want = np.tanh(want @ weight)
    np.testing.assert_allclose(y, want, atol=2e-4)
