"""A table of vectors that are looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import as_array
from descend.core.variable import Parameter, array_of
from descend.functions.random import Generator
from descend.nn import init
from descend.nn.module import Module


class Embedding(Module):
    """The rows of ``weight`` at the indices: (...) integers become (..., embedding_dim).

    ``weight`` (num_embeddings, embedding_dim) starts normally distributed. The row ``padding_idx``
    starts as zeros and gets no gradient.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: Any = np.float32,
        rng: Generator | int | None = None,
    ) -> None:
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx={padding_idx} is no row of {num_embeddings}")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter(np.empty((num_embeddings, embedding_dim), dtype), "weight")
        init.normal_(self.weight, rng=rng)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, indices: Any) -> Any:
        """The rows (..., embedding_dim)."""
        y = F.embedding(indices, self.weight)
        if self.padding_idx is None:
            return y
        padding = as_array(array_of(indices)) == self.padding_idx
        return F.where(padding[..., None], F.stop_gradient(y), y)

    def extra_repr(self) -> str:
        """PyTorch's."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
