"""Common subexpressions: what is computed twice from the same is computed once."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

from typing import Any

import numpy as np

from descend.compile.graph import Graph, Node


def cse(graph: Graph) -> Graph:
    """The graph with equal nodes made one. Host calls may do more than compute: they stay."""
    known: dict[Any, Node] = {}

    def change(node: Node) -> Node:
        if node.op == "host":
            return node
        params = tuple((key, _hashable(value)) for key, value in node.params.items())
        return known.setdefault((node.op, node.inputs, params, node.dtype), node)

    return graph.rebuilt(change)


def _hashable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    # 0.0 and -0.0, 1 and True are equal to Python
    return (type(value), repr(value)) if isinstance(value, (int, float)) else value
