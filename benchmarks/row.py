"""One piece of work by all contenders in turn, in this process: `python -m benchmarks.row mlp`."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import sys
import time

from benchmarks.alternate import alternate
from benchmarks.contenders import COLUMNS, contenders, distance, excuse, record
from benchmarks.limits import copies, product

TOLERANCE = 2e-3
"""How far a contender may be from PyTorch. Adam divides by the square root of a tiny number in its
first steps and makes 1e-4 of 1e-7; whoever computes something else is far beyond this."""


def main() -> None:
    """Check, measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--without", default="", help="columns to leave out, with commas")
    parser.add_argument("--size", action="append", default=[], help="name=number")
    options = parser.parse_args()
    sizes = {name: int(value) for name, _, value in (s.partition("=") for s in options.size)}
    taken = [column for column in COLUMNS if column not in options.without.split(",")]
    logging.disable(logging.WARNING)  # PyTorch's compiler has much to say
    result = measure(options.work, options.rounds, options.seconds, taken, sizes)
    print(json.dumps(result), flush=True)


def measure(
    name: str, rounds: int, seconds: float, taken: list[str], sizes: dict[str, int]
) -> dict:
    """For each column the time, its variant and its distance from PyTorch, or an excuse."""
    work = importlib.import_module(f"benchmarks.works.{name}")
    operations, moved = work.limit(**sizes)
    steps, columns, excuses, reference = {}, {}, {}, None
    for key, maker in contenders(work, taken, **sizes).items():
        column, variant = key
        say(f"{title(name, sizes)}: {COLUMNS[column]} {variant}".rstrip())
        start = time.perf_counter()
        try:
            step, trace = record(maker)
            reference = reference or trace
            apart = distance(trace, reference)
            if not apart < TOLERANCE:
                raise ArithmeticError(f"disagrees by {apart:.1e}")
        except Exception as error:
            excuses[column] = excuse(error)
            say(f"  {excuses[column]}")
            continue
        say(f"  {apart:.1e} from the first, {time.perf_counter() - start:.1f} s to begin with")
        steps[key] = step
        columns[key] = {"variant": variant, "distance": apart}
    say(f"{title(name, sizes)}: {rounds} rounds of {len(steps)} in turn")
    matrix, flops = product()
    copy, copied = copies(moved)
    times = alternate({**steps, "product": matrix, "copy": copy}, rounds, seconds)
    best: dict[str, dict] = {column: {"excuse": text} for column, text in excuses.items()}
    for key in sorted(steps, key=lambda key: -times[key]):  # the fastest variant comes last
        best[key[0]] = {"seconds": times[key], **columns[key]}
    peak, bandwidth = flops / times["product"], copied / times["copy"]
    limit = operations / peak + moved / bandwidth
    return {"columns": best, "limit": limit, "peak": peak, "bandwidth": bandwidth}


def title(name: str, sizes: dict[str, int]) -> str:
    return " ".join([name, *(f"{key} {value}" for key, value in sizes.items())])


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
