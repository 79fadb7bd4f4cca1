"""What each pass makes of small graphs, as texts: golden/PASS_CASE.txt.

A file has a line that says what it shows, a graph, a line of dashes, and what becomes of the graph:

- simplify, products, layout, cse, host: the graph after this pass
- kernels: its kernels on two threads, as the schedule lays them out
- llvm: the LLVM text of its only kernel, after LLVM's passes

``pytest --update-golden`` writes the second half anew. Look at the difference before you keep it.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from descend.compile import is_available
from descend.compile.graph import evaluate, parse, verify

if not is_available():
    pytest.skip("nothing is compiled here", allow_module_level=True)

from descend.compile.passes import PASSES
from descend.compile.passes.fuse import fuse
from descend.compile.passes.schedule import schedule
from descend.compile.run.runtime import Executable, text_of

FILES = sorted((Path(__file__).parent / "golden").glob("*.txt"))
RULE = "-" * 8
THREADS = 2


def lowered(graph):
    """The kernels and their bands, as an Executable has them for two threads."""
    found = schedule(fuse(graph, THREADS).kernels, THREADS)
    blocks = {band: band.block(THREADS) for band in found.bands}
    return SimpleNamespace(schedule=found, blocks=blocks)


def after(stage, graph, machine):
    """What the stage makes of a graph, as text."""
    if stage == "kernels":
        return text_of(lowered(graph))
    if stage == "llvm":
        (band,) = lowered(graph).schedule.bands
        (kernel,) = band.kernels
        return machine.llvm(kernel.emit())
    return str(verify(PASSES[stage](graph)))


def arrays_for(graph, rng):
    """Values for the inputs: small numbers, so that indices lie inside."""
    for x in graph.inputs:
        if x.dtype.kind == "f":
            yield rng.standard_normal(x.shape).astype(x.dtype)
        else:
            yield rng.integers(0, 2, x.shape).astype(x.dtype)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_golden(file, golden, request):
    head, _, expected = file.read_text().partition(f"\n{RULE}\n")
    title, _, text = head.partition("\n")
    assert title.startswith("# ")
    graph = verify(parse(text))
    assert str(graph) == text, "the graph is not written as it prints"
    stage = file.stem.partition("_")[0]
    machine = request.getfixturevalue("haswell") if stage in ("kernels", "llvm") else None
    got = after(stage, graph, machine)
    golden(
        got,
        expected.rstrip("\n"),
        file.name,
        lambda: file.write_text(f"{head}\n{RULE}\n{got}\n"),
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_values_stay_the_same(file):
    _, _, text = file.read_text().partition(f"\n{RULE}\n")[0].partition("\n")
    graph = parse(text)
    arrays = list(arrays_for(graph, np.random.default_rng(0)))
    stage = file.stem.partition("_")[0]
    with np.errstate(all="ignore"):
        expected = evaluate(graph, *arrays)
        if stage in PASSES:
            got = evaluate(PASSES[stage](graph), *arrays)
        else:
            got = [np.empty(y.shape, y.dtype) for y in graph.outputs]
            Executable(graph).run(arrays, got)
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype
        largest = float(np.abs(b[np.isfinite(b)]).max(initial=0))
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-5 * largest)


def test_every_pass_is_shown():
    assert {file.stem.partition("_")[0] for file in FILES} == {*PASSES, "kernels", "llvm"}
