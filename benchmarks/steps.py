"""Whole steps, compiled, beside the peers: `python -m benchmarks.steps [--write] [--curves]`."""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks import curves, fresh, peers
from benchmarks.contenders import COLUMNS
from benchmarks.row import say
from benchmarks.single import first_call, peak_memory

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "benchmarks-steps.md"
PEERS = ("torch", "torch.compile", "jax", "tinygrad")


class Row(NamedTuple):
    """A piece of work, and what part of the best peer's time the compiled step may take."""

    title: str
    target: float


ROWS = {
    "mlp": Row("MLP 784-512-512-10, batch 128, Adam", 0.85),
    "cnn": Row("small CNN, 32 x 16 x 32 x 32, SGD momentum", 0.9),
    "gpt": Row("GPT, 4 blocks, width 128, context 128, batch 8, AdamW", 0.8),
    "lstm": Row("LSTM 64 -> 128, 50 steps, batch 16, forward and backward", 0.8),
    "black_scholes": Row("Black-Scholes, value and gradient, 1e6 options", 0.8),
    "descent": Row("Rosenbrock, 0-d float64, one step of gradient descent", 0.1),
    "hessian": Row("Hessian-vector product of the MLP's loss", 0.8),
}
FIRST_CALLS = ("mlp", "cnn", "gpt")
MEMORY = ("cnn", "gpt")


def main() -> None:
    """Measure, print the tables, write the page and the pictures if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    parser.add_argument("--curves", action="store_true", help="draw docs/steps-*.svg as well")
    parser.add_argument("--only", default="", help="some of: " + ", ".join((*ROWS, *TABLES)))
    parser.add_argument("--without", default="", help="some of: " + ", ".join(COLUMNS))
    parser.add_argument("--rounds", type=int, default=25, help="rounds of alternation (25)")
    parser.add_argument("--threads", type=int, default=peers.THREADS or 1, help="for everyone")
    parser.add_argument("--quick", action="store_true", help="does it run? The figures mean little")
    options = parser.parse_args()
    only = options.only.split(",") if options.only else []
    unknown = {*only} - {*ROWS, *TABLES}
    if unknown:
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of {(*ROWS, *TABLES)}")
    if options.write and (only or options.without or options.quick):
        parser.error("--write takes the whole table")
    options.rows = [name for name in ROWS if not only or name in only]
    options.row_arguments = ["--rounds", str(options.rounds), "--without", options.without]
    if options.quick:
        options.row_arguments += ["--rounds", "3", "--seconds", "0.01"]

    machine = f"{options.threads} threads on {peers.machine()}"
    parts = [steps_part(options)] if options.rows else []
    parts += [table(options) for name, table in TABLES.items() if not only or name in only]
    print("\n\n".join([machine, *parts]), flush=True)
    if options.curves:
        draw_curves(options)
    if options.write:  # with the pictures that are there by now
        PAGE.write_text(page(machine, parts))


def steps_part(options: argparse.Namespace) -> str:
    """The table this is for, and how well all agree."""
    head = " | ".join((*COLUMNS.values(), "limit"))
    lines = [
        f"| work | {head} | compiled / best peer (target) | eager / PyTorch (<= 1) |",
        "|---|" + "---|" * (len(COLUMNS) + 3),
    ]
    apart = [f"| work | {' | '.join(COLUMNS.values())} |", "|---|" + "---|" * len(COLUMNS)]
    machine = []
    for name in options.rows:
        try:
            row = fresh.run("benchmarks.row", name, *options.row_arguments, threads=options.threads)
        except RuntimeError as error:
            lines.append(f"| {ROWS[name].title} | {error} |" + " - |" * (len(COLUMNS) + 2))
            continue
        columns = row["columns"]
        cells = [cell(columns.get(column)) for column in COLUMNS]
        cells += [duration(row["limit"]), *ratios(columns, ROWS[name].target)]
        lines.append(f"| {ROWS[name].title} | {' | '.join(cells)} |")
        say(lines[-1])
        distances = [columns.get(column, {}).get("distance") for column in COLUMNS]
        texts = ["-" if d is None else f"{d:.0e}" for d in distances]
        apart.append(f"| {ROWS[name].title} | {' | '.join(texts)} |")
        machine.append((row["peak"] / 1e9, row["bandwidth"] / 1e9))
    table = "\n".join(lines)
    if not machine:
        return table
    (low, high), (slow, fast) = ((min(x), max(x)) for x in zip(*machine, strict=True))
    return (
        f"{table}\n\nLimit: {low:.0f} to {high:.0f} GFLOP/s (a product of 1024 x 1024 matrices by "
        f"NumPy's BLAS) and {slow:.0f} to {fast:.0f} GB/s (copies as large as what the work must "
        "move), each taken in the rounds of its row.\n\n"
        "How far each was from PyTorch before it was timed: the largest difference of losses, of "
        "gradients, or of what three steps changed in all weights together, as a part of the "
        "latter's Euclidean norm.\n\n" + "\n".join(apart)
    )


def ratios(columns: dict, target: float) -> list[str]:
    """The cells of the compiled step beside the best peer, and of eager beside eager."""
    seconds = {name: column["seconds"] for name, column in columns.items() if "seconds" in column}
    beside = [name for name in PEERS if name in seconds]
    compiled = eager = "-"
    if "compiled" in seconds and beside:
        best = min(beside, key=lambda name: seconds[name])
        compiled = f"{seconds['compiled'] / seconds[best]:.2f} of {COLUMNS[best]} (<= {target})"
        if best != "torch" and "torch" in seconds:
            compiled += f", {seconds['compiled'] / seconds['torch']:.2f} of PyTorch"
    if "eager" in seconds and "torch" in seconds:
        eager = f"{seconds['eager'] / seconds['torch']:.2f}"
    return [compiled, eager]


def first_calls_part(options: argparse.Namespace) -> str:
    """The first call in a new process, where nothing is on disk and where the last one left it."""
    head = ("torch.compile", "jax", "compiled")
    titles = [f"{COLUMNS[column]}, {state}" for column in head for state in ("cold", "warm")]
    lines = [
        f"| first call of a process | {' | '.join(titles)} | cold / JAX cold (<= 1) | "
        "warm / JAX cold (<= 0.3) |",
        "|---|" + "---|" * 8,
    ]
    for name in FIRST_CALLS:
        times = {}
        for column in head:
            if column in options.without.split(","):
                continue
            runs = 1 if options.quick or column == "torch.compile" else 3
            pairs = [first_calls(name, column, options.threads) for _ in range(runs)]
            times |= {(column, "cold"): median([cold for cold, _ in pairs])}
            times |= {(column, "warm"): median([warm for _, warm in pairs])}
        cells = [cell(times.get((c, state))) for c in head for state in ("cold", "warm")]
        jax = times.get(("jax", "cold"), {}).get("seconds")
        for state in ("cold", "warm"):
            own = times.get(("compiled", state), {}).get("seconds")
            cells.append(f"{own / jax:.2f}" if own and jax else "-")
        lines.append(f"| {ROWS[name].title} | {' | '.join(cells)} |")
        say(lines[-1])
    return "\n".join(lines) + (
        "\n\nFrom the call of the step to its result; the framework is imported and the model "
        "built before. Cold: an empty folder for compiled code, warm: the folder that the process "
        "before has left. Medians of three processes, of torch.compile one."
    )


def first_calls(name: str, column: str, threads: int) -> tuple[dict, dict]:
    """The first call with an empty folder, and with what that has left in it."""
    folder = tempfile.mkdtemp()
    try:
        cold = first_call(name, column, threads, folder)
        return cold, first_call(name, column, threads, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def memory_part(options: argparse.Namespace) -> str:
    """What five steps need."""
    columns = [column for column in COLUMNS if column != "tinygrad"]
    lines = [
        f"| memory of the process | {' | '.join(COLUMNS[c] for c in columns)} | "
        "compiled / PyTorch (<= 1) |",
        "|---|" + "---|" * (len(columns) + 1),
    ]
    for name in MEMORY:
        folder = tempfile.mkdtemp()
        peaks = {}
        for column in columns:
            if column in options.without.split(","):
                continue
            if column in ("torch.compile", "jax", "compiled"):
                first_call(name, column, options.threads, folder)  # to leave the code there
            peaks[column] = peak_memory(name, column, options.threads, folder)
        shutil.rmtree(folder, ignore_errors=True)
        own, torch = (peaks.get(c, {}).get("bytes") for c in ("compiled", "torch"))
        cells = [memory_cell(peaks.get(column)) for column in columns]
        cells.append(f"{own / torch:.2f}" if own and torch else "-")
        lines.append(f"| {ROWS[name].title} | {' | '.join(cells)} |")
        say(lines[-1])
    return "\n".join(lines) + (
        "\n\nWhat the process's own memory (RssAnon) has grown by at most, from before the model "
        "and the data are made to the end of five steps, seen every millisecond from outside, in a "
        "new process that finds its compiled code on disk. PyTorch in its default layout."
    )


TABLES = {"first-call": first_calls_part, "memory": memory_part}


def median(results: list[dict]) -> dict:
    """The median of the times; the excuse, if one has none."""
    excuses = [result for result in results if "seconds" not in result]
    if excuses:
        return excuses[0]
    return {"seconds": statistics.median(result["seconds"] for result in results)}


def memory_cell(peak: dict | None) -> str:
    """The megabytes, or why there are none."""
    if peak is None or "bytes" not in peak:
        return "-" if peak is None else peak["excuse"]
    return f"{peak['bytes'] / 2**20:.0f} MiB"


def cell(column: dict | None) -> str:
    """A time with its variant, or why there is none."""
    if column is None:
        return "-"
    if "seconds" not in column:
        return column["excuse"]
    variant = column.get("variant")
    return duration(column["seconds"]) + (f" ({variant})" if variant else "")


def duration(seconds: float) -> str:
    """A time in the unit that suits it; a dash for none."""
    if not seconds:
        return "-"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.1f} s"


def draw_curves(options: argparse.Namespace) -> None:
    """A picture for each curve, with one thread and with all."""
    for curve in curves.CURVES:
        if curve.work not in options.rows:
            continue
        if options.quick:
            curve = curve._replace(values=curve.values[:2])
        panels = {
            threads: curves.measure(curve, threads, options.row_arguments)
            for threads in sorted({1, options.threads})
        }
        folder = Path(tempfile.mkdtemp()) if options.quick else DOCS
        path = folder / f"steps-{curve.work}.svg"
        curves.draw(path, curve, panels, peers.machine())
        say(f"{path}: {panels}")


def page(machine: str, parts: list[str]) -> str:
    """The page in docs/."""
    pictures = [
        f"![{curve.title}, ms a step over {curve.size}](steps-{curve.work}.svg)"
        for curve in curves.CURVES
        if (DOCS / f"steps-{curve.work}.svg").exists()
    ]
    introduction = (
        "# Whole steps beside the peers\n\n"
        "Printed by `python -m benchmarks.steps --write`; the pictures are drawn by `--curves`. "
        "A row is a process in which all take turns, with the same number of threads, on the same "
        "data; times are medians over the rounds. Each peer is at its best settings: fused "
        "optimizers, both layouts and both ways to second derivatives for PyTorch, attention and "
        "the LSTM by PyTorch's own functions; for JAX the whole step in one jit, weights donated, "
        "images in channels-last layout. torch.compile needs a C++ compiler. A dash is a peer that "
        "is not installed or has no such row."
    )
    return "\n\n".join([introduction, machine, *parts, *pictures]) + "\n"


if __name__ == "__main__":
    main()
