"""How the time of a step grows with the size of the work, and the pictures of that."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import fresh
from benchmarks.contenders import COLUMNS


class Curve(NamedTuple):
    """A piece of work, the size that grows, and what the picture says."""

    work: str
    size: str
    values: tuple[int, ...]
    title: str


CURVES = (
    Curve("gpt", "width", (64, 128, 256, 512), "GPT, 4 blocks, one step of AdamW"),
    Curve("cnn", "batch", (1, 2, 4, 8, 16, 32, 64, 128), "small CNN, one step of SGD momentum"),
)
COLOURS = {
    "torch": "#e07b39",
    "torch.compile": "#b3541e",
    "jax": "#4c9f70",
    "tinygrad": "#8661a8",
    "eager": "#8ab8e6",
    "compiled": "#0b6bcb",
}
QUIET = "#6b7280"
STYLE: Any = {
    "axes.edgecolor": "#c9ced6",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "font.size": 10,
    "grid.color": "#e5e8ec",
    "svg.hashsalt": "descend",  # else the names inside the file are new each time
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}


def measure(curve: Curve, threads: int, arguments: list[str]) -> dict[str, list[float | None]]:
    """The seconds of a step at each size, for every column; None where there is none."""
    rows = []
    for value in curve.values:
        size = ("--size", f"{curve.size}={value}")
        try:
            row = fresh.run("benchmarks.row", curve.work, *size, *arguments, threads=threads)
        except RuntimeError:
            row = {"columns": {}}
        rows.append(row)
    lines = {
        column: [row["columns"].get(column, {}).get("seconds") for row in rows]
        for column in COLUMNS
    }
    lines["limit"] = [row.get("limit") for row in rows]
    return {name: line for name, line in lines.items() if any(line)}


def draw(
    path: Path, curve: Curve, panels: dict[int, dict[str, list[float | None]]], machine: str
) -> None:
    """A panel for each number of threads; both axes logarithmic."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5 * len(panels), 4.2), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for panel, (threads, lines) in zip(axes, panels.items(), strict=True):
            for name, line in lines.items():
                points = [(x, 1e3 * y) for x, y in zip(curve.values, line, strict=True) if y]
                panel.plot(
                    *zip(*points, strict=True),
                    label=COLUMNS.get(name, name),
                    color=COLOURS.get(name, "#9aa1ab"),
                    linewidth=2.4 if name == "compiled" else 1.5,
                    linestyle=":" if name == "limit" else "-",
                    marker="" if name == "limit" else "o",
                    markersize=3.5,
                )
            panel.set_xscale("log", base=2)
            panel.set_yscale("log")
            panel.set_xticks(curve.values, [str(value) for value in curve.values])
            panel.xaxis.set_minor_locator(NullLocator())
            panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
            panel.set_title(f"{threads} thread{'s' if threads > 1 else ''}")
            panel.set_xlabel(curve.size, color=QUIET)
        axes[0].set_ylabel("ms a step", color=QUIET)
        axes[0].legend(loc="upper left", edgecolor="none", fontsize=9)
        figure.suptitle(f"{curve.title}\n", x=0.01, ha="left", fontweight="bold", fontsize=12)
        figure.supxlabel(machine, x=0.01, ha="left", color=QUIET, fontsize=7.5)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    path.write_bytes(picture.getvalue())
