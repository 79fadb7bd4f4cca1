"""What a graph holds and what it frees: `python -m benchmarks.memory [--write]`."""

from __future__ import annotations

import argparse
import gc
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np

import descend.functions as F
from benchmarks import peers
from descend import Variable, gradients

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-memory.md"
MEGABYTE = 2**20


def intermediate() -> tuple[str, str]:
    """Bytes that y = exp(x * 2) holds beyond x: y's own array, and not that of x * 2."""
    x = Variable(np.ones(MEGABYTE // 8))
    tracemalloc.start()
    y = F.exp(x * 2)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert y.creator is not None
    return "y = exp(x * 2) of 1 MiB, held while y's graph lives", f"{held / MEGABYTE:.2f} MiB"


def long_chain() -> tuple[str, str]:
    """A chain of 200,000 functions, backward twice, freed by counting references alone."""
    gc.disable()
    start = time.perf_counter()
    x = Variable(np.array(1.0))
    y = x
    for _ in range(200_000):
        y = y + 1.0
    y.backward()
    y.backward()
    assert x.grad.data == 2
    blocks = sys.getallocatedblocks()
    del y
    freed = blocks - sys.getallocatedblocks()
    gc.enable()
    seconds = time.perf_counter() - start
    return (
        "chain of 200,000 functions: forward, backward twice, free, no collector, no recursion",
        f"{seconds:.1f} s, {freed:,} objects freed at once",
    )


def steps(create_graph: bool) -> tuple[str, str]:
    """Objects that 1,000 training steps leave behind, with the garbage collector off."""
    w = Variable(np.full((20, 20), 0.1))
    x = np.ones((8, 20))

    def step() -> None:
        loss = F.mean(F.tanh(F.matmul(F.tanh(F.matmul(x, w)), w)) ** 2)
        if create_graph:
            (gw,) = gradients(loss, w, create_graph=True)
            loss = F.sum(gw * gw)
        w.cleargrad()
        loss.backward()
        w.data = w.data - 0.1 * w.grad.data

    for _ in range(200):
        step()
    gc.collect()
    gc.disable()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        step()
    cycles = gc.collect()
    grown = sys.getallocatedblocks() - before
    gc.enable()
    kind = " through gradients of gradients" if create_graph else ""
    return f"1,000 training steps{kind}, no collector", f"{grown:+d} objects, {cycles} cycles"


def main() -> None:
    """Measure, print the table, write the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    options = parser.parse_args()
    rows = [intermediate(), long_chain(), steps(False), steps(True)]
    table = "\n".join(["| claim | measured |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)])
    print(f"{peers.machine()}\n\n{table}")
    if options.write:
        PAGE.write_text(
            "# Memory\n\nPrinted by `python -m benchmarks.memory --write`.\n\n"
            f"{peers.machine()}\n\n{table}\n"
        )


if __name__ == "__main__":
    main()
