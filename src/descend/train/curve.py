"""The picture of a training run: loss and metrics over the epochs."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from descend.formats.atomic import write_atomically

TRAIN_COLOUR, TEST_COLOUR, QUIET = "#8a8f98", "#0b6bcb", "#6b7280"

STYLE: Any = {
    "axes.edgecolor": "#c9ced6",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "font.size": 10,
    "grid.color": "#e5e8ec",
    "svg.hashsalt": "descend",  # else the names inside the file are new each time
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "ytick.major.size": 0,
}


def draw_curve(
    path: str | os.PathLike[str], history: list[dict[str, Any]], title: str = ""
) -> None:
    """Draw loss and metrics over the epochs, a panel each, into an .svg, .png or .pdf file.

    Raises ImportError without the package matplotlib, ValueError for an empty history.
    """
    if not history:
        raise ValueError("draw_curve: the history is empty, at least one epoch is needed")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "draw_curve: matplotlib is not installed: pip install 'descend[train]'"
        ) from error
    names = [key.removeprefix("train_") for key in history[0] if key.startswith("train_")]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.8 * len(names), 3.4), layout="constrained")
        panels = figure.subplots(1, len(names), squeeze=False)[0]
        for panel, name in zip(panels, names, strict=True):
            _draw_panel(panel, history, name)
        if title:
            figure.suptitle(title + "\n", x=0.01, ha="left", color=QUIET, fontsize=10)
        picture = io.BytesIO()
        kind = Path(path).suffix.removeprefix(".") or "svg"
        figure.savefig(picture, format=kind, metadata={"Date": None} if kind == "svg" else None)
    write_atomically(path, picture.getvalue())


def _draw_panel(panel: Any, history: list[dict[str, Any]], name: str) -> None:
    """One quantity in training and, where there was a test, in the test."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    epochs = [row["epoch"] for row in history]
    ends: list[tuple[float, str, str]] = []
    shown: list[float] = []
    for part, colour in (("train", TRAIN_COLOUR), ("test", TEST_COLOUR)):
        values = [row[f"{part}_{name}"] for row in history if f"{part}_{name}" in row]
        if len(values) < len(epochs):
            continue
        panel.plot(
            epochs, values, color=colour, linewidth=2, marker="o", markersize=3.5, clip_on=False
        )
        ends.append((values[-1], part, colour))
        shown += values
    panel.set_title(name)
    panel.set_xlabel("epoch", color=QUIET)
    panel.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    panel.margins(x=0.04, y=0.08)
    if len(epochs) == 1:
        panel.set_xlim(epochs[0] - 0.5, epochs[0] + 0.5)
    percent = name.endswith("accuracy")
    if percent:
        panel.yaxis.set_major_formatter(PercentFormatter(1.0))
    else:
        low, high = min(0.0, *shown), max(shown)
        panel.set_ylim(low, high + 0.08 * (high - low))
    _label_ends(panel, epochs[-1], ends, percent)


def _label_ends(panel: Any, epoch: int, ends: list[tuple[float, str, str]], percent: bool) -> None:
    """Name each line at its last point, moved apart where the lines end together."""
    low, high = panel.get_ylim()
    apart = 0.09 * (high - low)
    ends = sorted(ends)
    places = [value for value, _, _ in ends]
    if len(places) == 2 and places[1] - places[0] < apart:
        middle = max(sum(places) / 2, low + apart / 2)
        places = [middle - apart / 2, middle + apart / 2]
    for (value, part, colour), place in zip(ends, places, strict=True):
        text = f"{part} {100 * value:.1f} %" if percent else f"{part} {value:.3f}"
        panel.annotate(
            text,
            (epoch, place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )
