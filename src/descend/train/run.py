"""The folder of a training run: its settings, its weights, and where to find the newest one."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from descend import nn
from descend.formats import load_safetensors
from descend.train.checkpoint import MODEL
from descend.train.config import Config
from descend.train.recipe import build_model

ROOT = Path("runs")
CONFIG = "config.json"
CURVE = "curve.svg"


class Run:
    """A folder with the settings of a training run, and what the run has left there so far."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder = folder
        self.config = config

    @classmethod
    def create(cls, config: Config, folder: str | os.PathLike[str] | None = None) -> Run:
        """A new run in ``folder``, or in the next free one of ``runs``.

        Raises FileExistsError if there is something in the folder: nothing is overwritten.
        """
        if folder is None:
            stem = Path(config.data).stem if config.data.endswith(".npz") else config.data
            place = _next_free(ROOT, f"{stem}-{config.model}")
        else:
            place = Path(folder)
            if place.exists() and not (place.is_dir() and not any(place.iterdir())):
                raise FileExistsError(
                    f"{place} exists and is not empty: nothing is overwritten, name another folder"
                )
            place.mkdir(parents=True, exist_ok=True)
        config.save(place / CONFIG)
        return cls(place, config)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Run:
        """The run in a folder; FileNotFoundError if there is none, ValueError if it is damaged."""
        place = Path(folder)
        if not (place / CONFIG).is_file():
            raise FileNotFoundError(f"{place} is not the folder of a run: it has no {CONFIG}")
        return cls(place, Config.load(place / CONFIG))

    @classmethod
    def newest(cls) -> Run:
        """The run in ``runs`` whose weights were saved last; FileNotFoundError if there is none."""
        weights = list(ROOT.glob(f"*/{MODEL}"))
        if not weights:
            raise FileNotFoundError(
                f"no folder in {ROOT} has a trained model: train one (descend train), or name "
                f"its folder"
            )
        return cls.open(max(weights, key=lambda path: path.stat().st_mtime_ns).parent)

    def load_model(self) -> nn.Module:
        """The model with the weights that were saved last.

        Raises FileNotFoundError if there are none yet, ValueError if they are damaged or those of
        another model.
        """
        path = self.folder / MODEL
        if not path.is_file():
            raise FileNotFoundError(f"{self.folder} has no {MODEL}: no epoch was completed")
        weights, _ = load_safetensors(path)
        model = build_model(self.config)
        model.load_state_dict(weights)
        return model


def _next_free(root: Path, stem: str) -> Path:
    """A new folder with the lowest number that is free: mkdir decides, should two ask at once."""
    for number in itertools.count(1):
        place = root / f"{stem}-{number}"
        try:
            place.mkdir(parents=True)
        except FileExistsError:
            continue
        return place
    raise AssertionError("the numbers do not end")
