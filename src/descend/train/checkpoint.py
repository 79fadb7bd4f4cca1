"""Saving a training run so that being killed at any moment costs at most what came since."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from descend.formats import load_tree, save_safetensors, save_tree
from descend.train.callback import Callback
from descend.train.log import write_log
from descend.train.trainer import Trainer

STATE = "state.safetensors"
MODEL = "model.safetensors"
LOG = "log.csv"


def save_checkpoint(folder: str | os.PathLike[str], trainer: Trainer) -> None:
    """Write the state, the weights and the log into a folder, each in one piece.

    What going on needs lies in the one file of the state, weights included: killed between two of
    the files, a folder still has a state that fits together, and weights that do.
    """
    folder = Path(folder)
    save_tree(folder / STATE, trainer.state_dict())
    place = {"format": "pt", "step": str(trainer.step), "epoch": str(trainer.epoch)}
    save_safetensors(folder / MODEL, trainer.model.state_dict(), place)
    write_log(folder / LOG, trainer.history)


def load_checkpoint(folder: str | os.PathLike[str], trainer: Trainer, loader: Any) -> None:
    """Put a trainer and its loader where the checkpoint in a folder was saved.

    Raises FileNotFoundError where there is none, ValueError where it is damaged or is that of
    another model.
    """
    path = Path(folder) / STATE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no {STATE}: no epoch was completed, train anew")
    try:
        trainer.load_state_dict(load_tree(path), loader)
    except KeyError as error:
        raise ValueError(f"{path} lacks {error}: it is not the state of a training run") from error


class Checkpoint(Callback):
    """Saves into a folder after each epoch, and where training is stopped."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """Save."""
        save_checkpoint(self.folder, trainer)

    def on_stop(self, trainer: Trainer) -> None:
        """Save."""
        save_checkpoint(self.folder, trainer)
