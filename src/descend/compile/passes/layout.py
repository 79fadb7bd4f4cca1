"""Layout: changes of layout are moved behind what does not care for them, until they cancel.

A convolution works on images with their channels last, between two transposes. Additions, norms,
activations and poolings work in any layout: moved behind all of these, the transpose after one
convolution meets the one before the next, and nothing is left of both.
"""

from __future__ import annotations

from collections.abc import Callable

from descend.compile.graph import ELEMENTWISE, REDUCTIONS, Graph, Node, node

Order = tuple[int, ...]


def layout(graph: Graph) -> Graph:
    """The graph with transposes as far behind as possible."""
    graph = _with_turned_products(graph)
    return graph.rebuilt(_moved)


def _with_turned_products(graph: Graph) -> Graph:
    """The graph with (a b)' as b' a': a product reads its operands in any layout."""
    users = graph.users()
    outputs = set(graph.outputs)
    turned = {
        x: users[x][0]
        for x in graph.nodes
        if x.op == "matmul" and len(users[x]) == 1 and x not in outputs
        if users[x][0].op == "transpose" and users[x][0].params["axes"] == _turned(x.ndim)
    }
    ends = {end: x for x, end in turned.items()}
    new: dict[Node, Node] = {x: x for x in graph.inputs}
    for x in graph.nodes:
        product = ends.get(x)
        if product is None:
            new[x] = x.with_inputs(new[operand] for operand in x.inputs)
            continue
        a, b = (new[operand] for operand in product.inputs)
        new[x] = node("matmul", *(transposed(y, _turned(y.ndim)) for y in (b, a)))
    return Graph(graph.inputs, [new[y] for y in graph.outputs])


def _turned(ndim: int) -> Order:
    """The order with the last two axes exchanged."""
    return (*range(ndim - 2), ndim - 1, ndim - 2)


def _moved(x: Node) -> Node:
    """A node in the layout of its operands, transposed afterwards; itself where that is no gain."""
    if x.op == "transpose":
        return transposed(x.inputs[0], x.params["axes"])
    rule = _elementwise if x.op in ELEMENTWISE else RULES.get(x.op)
    found = rule(x) if rule is not None else None
    if found is None:
        return x
    if not found.line:
        found.line = x.line
    return found


def transposed(x: Node, axes: Order) -> Node:
    """The axes of x in another order, as one transpose at most."""
    if x.op == "transpose":
        axes = tuple(x.params["axes"][i] for i in axes)
        (x,) = x.inputs
    if axes == tuple(range(len(axes))):
        return x
    moved = [i for i in axes if x.shape[i] != 1]
    if moved == sorted(moved):  # only axes of length 1 change their places
        return node("reshape", x, shape=tuple(x.shape[i] for i in axes))
    return node("transpose", x, axes=axes)


def inverse(axes: Order) -> Order:
    """The order that undoes another."""
    return tuple(axes.index(i) for i in range(len(axes)))


def _elementwise(x: Node) -> Node | None:
    whole = [operand for operand in x.inputs if operand.shape == x.shape]
    orders = [operand.params["axes"] for operand in whole if operand.op == "transpose"]
    if not orders:
        return None
    axes = max(orders, key=orders.count)
    if 2 * orders.count(axes) < len(whole):
        return None
    back = inverse(axes)
    operands: list[Node] = []
    for operand in x.inputs:
        if operand.ndim < x.ndim and operand.size != 1:
            shape = (1,) * (x.ndim - operand.ndim) + operand.shape
            operand = node("reshape", operand, shape=shape)
        operands.append(transposed(operand, back) if operand.ndim == x.ndim else operand)
    return transposed(node(x.op, *operands, **x.params), axes)


def _reduction(x: Node) -> Node | None:
    (operand,) = x.inputs
    if operand.op != "transpose":
        return None
    axes = operand.params["axes"]
    reduced = tuple(sorted(axes[i] for i in x.params["axes"]))
    kept = [axes[i] for i in range(len(axes)) if i not in x.params["axes"]]
    y = node(x.op, operand.inputs[0], axes=reduced)
    return transposed(y, tuple(sorted(kept).index(i) for i in kept))


def _slice(x: Node) -> Node | None:
    (operand,) = x.inputs
    if operand.op != "transpose":
        return None
    axes = operand.params["axes"]
    index = tuple(x.params["index"][i] for i in inverse(axes))
    return transposed(node("slice", operand.inputs[0], index=index), axes)


def _broadcast_to(x: Node) -> Node | None:
    (operand,) = x.inputs
    if operand.op != "transpose" or operand.ndim != x.ndim:
        return None
    axes = operand.params["axes"]
    shape = tuple(x.shape[i] for i in inverse(axes))
    return transposed(node("broadcast_to", operand.inputs[0], shape=shape), axes)


def _assemble(x: Node) -> Node | None:
    orders = {piece.params["axes"] if piece.op == "transpose" else None for piece in x.inputs}
    if len(orders) != 1 or None in orders:
        return None
    (axes,) = orders
    assert axes is not None
    back = inverse(axes)
    params = dict(x.params)
    params["shape"] = tuple(x.shape[i] for i in back)
    params["places"] = tuple(tuple(place[i] for i in back) for place in x.params["places"])
    return transposed(node("assemble", *(piece.inputs[0] for piece in x.inputs), **params), axes)


RULES: dict[str, Callable[[Node], Node | None]] = {
    "slice": _slice,
    "broadcast_to": _broadcast_to,
    "assemble": _assemble,
    **dict.fromkeys(REDUCTIONS, _reduction),
}
