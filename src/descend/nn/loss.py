"""Losses as modules."""

from __future__ import annotations

from typing import Any

from descend import functions as F
from descend.core.variable import Variable
from descend.nn.module import Module


class MSELoss(Module):
    """The squared difference of x and t; `functions.mse_loss`."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, x: Any, t: Any) -> Any:
        """The loss."""
        return F.mse_loss(x, t, self.reduction)


class CrossEntropyLoss(Module):
    """The negative logarithm of the probability of the target; `functions.cross_entropy`."""

    weight: Variable | None

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        axis: int = 1,
    ) -> None:
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing
        self.axis = axis

    def forward(self, x: Any, t: Any) -> Any:
        """The loss."""
        return F.cross_entropy(
            x, t, self.weight, self.ignore_index, self.reduction, self.label_smoothing, self.axis
        )
