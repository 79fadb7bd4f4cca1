"""Operations that no kernel is there for become calls of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.compile.graph import ELEMENTWISE, OPERATIONS, REDUCTIONS, Graph, Node, part_dtype
from descend.compile.kernels import library
from descend.compile.kernels.library import NEEDS_MEMORY
from descend.compile.machine import operations


def host(graph: Graph) -> Graph:
    """The graph with a host call in the place of each operation without a kernel."""
    return graph.rebuilt(lambda node: node if _has_kernel(node) else called(node))


def _has_kernel(node: Node) -> bool:
    if node.op in ("host", "part") or node.size == 0:
        return True
    if node.op in NEEDS_MEMORY:
        return library.supports(node)
    if node.op in ("complex", "real", "imag", "constant"):  # ways to see what is in memory
        return all(_is_known(x.dtype) for x in (node, *node.inputs))
    if node.dtype.name not in operations.TYPES or any(
        x.dtype.name not in operations.TYPES for x in node.inputs
    ):
        return node.op in ("input", "reshape")
    if node.op in ELEMENTWISE:
        return operations.lowerable(node.op, node.inputs[-1].dtype, node.dtype)
    if node.op in REDUCTIONS:
        name = {"sum": "add", "max": "maximum", "min": "minimum"}.get(node.op, "bitwise_or")
        return operations.lowerable(name, node.dtype, node.dtype)
    return node.op not in ("argmax", "argmin")


def _is_known(dtype: np.dtype[Any]) -> bool:
    """Whether kernels know these numbers, or their parts."""
    return (part_dtype(dtype) if dtype.kind == "c" else dtype).name in operations.TYPES


def called(node: Node) -> Node:
    """The host call that answers what the node does."""

    def call(*arrays: Any) -> tuple[Any, ...]:
        return (OPERATIONS[node.op].value(*arrays, **node.params),)

    call.__name__ = node.op
    types = ((node.shape, node.dtype),)
    made = Node(
        "host", node.inputs, {"call": call, "types": types}, node.shape, node.dtype, node.line
    )
    return Node("part", (made,), {"index": 0}, node.shape, node.dtype, node.line)
