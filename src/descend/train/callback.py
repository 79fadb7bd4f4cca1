"""What may happen besides training, between its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from descend.train.trainer import Trainer


class Callback:
    """Something that watches a Trainer; subclasses override the moments they care for.

    Every method gets the Trainer, which has `step` (updates made), `epoch` (epochs completed),
    `epochs` (how many are wanted), `means` (of the running epoch), `history`, `steps` (with the
    `seconds` that compiling took) and `stop()`.
    """

    def on_start(self, trainer: Trainer) -> None:
        """Before the first step of a call of `fit`."""

    def on_step(self, trainer: Trainer) -> None:
        """After each update."""

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """After each epoch and its test; ``row`` is the newest of the history."""

    def on_stop(self, trainer: Trainer) -> None:
        """After the last step where `stop` ended it before all epochs were complete."""

    def on_end(self, trainer: Trainer) -> None:
        """When a call of `fit` ends in whatever way: complete, stopped, or by an exception."""
