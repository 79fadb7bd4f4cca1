"""Gradients of scientific functions: `python -m benchmarks.science.run [--write]`."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.alternate import alternate
from benchmarks.science import modules
from benchmarks.science.functions import PROBLEMS

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-science.md"
EAGER, COMPILED, HESSIAN = 0.5, 1.0, 0.3
"""What part of autograd's, JAX's and autograd's time may be taken."""

HEAD = """# Gradients of scientific functions

Printed by `python -m benchmarks.science.run --write`. Each function is written once over an array
module (`benchmarks/science/functions.py`) and differentiated at one point, value and gradient, in
float64. All take turns in one process; times are medians over the rounds, and every gradient was
first compared with autograd's. A dash is a peer that cannot differentiate a function as it stands.
The first column is NumPy's time for the value alone: the gradient takes as much again, or twice as
much, whoever calls NumPy for it.
"""


def main() -> None:
    """Measure, print, and write the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    parser.add_argument("--only", default="", help="some of: " + ", ".join(PROBLEMS))
    parser.add_argument("--rounds", type=int, default=9, help="rounds of alternation (9)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = options.only.split(",") if options.only else list(PROBLEMS)
    if unknown := {*names} - {*PROBLEMS}:
        parser.error(f"--only: {', '.join(sorted(unknown))}: there is no such function")
    if options.write and options.only:
        parser.error("--write takes all functions")
    text = "\n".join(
        [HEAD, peers.machine(), "", *table(names, options.rounds), *hessians(options.rounds)]
    )
    print(text)
    if options.write:
        PAGE.write_text(text + "\n", encoding="utf-8")


def table(names: list[str], rounds: int) -> list[str]:
    """A line for each function."""
    labels = ["NumPy, value", *(label for label, _ in modules.CONTENDERS.values())]
    lines = [
        f"| function | {' | '.join(labels)} | eager / autograd (<= {EAGER}) "
        f"| compiled / JAX (<= {COMPILED:g}) |",
        "|---|" + "---|" * (len(labels) + 2),
    ]
    for name in names:
        times = measure(name, rounds)
        cells = [time(times.get(key)) for key in ("numpy", *modules.CONTENDERS)]
        ratios = [ratio(times, "eager", "autograd"), ratio(times, "compiled", "jax")]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join([*cells, *ratios])} |")
        print(lines[-1], flush=True)
    return lines


def measure(name: str, rounds: int) -> dict[str, float]:
    """The seconds of each contender that agrees with the reference."""
    problem = PROBLEMS[name]
    made: dict[str, Any] = {}
    expected: Any = None
    for key, (label, make) in modules.CONTENDERS.items():
        try:
            function = make(problem)
            answer = function()
        except Exception as error:
            print(
                f"{name}: {label}: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True
            )
            continue
        expected = answer if expected is None else expected
        if not modules.close(answer, expected):
            raise SystemExit(f"{name}: {label} has another value or gradient")
        made[key] = function
    made["numpy"] = modules.numpy_value(problem)
    return alternate(made, rounds)


def hessians(rounds: int) -> list[str]:
    """The Hessian of 100 parameters."""
    problem = PROBLEMS["rosenbrock"]
    made = {
        "autograd": modules.autograd_hessian(problem),
        "descend": modules.descend_hessian(problem),
    }
    answers = [np.asarray(function()) for function in made.values()]
    if not np.allclose(*answers):
        raise SystemExit("the Hessians differ")
    times = alternate(made, rounds)
    return [
        "",
        f"The Hessian of Rosenbrock's function of 100 parameters takes autograd "
        f"{time(times['autograd'])} and descend (eager) {time(times['descend'])}: "
        f"{ratio(times, 'descend', 'autograd')} (<= {HESSIAN}).",
    ]


def time(seconds: float | None) -> str:
    """A time for people."""
    if seconds is None:
        return "-"
    return f"{seconds * 1e6:,.0f} us" if seconds < 1e-2 else f"{seconds * 1e3:.1f} ms"


def ratio(times: dict[str, float], ours: str, theirs: str) -> str:
    """Our time as a part of theirs."""
    if ours not in times or theirs not in times:
        return "-"
    return f"{times[ours] / times[theirs]:.2f}"


if __name__ == "__main__":
    main()
