"""Dropout as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from descend import functions as F
from descend.core.config import config
from descend.functions.random import Generator, default_rng
from descend.nn.module import Module


class Dropout(Module):
    """In training, each element 0 with probability ``p`` and the others divided by 1 - p.

    ``rng`` is a generator of its own, or a seed for one; without, the default generator is drawn
    from.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.dropout)

    def __init__(self, p: float = 0.5, *, rng: Generator | int | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(
                f"{type(self).__name__}: p is {p}, a probability from 0 to 1 is needed"
            )
        self.p = p
        self.rng = None if rng is None else default_rng(rng)

    def forward(self, x: Any) -> Any:
        """x with elements dropped in training, x itself elsewhere."""
        return type(self).function(x, self.p, self.training and config().train, self.rng)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class Dropout1d(Dropout):
    """`Dropout` of whole channels of (N, C, L) or (C, L)."""

    function = staticmethod(F.dropout1d)


class Dropout2d(Dropout):
    """`Dropout` of whole channels of (N, C, H, W) or (C, H, W)."""

    function = staticmethod(F.dropout2d)


class Dropout3d(Dropout):
    """`Dropout` of whole channels of (N, C, D, H, W) or (C, D, H, W)."""

    function = staticmethod(F.dropout3d)


class AlphaDropout(Dropout):
    """Dropout that keeps mean 0 and variance 1, for `SELU`; `functions.alpha_dropout`."""

    function = staticmethod(F.alpha_dropout)


class DropPath(Dropout):
    """`Dropout` of whole samples, for the branch of a residual block; `functions.drop_path`."""

    function = staticmethod(F.drop_path)
