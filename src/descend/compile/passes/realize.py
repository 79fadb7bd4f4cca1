"""Which nodes lie in memory: what is given or asked for, and what is dear to compute again.

Sums, matrix products and the like are always *realized*, as are their operands where a kernel must
find them in memory. Everything else is computed where it is used, unless several kernels need it,
or a larger one would compute it many times over.
"""

from __future__ import annotations

from descend.compile.elementary import special
from descend.compile.graph import ELEMENTWISE, VIEWS, Graph, Node
from descend.compile.kernels import library
from descend.compile.kernels.walks import splits, walk_down, walked_like

CHEAP = 3
"""So many simple operations are rather computed twice than kept."""
DEAR = special.ARITIES.keys() | set(
    """
    exp expm1 exp2 log log1p log2 log10 power divide sqrt cbrt hypot remainder fmod floor_divide
    sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh erf
    """.split()
)


def realized_nodes(graph: Graph) -> set[Node]:
    """The nodes whose elements lie in memory."""
    nodes = graph.nodes
    users = graph.users()
    realized = set(graph.outputs) | set(graph.inputs)
    for node in nodes:
        if node.op == "constant":
            if node.size != 1:
                realized.add(node)
        elif node.op == "reshape":
            base, walkable = _base(node, realized)
            if splits(node.inputs[0].shape, node.shape):
                continue
            realized.add(base if walkable else node)
        elif node.op not in ELEMENTWISE | VIEWS | {"iota", "gather"}:
            realized.add(node)
            if node.op in library.NEEDS_MEMORY:
                realized.update(_base(x, realized)[0] for x in node.inputs)
                for x in library.needs_contiguous(node):
                    base, _ = _base(x, realized)
                    if walk_down(x, base) != (0, walked_like(x, base)):
                        realized.add(x)
        elif node.op == "gather":
            realized.add(_base(node.inputs[0], realized)[0])
    # From the results back: in how many kernels would this be computed, and in how large ones?
    sinks: dict[Node, set[Node]] = {}
    for node in reversed(nodes):
        if node in realized:
            continue
        places: set[Node] = set()
        larger = False
        for user in users[node]:
            places |= {user} if user in realized else sinks[user]
            larger = larger or user.size >= 8 * max(node.size, 1)
        sinks[node] = places
        cost = _cost(node, realized)
        if cost > CHEAP and (len(places) > 1 or larger):
            realized.add(node)
    return realized


def _base(node: Node, realized: set[Node]) -> tuple[Node, bool]:
    """What a node is a view of, and whether it is one that needs no copy."""
    base = node
    while base.op in VIEWS and base not in realized:
        base = base.inputs[0]
    return base, walk_down(node, base) is not None


def _cost(node: Node, realized: set[Node]) -> int:
    """About how many simple operations one element takes, down to memory."""
    total, stack, seen = 0, [node], set[Node]()
    while stack and total <= CHEAP:
        x = stack.pop()
        if x in seen or (x in realized and x is not node):
            continue
        seen.add(x)
        if x.op in DEAR:
            total += 10
        elif x.op in ELEMENTWISE and x.op != "cast":
            total += 1
        elif x.op == "gather":
            total += 2
        stack.extend(x.inputs)
    return total


# ---- from nodes to loops ----------------------------------------------------------------
