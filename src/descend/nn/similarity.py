"""Similarities and distances of pairs of vectors as modules."""

from __future__ import annotations

from typing import Any

from descend import functions as F
from descend.nn.module import Module


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along ``axis``; `functions.cosine_similarity`."""

    def __init__(self, axis: int = 1, eps: float = 1e-8) -> None:
        self.axis = axis
        self.eps = eps

    def forward(self, x0: Any, x1: Any) -> Any:
        """The cosines."""
        return F.cosine_similarity(x0, x1, self.axis, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x0 - x1 + eps along the last axis; `functions.pairwise_distance`."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> None:
        self.p = p
        self.eps = eps
        self.keepdims = keepdims

    def forward(self, x0: Any, x1: Any) -> Any:
        """The distances."""
        return F.pairwise_distance(x0, x1, self.p, self.eps, self.keepdims)
