"""Dropout as a layer."""

from __future__ import annotations

from typing import Any

from descend import functions as F
from descend.core.config import config
from descend.functions.random import Generator, default_rng
from descend.nn.module import Module


class Dropout(Module):
    """In training, each element 0 with probability ``p`` and the others divided by 1 - p.

    ``rng`` is a generator of its own, or a seed for one; without, the default generator is drawn
    from.
    """

    def __init__(self, p: float = 0.5, *, rng: Generator | int | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is {p}, a probability from 0 to 1 is needed")
        self.p = p
        self.rng = None if rng is None else default_rng(rng)

    def forward(self, x: Any) -> Any:
        """x with elements dropped in training, x itself elsewhere."""
        return F.dropout(x, self.p, self.training and config().train, self.rng)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
