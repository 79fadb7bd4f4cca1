"""Kernels that are no loops: matrix products, convolutions, random words, calls of Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from descend.compile.graph import Node
from descend.compile.kernels import Access, Buffer, Kernel

NEEDS_MEMORY = frozenset(
    "matmul convolve convolve_input convolve_weight philox host part".split()
)
"""The operations whose operands must lie in memory."""


@dataclass(frozen=True)
class Operand:
    """A node in memory: its buffer, and the walk through it."""

    node: Node
    buffer: Buffer
    offset: int
    strides: tuple[int, ...]


def lower(node: Node, operands: list[Operand], result: Buffer, threads: int) -> list[Kernel]:
    """The kernels that fill ``result``."""
    return LOWERINGS[node.op](node, operands, result, threads)


def supports(node: Node) -> bool:
    """Whether there is a kernel for this operation on operands of these dtypes."""
    if node.op == "matmul":
        # a product over nothing is zeros: rare enough for NumPy
        return node.dtype.name in ("float32", "float64") and node.inputs[0].shape[-1] > 0
    return node.op in LOWERINGS


def host(node: Node, operands: list[Operand], results: list[Buffer]) -> Kernel:
    """A call of Python between two runs of native code."""
    call = node.params["call"]

    def nothing() -> str:
        raise AssertionError("a host call has no machine code")

    kernel = Kernel(
        rows=1,
        operands=[*(x.buffer for x in operands), *results],
        reads=[_everything(x) for x in operands],
        writes=[_everything(Operand(node, b, 0, _contiguous(b.shape)), b.shape) for b in results],
        text=nothing,
        emit=nothing,
        title=f"host call {getattr(call, '__name__', 'function')}",
    )
    kernel.call = call
    kernel.views = [(x.buffer, x.offset, x.strides, x.node.shape) for x in operands]
    return kernel


def _everything(x: Operand, shape: tuple[int, ...] | None = None) -> Access:
    shape = x.node.shape if shape is None else shape
    return Access(x.buffer, x.offset, (0, *x.strides), (1, *shape))


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


def _matmul(node: Node, operands: list[Operand], result: Buffer, threads: int) -> list[Kernel]:
    from descend.compile import products

    a, b = operands
    batch = node.shape[:-2]
    rows, columns = node.shape[-2:]
    inner = a.node.shape[-1]
    own = _contiguous(node.shape)
    steps = [_broadcast_strides(x, batch) for x in (a, b)]
    spec = products.MatmulSpec(
        dtype=node.dtype.name,
        rows=rows,
        inner=inner,
        columns=columns,
        a=a.strides[-2:],
        b=b.strides[-2:],
        c=own[-2],
        batch=tuple(zip(batch, *steps, own[:-2], strict=True)),
        cut="batch" if batch else "rows",
        keep=not batch,
    )
    made = products.matmul(spec)
    if batch:
        accesses = [
            Access(x.buffer, x.offset, (*step, *x.strides[-2:]), (*batch, *x.node.shape[-2:]))
            for x, step in zip(operands, steps, strict=True)
        ]
        whole = Access(result, 0, own, node.shape)
    else:
        accesses = [
            Access(a.buffer, a.offset, a.strides, (rows, inner)),
            Access(b.buffer, b.offset, (0, *b.strides), (rows, inner, columns)),
        ]
        whole = Access(result, 0, own, (rows, columns))
    return [
        Kernel(
            rows=made.extent,
            operands=[a.buffer, b.buffer, result],
            offsets=[a.offset, b.offset, 0],
            reads=accesses,
            writes=[whole],
            text=lambda: repr(spec),
            emit=lambda: made.text,
            title=f"matmul {rows}x{inner}x{columns}" + (f" * {prod(batch)}" if batch else ""),
            operations=2 * prod(node.shape) * inner,
            scratch=made.scratch,
            block=made.block,
            product=True,
        )
    ]


def _broadcast_strides(x: Operand, batch: tuple[int, ...]) -> tuple[int, ...]:
    own = x.node.shape[:-2]
    lead = (0,) * (len(batch) - len(own))
    pairs = zip(own, x.strides[:-2], strict=True)
    return lead + tuple(0 if n == 1 else s for n, s in pairs)


def _philox(node: Node, operands: list[Operand], result: Buffer, threads: int) -> list[Kernel]:
    from descend.compile import philox

    key, counter = operands
    blocks = node.params["blocks"]
    return [
        Kernel(
            rows=blocks,
            operands=[key.buffer, counter.buffer, result],
            offsets=[key.offset, counter.offset, 0],
            reads=[
                Access(x.buffer, x.offset, (0, 1), (blocks, n))
                for x, n in ((key, 2), (counter, 4))
            ],
            writes=[Access(result, 0, (4, 1), (blocks, 4))],
            text=lambda: f"philox {key.strides} {counter.strides}",
            emit=lambda: philox.emit(key.strides[0], counter.strides[0]),
            title="philox",
        )
    ]


LOWERINGS: dict[str, Callable[..., list[Kernel]]] = {"matmul": _matmul, "philox": _philox}
"""How each of these operations becomes kernels."""


def is_large(array: Any) -> bool:
    """Whether an array is too large to be part of a text."""
    return np.size(array) > 16
