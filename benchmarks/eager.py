"""Eager mode beside its peers: `python -m benchmarks.eager [--write]`."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

from benchmarks import peers
from benchmarks.alternate import alternate
from benchmarks.works import chain, cnn, mlp, rosenbrock

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-eager.md"
COLUMNS = {"descend": "descend", "torch": "PyTorch", "autograd": "autograd", "jax": "JAX (jit)"}

WORKS: list[tuple[str, ModuleType, dict[str, float]]] = [
    (
        "Rosenbrock, two 0-d float64, forward and backward",
        rosenbrock,
        {"torch": 0.5, "autograd": 0.3},
    ),
    ("50 sines of 10 elements, forward and backward", chain, {"torch": 0.8, "autograd": 0.6}),
    ("MLP 784-512-512-10, batch 128, Adam, one step", mlp, {"torch": 1.2}),
    ("small CNN, 32 x 16 x 32 x 32, SGD momentum, one step", cnn, {"torch": 2.5}),
]


def main() -> None:
    """Take the times, print the table, write the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    parser.add_argument("--rounds", type=int, default=31, help="rounds of alternation (31)")
    options = parser.parse_args()

    modules = {"torch": peers.torch(), "autograd": peers.peer("autograd"), "jax": peers.peer("jax")}
    head = " | ".join(COLUMNS.values())
    lines = [f"| work | {head} | ratio (target) |", "|---|" + "---|" * 5]
    for title, work, targets in WORKS:
        steps = {"descend": work.descend()[0]}
        for name, module in modules.items():
            if module is not None and hasattr(work, name):
                steps[name] = getattr(work, name)(module)[0]
        check_agreement(title, steps)
        times = alternate(steps, options.rounds, seconds=0.05)
        cells = [duration(times.get(name)) for name in COLUMNS]
        ratios = [
            f"{times['descend'] / times[name]:.2f} of {COLUMNS[name]} (<= {target})"
            for name, target in targets.items()
            if name in times
        ]
        lines.append(f"| {title} | {' | '.join(cells)} | {', '.join(ratios) or '-'} |")
        print(lines[-1], file=sys.stderr, flush=True)
    lines.append(import_row())
    table = "\n".join(lines)
    print(f"{peers.machine()}\n\n{table}")
    if options.write:
        PAGE.write_text(page(table))


def check_agreement(title: str, steps: dict) -> None:
    """All frameworks do the same work: three steps give the same losses or gradients."""
    first = None
    for name, step in steps.items():
        values = np.concatenate([np.ravel(np.asarray(part)) for _ in range(3) for part in [step()]])
        first = values if first is None else first
        if not np.allclose(values, first, rtol=1e-3, atol=1e-5):
            raise SystemExit(f"{title}: descend and {name} disagree: {first} and {values}")


def import_row() -> str:
    """The time of `import descend` over that of `import numpy`, in new processes that alternate."""
    times: dict[str, list[float]] = {"numpy": [], "numpy, descend": []}
    # Bytecode is written by the first process and read by the others, as in an installation.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(20):
        for modules, row in times.items():
            code = f"from time import perf_counter as t; s = t(); import {modules}; print(t() - s)"
            command = [sys.executable, "-c", code]
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env=environment
            )
            row.append(float(done.stdout))
    numpy, both = (statistics.median(row) * 1e3 for row in times.values())
    name = f"`import descend` over `import numpy` ({numpy:.0f} ms)"
    return f"| {name} | {both - numpy:.0f} ms | - | - | - | (<= 60 ms) |"


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it; a dash where there is none."""
    if seconds is None:
        return "-"
    return f"{seconds * 1e6:.0f} us" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"


def page(table: str) -> str:
    """The page in docs/: where and how it was measured, and the table."""
    return (
        "# Eager mode beside its peers\n\n"
        "Printed by `python -m benchmarks.eager --write`: medians over rounds in which all take "
        "turns in one process, after a check that all compute the same numbers. "
        f"A dash is a peer that is not installed or has no such row.\n\n{peers.machine()}\n\n"
        f"{table}\n"
    )


if __name__ == "__main__":
    main()
