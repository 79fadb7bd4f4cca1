"""Bounds: a small graph that tells whether an index leaves its axis.

Kernels hold every index within its axis, so that no memory outside is touched. Where an index
follows from what is given by a few cheap operations, this graph is run first: if it finds one
outside, the function is run as it is written, and eager mode raises its own error.
"""

from __future__ import annotations

from descend.compile.graph import BOOL, ELEMENTWISE, VIEWS, Graph, Node, constant, node

CHEAP = ELEMENTWISE | VIEWS | {"input", "constant", "iota"}


def bounds(graph: Graph) -> Graph | None:
    """The graph of one bool: is any index outside? None if there is nothing to look at."""
    outside: list[Node] = []
    seen: set[tuple[Node, int]] = set()
    for x in graph.nodes:
        if x.op == "gather":
            index, lengths = x.inputs[1:], x.inputs[0].shape
        elif x.op == "scatter_add":
            index, lengths = x.inputs[1:], x.params["shape"]
        else:
            continue
        for place, length in zip(index, lengths, strict=False):
            if (place, length) not in seen and place.size and _is_cheap_and_given(place):
                seen.add((place, length))
                outside.append(_is_outside(place, length))
    if not outside:
        return None
    found = outside[0]
    for other in outside[1:]:
        found = node("bitwise_or", found, other)
    return Graph(graph.inputs, [found])


def _is_outside(place: Node, length: int) -> Node:
    """Whether any element is below 0 or not below the length."""
    beyond = node("greater_equal", place, constant(length, place.dtype))
    if place.dtype.kind == "i":
        beyond = node("bitwise_or", beyond, node("less", place, constant(0, place.dtype)))
    assert beyond.dtype == BOOL
    return node("any", beyond, axes=tuple(range(beyond.ndim)))


def _is_cheap_and_given(place: Node) -> bool:
    """Whether an index follows from inputs by cheap operations, and is no constant."""
    given = False
    stack, seen = [place], set[Node]()
    while stack:
        x = stack.pop()
        if x in seen:
            continue
        seen.add(x)
        if x.op not in CHEAP:
            return False
        given = given or x.op == "input"
        stack.extend(x.inputs)
    return given
