"""Showing how training goes: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TextIO

from descend.train.callback import Callback
from descend.train.trainer import Trainer


class Progress(Callback):
    """Prints a line for each epoch; on a terminal a bar below it moves with every step.

    The bar shows loss and accuracy so far in the epoch, samples per second, and the time left for
    all epochs. It needs the package rich; without a terminal nothing does.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self.file = sys.stdout if file is None else file
        self._bar: Any = None
        self._task: Any = None
        self._compiled = 0.0

    def on_start(self, trainer: Trainer) -> None:
        """Show the bar, if this is a terminal."""
        if not self.file.isatty():
            return
        self._bar = _bar(self.file)
        known = hasattr(trainer.loader, "__len__")
        self._task = self._bar.add_task(
            _epoch(trainer.epoch + 1, trainer),
            total=trainer.epochs * len(trainer.loader) if known else None,
            completed=trainer.step,
            values="",
            rate="",
        )
        self._bar.start()

    def on_step(self, trainer: Trainer) -> None:
        """Move the bar."""
        if self._bar is None:
            return
        self._bar.update(
            self._task,
            completed=trainer.step,
            description=_epoch(trainer.epoch + 1, trainer),
            values=words(trainer.means.values()),
            rate=f"{trainer.means.samples / max(trainer.seconds, 1e-9):,.0f} samples/s",
        )

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """Print the epoch's line, below one that says how long compiling took, if it did."""
        steps = trainer.steps
        if steps.seconds > self._compiled:
            source = "" if steps.kernels else ", from the cache"
            self._print(f"compiled in {steps.seconds - self._compiled:.1f} s{source}")
            self._compiled, steps.kernels = steps.seconds, 0
        self._print(f"{_epoch(row['epoch'], trainer)}  {row_words(row)}  {row['seconds']:.1f} s")

    def _print(self, line: str) -> None:
        if self._bar is None:
            print(line, file=self.file, flush=True)
        else:
            self._bar.console.print(line, highlight=False, soft_wrap=True)

    def on_end(self, trainer: Trainer) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def words(values: Mapping[str, float]) -> str:
    """Quantities by name in the words of one line; what is called accuracy as a percentage.

    >>> words({"loss": 0.25, "accuracy": 0.975})
    'loss 0.2500  accuracy 97.50 %'
    """
    return "  ".join(f"{name} {in_words(name, value)}" for name, value in values.items())


def row_words(row: Mapping[str, Any]) -> str:
    """The quantities of a row of the history, those of training first."""
    parts = {
        name.removeprefix("train_").replace("_", " "): value
        for name, value in row.items()
        if name.startswith(("train_", "test_"))
    }
    return words(parts)


def in_words(name: str, value: float) -> str:
    """A quantity as text."""
    return f"{100 * value:.2f} %" if name.endswith("accuracy") else f"{value:.4f}"


def _epoch(number: int, trainer: Trainer) -> str:
    return f"epoch {min(number, trainer.epochs):{len(str(trainer.epochs))}}/{trainer.epochs}"


def _bar(file: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[values]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=Console(file=file, force_terminal=True),
        transient=True,
        expand=True,
    )
