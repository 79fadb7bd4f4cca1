"""Products: a sum of many small matrix products is one product of longer rows.

The gradient of a weight that is used at every step of a sequence is such a sum: a0' g0 + a1' g1 and
so on is the product of all a below each other with all g below each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from descend.compile.graph import Graph, Node, node


def products(graph: Graph) -> Graph:
    """The graph with sums of matrix products as products."""
    users = graph.users()
    outputs = set(graph.outputs)

    def inner(x: Node) -> bool:
        """Whether x is a part of one larger sum and of nothing else."""
        return len(users[x]) == 1 and x not in outputs

    new: dict[Node, Node] = {x: x for x in graph.inputs}
    for x in graph.nodes:
        made = x.with_inputs(new[operand] for operand in x.inputs)
        top = x.op == "add" and _same_shapes(x)
        top = top and not (inner(x) and users[x][0].op == "add")
        if top:
            terms = list(_terms(x, inner))
            found = _as_one([new[term] for term in terms], [inner(term) for term in terms])
            made = found or made
        new[x] = made
    return Graph(graph.inputs, [new[y] for y in graph.outputs])


def _terms(x: Node, inner: object) -> Iterator[Node]:
    """What a tree of additions adds up."""
    stack = [x]
    while stack:
        y = stack.pop()
        if y.op == "add" and (y is x or inner(y)) and _same_shapes(y):  # pyright: ignore
            stack.extend(reversed(y.inputs))
        else:
            yield y


def _same_shapes(x: Node) -> bool:
    return all(operand.shape == x.shape for operand in x.inputs)


def _as_one(terms: list[Node], free: list[bool]) -> Node | None:
    """The sum of the terms with its matrix products as one; None if there are not two."""
    products = [
        x
        for x, alone in zip(terms, free, strict=True)
        if alone and x.op == "matmul" and x.ndim == 2 and x.inputs[0].shape[1] <= min(x.shape)
    ]
    if len(products) < 2:
        return None
    total = node(
        "matmul",
        _beside([x.inputs[0] for x in products], 1),
        _beside([x.inputs[1] for x in products], 0),
    )
    chosen = set(products)
    for x in terms:
        if x not in chosen:
            total = node("add", total, x)
    return total


def _beside(pieces: list[Node], axis: int) -> Node:
    """Arrays one behind the other along an axis."""
    places: list[tuple[tuple[int, int, int], ...]] = []
    start = 0
    for piece in pieces:
        whole = [(0, n, 1) for n in piece.shape]
        whole[axis] = (start, start + piece.shape[axis], 1)
        places.append(tuple(whole))
        start += piece.shape[axis]
    shape = tuple(start if i == axis else n for i, n in enumerate(pieces[0].shape))
    return node(
        "assemble", *pieces, shape=shape, dtype=pieces[0].dtype, fill=0, places=tuple(places)
    )
