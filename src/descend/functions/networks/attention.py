"""Attention: each query mixes the values, by how well it goes with their keys."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.arrays import as_array
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.registry import Sample, composition

MASK = np.array([[True, False, True], [False, False, False]])


@composition(
    Sample((2, 2, 3), (2, 4, 3), (2, 4, 2)),
    Sample((3, 2), (3, 2), (3, 2), is_causal=True),
    Sample((2, 2), (3, 2), (3, 2), MASK),
    Sample((1, 2, 2), (3, 2), (3, 2), np.array([[0.0, -1.0, 2.0]]), scale=0.5),
    Sample((2, 2), (3, 2), (3, 1), dropout_p=0.5, training=True, rng=1),
)
def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None,
    training=None, rng=None,
):  # fmt: skip
    """softmax(query @ key.T * scale + attn_mask) @ value.

    query is (..., L, E), key (..., S, E), value (..., S, V), the result (..., L, V); ``scale`` is
    1 / sqrt(E) if None. ``attn_mask`` broadcasts to (..., L, S): booleans say where a query may
    look, other numbers are added; ``is_causal`` lets query i look at the keys up to i. A query that
    may look nowhere gets 0. When training (None asks ``using_config("train", ...)``), weights are
    dropped with probability ``dropout_p``. Vaswani et al., 2017,
    https://doi.org/10.48550/arXiv.1706.03762.

    >>> q, k, v = np.array([[1.0]]), np.array([[0.0], [0.0]]), np.array([[2.0], [4.0]])
    >>> F.scaled_dot_product_attention(q, k, v)
    array([[3.]])
    """
    name = "scaled_dot_product_attention"
    query, key, value = as_operand(query), as_operand(key), as_operand(value)
    if min(query.ndim, key.ndim, value.ndim) < 2 or (
        query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]
    ):
        raise ValueError(
            f"{name}: query {shape_of(query)}, key {shape_of(key)} and value {shape_of(value)} "
            f"came, (..., L, E), (..., S, E) and (..., S, V) are needed"
        )
    if attn_mask is not None:
        if is_causal:
            raise ValueError(f"{name}: attn_mask and is_causal came, one of them is needed")
        attn_mask = as_operand(attn_mask)
    scale = 1 / sqrt(query.shape[-1]) if scale is None else scale
    if dropout_p == 0:
        return _attended(query, key, value, attn_mask, is_causal=is_causal, scale=scale)
    weights = _weights(query, key, attn_mask, is_causal=is_causal, scale=scale)
    return F.matmul(F.dropout(weights, dropout_p, training, rng), value)


@composition(
    Sample(
        (2, 1, 4), (3, 1, 4), (3, 1, 4), 2, (12, 4), (12,), (4, 4), (4,),
    ),
    Sample((2, 4), (3, 4), (3, 4), 2, (12, 4), None, (4, 4), is_causal=True),
)  # fmt: skip
def multi_head_attention(
    query, key, value, num_heads, in_proj_weight, in_proj_bias, out_proj_weight,
    out_proj_bias=None, key_padding_mask=None, attn_mask=None, dropout_p=0.0, is_causal=False,
    training=None, rng=None,
):  # fmt: skip
    """`scaled_dot_product_attention` of ``num_heads`` parts of the projected arrays, put together.

    query is (L, N, E) or (L, E), key and value are (S, N, E) or (S, E), the result has query's
    shape. ``in_proj_weight`` (3 * E, E) and ``in_proj_bias`` (3 * E,) project query, key and value,
    in this order; ``out_proj_weight`` (E, E) and ``out_proj_bias`` (E,) the result.
    ``key_padding_mask`` (N, S) says which keys nobody looks at; ``attn_mask`` (L, S) or
    (N * num_heads, L, S): booleans say where a query must *not* look, as in PyTorch's
    multi-head attention, other numbers are added.

    >>> x, w = np.array([[1.0, 2.0]]), np.vstack([np.eye(2)] * 3)
    >>> F.multi_head_attention(x, x, x, 2, w, None, np.eye(2))
    array([[1., 2.]])
    """
    name = "multi_head_attention"
    query, key, value = as_operand(query), as_operand(key), as_operand(value)
    single = query.ndim == 2
    if single:
        query, key, value = (F.expand_dims(x, 1) for x in (query, key, value))
    if query.ndim != 3 or key.shape[:2] != value.shape[:2] or query.shape[1:] != key.shape[1:]:
        raise ValueError(
            f"{name}: query {query.shape}, key {key.shape} and value {value.shape} came, "
            f"(L, N, E), (S, N, E) and (S, N, E) are needed"
        )
    (length, batch, width), keys = query.shape, len(key)
    if width % num_heads:
        raise ValueError(f"{name}: {width} features do not divide into num_heads={num_heads}")
    biases = (None,) * 3 if in_proj_bias is None else F.split(in_proj_bias, 3)
    weights = F.split(in_proj_weight, 3)

    def heads(x: Any, weight: Any, bias: Any) -> Any:
        y = F.linear(x, weight) if bias is None else F.linear(x, weight, bias)
        y = F.reshape(y, (len(x), batch, num_heads, width // num_heads))
        return F.transpose(y, (1, 2, 0, 3))

    q, k, v = map(heads, (query, key, value), weights, biases)
    mask = _head_mask(name, attn_mask, key_padding_mask, (batch, num_heads, length, keys))
    if is_causal and mask is not None:
        causal, is_causal = ~np.tri(length, keys, dtype=bool), False
        mask = _both(causal, mask)
    if mask is not None and mask.dtype == bool:
        mask = ~array_of(mask)
    mixed = scaled_dot_product_attention(
        q, k, v, mask, dropout_p, is_causal, None, training, rng
    )  # fmt: skip
    mixed = F.reshape(F.transpose(mixed, (2, 0, 1, 3)), (length, batch, width))
    y = F.linear(mixed, out_proj_weight)
    y = y if out_proj_bias is None else y + out_proj_bias
    return F.squeeze(y, 1) if single else y


@fused
def _attended(query: Any, key: Any, value: Any, mask: Any, *, is_causal: bool, scale: float) -> Any:
    return F.matmul(_weights(query, key, mask, is_causal=is_causal, scale=scale), value)


def _weights(query: Any, key: Any, mask: Any, *, is_causal: bool, scale: float) -> Any:
    """How much each query takes of each key's value: (..., L, S)."""
    scores = F.matmul(query, F.swapaxes(key, -1, -2)) * scale
    if is_causal:
        mask = np.tri(*scores.shape[-2:], dtype=bool)
    if mask is not None:
        scores = F.where(mask, scores, -inf) if mask.dtype == bool else scores + mask
    return F.softmax(scores)


def _head_mask(name: str, mask: Any, padding: Any, shape: tuple[int, ...]) -> Any:
    """Both masks as one that broadcasts to (N, heads, L, S); None if there is none."""
    batch, _, _, keys = shape
    if mask is not None:
        mask = as_operand(mask)
        if mask.ndim == 3:
            mask = F.reshape(mask, shape)
        elif mask.shape != shape[2:]:
            raise ValueError(f"{name}: attn_mask {mask.shape} came, {shape[2:]} is needed")
    if padding is None:
        return mask
    padding = as_array(array_of(padding))
    if padding.shape != (batch, keys):
        raise ValueError(
            f"{name}: key_padding_mask {padding.shape} came, {(batch, keys)} is needed"
        )
    padding = padding.reshape(batch, 1, 1, keys)
    return padding if mask is None else _both(padding, mask)


def _both(mask0: Any, mask1: Any) -> Any:
    """What must not be looked at by either mask, as booleans or as numbers to add."""
    if mask0.dtype == bool and mask1.dtype == bool:
        return mask0 | array_of(mask1)
    wide = mask1 if mask0.dtype == bool else mask0
    parts = [
        F.where(m, -inf, 0.0).astype(wide.dtype) if m.dtype == bool else m for m in (mask0, mask1)
    ]
    return parts[0] + parts[1]
