"""How good a batch of predictions is, and means over many batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.core.config import config
from descend.core.variable import array_of
from descend.cuda import as_numpy


def accuracy(y: Any, t: Any) -> Any:
    """The fraction of samples whose largest score is that of their label.

    Scores ``y`` are (N, classes), or (N, classes, ...) with labels ``t`` (N, ...). A score that is
    NaN is nobody's largest: such a sample counts as wrong. While a compiled function is recorded,
    the answer is an array that it computes.

    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    recording = config().trace is not None
    y, t = (array_of(y), array_of(t)) if recording else (as_numpy(y), as_numpy(t))
    if y.ndim < 2 or y.shape[:1] + y.shape[2:] != t.shape:
        raise ValueError(
            f"accuracy: y {y.shape} and t {t.shape} do not meet: scores (N, classes) and labels "
            f"(N,) are needed"
        )
    right = (y.argmax(axis=1) == t) & ~np.isnan(y.max(axis=1))
    if not right.size:
        return 0.0
    return right.mean() if recording else float(right.mean())


class Means:
    """Running means over batches, each counted by its number of samples.

    >>> means = Means()
    >>> means.add(3, {"loss": 1.0})
    >>> means.add(1, {"loss": 5.0})
    >>> means.values()
    {'loss': 2.0}
    """

    def __init__(self) -> None:
        self.samples = 0
        self._sums: dict[str, float] = {}

    def add(self, samples: int, values: Mapping[str, float]) -> None:
        """Count a batch: its size, and the mean over it of each quantity."""
        self.samples += samples
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + samples * value

    def values(self) -> dict[str, float]:
        """The mean of each quantity over all samples so far."""
        return {name: total / self.samples for name, total in self._sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on counting."""
        return {"samples": self.samples, "sums": dict(self._sums)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where ``state`` was taken."""
        self.samples = state["samples"]
        self._sums = dict(state["sums"])
