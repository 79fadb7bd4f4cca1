"""Attention as a layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.config import config
from descend.core.function import as_operand
from descend.core.variable import Parameter
from descend.functions.random import Generator, default_rng
from descend.nn import init
from descend.nn.linear import Linear
from descend.nn.module import Module


class MultiheadAttention(Module):
    """`functions.multi_head_attention` with its weights, named and started as PyTorch's.

    Arrays are (L, N, embed_dim), (N, L, embed_dim) with ``batch_first``, or (L, embed_dim).
    """

    in_proj_bias: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        batch_first: bool = False,
        *,
        dtype: Any = np.float32,
        rng: Generator | int | None = None,
    ) -> None:
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: embed_dim={embed_dim} does not divide into "
                f"num_heads={num_heads}"
            )
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        generator = init.rng_or_default("rng", rng)
        self.rng = None if rng is None else default_rng(rng)
        weight = Parameter(np.empty((3 * embed_dim, embed_dim), dtype), "in_proj_weight")
        self.in_proj_weight = init.xavier_uniform_(weight, rng=generator)
        self.in_proj_bias = None
        if bias:
            self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, dtype), "in_proj_bias")
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype, rng=generator)
        if self.out_proj.bias is not None:
            init.constant_(self.out_proj.bias, 0)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        attn_mask: Any = None,
        is_causal: bool = False,
    ) -> Any:
        """The mixed values, in query's shape."""
        swap = self.batch_first and as_operand(query).ndim == 3
        if swap:
            query, key, value = (F.swapaxes(x, 0, 1) for x in (query, key, value))
        y = F.multi_head_attention(
            query, key, value, self.num_heads, self.in_proj_weight, self.in_proj_bias,
            self.out_proj.weight, self.out_proj.bias, key_padding_mask, attn_mask, self.dropout,
            is_causal, self.training and config().train, self.rng,
        )  # fmt: skip
        return F.swapaxes(y, 0, 1) if swap else y

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.embed_dim}, {self.num_heads}"
