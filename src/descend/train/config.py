"""The settings of a training run, as they lie in its config.json."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from descend.formats.atomic import write_atomically
from descend.train.models import MODELS

DEVICES = ("cpu", "gpu")


@dataclass(frozen=True)
class Config:
    """What determines a training run; `input_shape` and `classes` (names) come from its data.

    Raises ValueError for settings that make no sense.
    """

    data: str = "digits"
    model: str = "cnn"
    epochs: int = 10
    batch_size: int = 64
    lr: float = 3e-3
    seed: int = 0
    device: str = "cpu"
    compile: bool = True
    input_shape: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        one_of("model", self.model, tuple(MODELS))
        one_of("device", self.device, DEVICES)
        for name, low in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**63:
                raise ValueError(f"{name} is {value!r}, a whole number of at least {low} is needed")
        if not isinstance(self.compile, bool):
            raise ValueError(f"compile is {self.compile!r}, true or false is needed")
        if not isinstance(self.lr, int | float) or not 0 < self.lr < math.inf:
            raise ValueError(f"lr is {self.lr!r}, a positive number is needed")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the settings as JSON."""
        write_atomically(path, json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Config:
        """The settings in a JSON file; ValueError if it does not hold exactly those."""
        try:
            values: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            values["input_shape"] = tuple(int(size) for size in values["input_shape"])
            values["classes"] = tuple(str(name) for name in values["classes"])
            values.setdefault("compile", False)  # a run of before there was a compiler
            return cls(**{field.name: values[field.name] for field in fields(cls)})
        except KeyError as error:
            raise ValueError(f"{path} lacks {error}") from error
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} holds no settings of a run: {error}") from error


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """ValueError, with the nearest name, if ``value`` is not one of the known ones."""
    if value in known:
        return
    near = get_close_matches(str(value), known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ValueError(f"{name} is {value!r}: {hint}there are {', '.join(known)}")
