"""Graph in, graph out: each file is one pass."""

from __future__ import annotations

from collections.abc import Callable

from descend.compile.graph import Graph
from descend.compile.passes.cse import cse
from descend.compile.passes.host import host
from descend.compile.passes.layout import layout
from descend.compile.passes.products import products
from descend.compile.passes.simplify import simplify

PASSES: dict[str, Callable[[Graph], Graph]] = {
    "simplify": simplify,
    "products": products,
    "layout": layout,
    "cse": cse,
    "host": host,
}
"""The passes over graphs, in their order."""


def optimized(graph: Graph, without: str = "") -> Graph:
    """The graph after all passes (but for one)."""
    for name, change in PASSES.items():
        if name != without or name == "host":
            graph = change(graph)
    return graph
