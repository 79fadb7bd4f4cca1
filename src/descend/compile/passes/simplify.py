"""Algebra: what can be computed now, what changes nothing, what can be said more simply."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.compile.graph import BOOL, ELEMENTWISE, Graph, Node, constant, evaluate, node

SMALL = 16
"""Constants of at most so many elements are computed now."""


def simplify(graph: Graph) -> Graph:
    """The graph with less to do."""
    for _ in range(3):
        before = len(graph.nodes)
        graph = graph.rebuilt(_simpler)
        if len(graph.nodes) == before:
            break
    return graph


def _simpler(x: Node) -> Node:
    """One node in its simplest form, its operands being in theirs."""
    if x.op != "constant" and x.inputs and x.size <= SMALL and x.op not in ("host", "part"):
        if all(operand.op == "constant" for operand in x.inputs):
            with np.errstate(all="ignore"):
                (value,) = evaluate(Graph([], [x]))
            return constant(value, x.dtype)
    if x.op in ELEMENTWISE:
        x = _without_broadcasts(x)
    rule = RULES.get(x.op)
    found = rule(x) if rule is not None else None
    if found is None:
        return x
    if not found.line:
        found.line = x.line
    return found


def _without_broadcasts(x: Node) -> Node:
    """An elementwise node of plain numbers where arrays full of one number came."""
    numbers = [_number(operand) for operand in x.inputs]
    if all(number is not None for number in numbers) and x.size > SMALL:
        with np.errstate(all="ignore"):
            small = [number for number in numbers if number is not None]
            (value,) = evaluate(Graph([], [node(x.op, *small, **x.params)]))
        return node("broadcast_to", constant(value, x.dtype), shape=x.shape)
    operands = [number or operand for number, operand in zip(numbers, x.inputs, strict=True)]
    if np.broadcast_shapes(*(operand.shape for operand in operands)) != x.shape:
        return x
    return x.with_inputs(operands)


def _number(x: Node) -> Node | None:
    """The 0-d constant that a node repeats, if it is one."""
    if x.op == "broadcast_to":
        (x,) = x.inputs
    if x.op != "constant" or x.size != 1:
        return None
    return x if x.ndim == 0 else constant(x.params["value"].reshape(()), x.dtype)


# ---- the rules --------------------------------------------------------------------------------
# Each answers the simpler node, or None.


def _cast(x: Node) -> Node | None:
    (operand,) = x.inputs
    return operand if operand.dtype == x.dtype else None


def _negative(x: Node) -> Node | None:
    (operand,) = x.inputs
    return operand.inputs[0] if operand.op == "negative" else None


def _add(x: Node) -> Node | None:
    a, b = x.inputs
    if b.op == "negative" and b.shape == x.shape:
        return node("subtract", a, b.inputs[0])
    if a.op == "negative" and a.shape == x.shape:
        return node("subtract", b, a.inputs[0])
    return _one_assembled(a, b)


def _one_assembled(a: Node, b: Node) -> Node | None:
    """The sum of two arrays, each 0 but for its own pieces, if no two pieces meet."""
    for y in (a, b):
        if y.op != "assemble" or y.params["fill"] != 0:
            return None
    places = (*a.params["places"], *b.params["places"])
    if any(_meet(p, q) for p in a.params["places"] for q in b.params["places"]):
        return None
    return node("assemble", *a.inputs, *b.inputs, **{**a.params, "places": places})


def _meet(p: Any, q: Any) -> bool:
    """Whether two places of assembled pieces may have an element in common."""
    for one, other in zip(p, q, strict=True):
        a, b = (
            range(start, -1 if stop is None else stop, step) for start, stop, step in (one, other)
        )
        if not a or not b:
            return False
        low, high = max(min(a[0], a[-1]), min(b[0], b[-1])), min(max(a[0], a[-1]), max(b[0], b[-1]))
        if low > high or (a.step == b.step and (a[0] - b[0]) % a.step):
            return False
    return True


def _subtract(x: Node) -> Node | None:
    a, b = x.inputs
    return node("add", a, b.inputs[0]) if b.op == "negative" else None


def _multiply(x: Node) -> Node | None:
    for a, one in (x.inputs, x.inputs[::-1]):
        if a.shape == x.shape and _is_all(one, 1):
            return a
    return None


def _divide(x: Node) -> Node | None:
    a, b = x.inputs
    real = x.dtype.kind == "f"
    if real and b.op == "constant" and b.size == 1 and a.shape == x.shape:
        value = b.params["value"].item()
        if np.frexp(value)[0] in (0.5, -0.5):  # a power of 2: the product is as exact
            return node("multiply", a, constant(np.full(b.shape, 1 / value), b.dtype))
    return None


def _is_all(x: Node, value: float) -> bool:
    while x.op == "broadcast_to":
        (x,) = x.inputs
    return x.op == "constant" and bool((x.params["value"] == value).all())


def _reshape(x: Node) -> Node | None:
    (operand,) = x.inputs
    if operand.shape == x.shape:
        return operand
    if operand.op == "reshape":
        return node("reshape", operand.inputs[0], shape=x.shape)
    return None


def _transpose(x: Node) -> Node | None:
    (operand,) = x.inputs
    axes = x.params["axes"]
    if axes == tuple(range(x.ndim)):
        return operand
    if operand.op == "transpose":
        inner = operand.params["axes"]
        return node("transpose", operand.inputs[0], axes=tuple(inner[i] for i in axes))
    moved = [i for i in axes if operand.shape[i] != 1]
    if moved == sorted(moved):  # only axes of length 1 change their places
        return node("reshape", operand, shape=x.shape)
    return None


def _broadcast_to(x: Node) -> Node | None:
    (operand,) = x.inputs
    if operand.shape == x.shape:
        return operand
    if operand.op == "broadcast_to":
        return node("broadcast_to", operand.inputs[0], shape=x.shape)
    return None


def _slice(x: Node) -> Node | None:
    (operand,) = x.inputs
    index = x.params["index"]
    if all(part == (0, n, 1) for part, n in zip(index, operand.shape, strict=True)):
        return operand
    return None


def _reduction(x: Node) -> Node | None:
    (operand,) = x.inputs
    axes = tuple(i for i in x.params["axes"] if operand.shape[i] != 1)
    if len(axes) == len(x.params["axes"]):
        return None
    y = node(x.op, operand, axes=axes) if axes else operand
    return node("reshape", y, shape=x.shape)


def _where(x: Node) -> Node | None:
    condition, a, b = x.inputs
    for value, chosen in ((True, a), (False, b)):
        if _is_all(condition, value) and chosen.shape == x.shape:
            return chosen
    return None


def _arg_extreme(x: Node) -> Node | None:
    """The first place that holds the extreme, or NaN, which is more extreme than any number."""
    (operand,) = x.inputs
    axis = x.params["axis"]
    length = operand.shape[axis]
    kept = tuple(1 if i == axis else n for i, n in enumerate(operand.shape))
    best = node("reshape", node(x.op[3:], operand, axes=(axis,)), shape=kept)
    found = node("equal", operand, best)
    if operand.dtype.kind == "f":
        found = node("bitwise_or", found, node("isnan", operand))
    places = node("iota", shape=operand.shape, axis=axis, dtype=np.dtype(np.int64))
    return node("min", node("where", found, places, constant(length, np.int64)), axes=(axis,))


def _scatter_add(x: Node) -> Node | None:
    """One element for each line: it is chosen by comparison, so nothing is looked up."""
    updates, *index = x.inputs
    shape = x.params["shape"]
    count = len(index)
    lead = updates.ndim - (len(shape) - count)
    space = updates.shape[:lead]
    axes = [_line_axis(i, space, shape[m]) for m, i in enumerate(index)]
    free = [m for m, axis in enumerate(axes) if axis is None]
    lines = [axis for axis in axes if axis is not None]
    covered = all(n == 1 or i in lines for i, n in enumerate(space))
    if len(free) != 1 or len(set(lines)) != len(lines) or not covered or x.dtype == np.float16:
        return None
    place = free[0]
    rest = shape[count:]

    def spread(y: Node, tail: tuple[int, ...]) -> Node:
        """y (space and tail) with its lines where x has them, and an axis of length 1 at place."""
        others = [i for i in range(lead) if i not in lines]  # of length 1
        order = (*lines, *others, *range(lead, lead + len(tail)))
        y = node("transpose", y, axes=order)
        kept = [shape[m] for m in range(count)]
        kept[place] = 1
        return node("reshape", y, shape=(*kept, *tail))

    chosen = node("broadcast_to", index[place], shape=space)
    chosen = node(
        "reshape", spread(chosen, ()), shape=(*_one_at(shape[:count], place), *_ones(rest))
    )
    places = node("iota", shape=(*shape[:count], *_ones(rest)), axis=place, dtype=chosen.dtype)
    here = node("equal", places, chosen)
    return node("where", here, spread(updates, rest), constant(0, x.dtype))


def _one_at(shape: tuple[int, ...], place: int) -> tuple[int, ...]:
    return tuple(1 if i == place else n for i, n in enumerate(shape))


def _ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * len(shape)


def _line_axis(index: Node, space: tuple[int, ...], length: int) -> int | None:
    """The axis along which an index counts 0, 1, 2, ... to the end; None if it does not."""
    if not _is_known(index) or np.prod(space) > 1 << 20:
        return None
    (value,) = evaluate(Graph([], [index]))
    lines = np.broadcast_to(value, space)
    for axis, n in enumerate(space):
        if n == length:
            line = np.arange(n).reshape([-1 if i == axis else 1 for i in range(len(space))])
            if (lines == line).all():
                return axis
    return None


def _is_known(x: Node) -> bool:
    """Whether a node is made of constants and counted lines alone."""
    stack = [x]
    while stack:
        part = stack.pop()
        if part.op in ("constant", "iota"):
            continue
        if part.op not in ELEMENTWISE | {"reshape", "transpose", "broadcast_to", "slice"}:
            return False
        if not part.inputs:
            return False
        stack.extend(part.inputs)
    return True


def _product(x: Node) -> Node | None:
    """A product over nothing, or of no images: zeros."""
    if all(operand.size for operand in x.inputs):
        return None
    return node("broadcast_to", constant(0, x.dtype), shape=x.shape)


def _comparison(x: Node) -> Node | None:
    """A bool compared with itself as a number: multiply by a mask needs none of that."""
    return x.inputs[0] if x.op == "not_equal" and _is_mask(x) else None


def _is_mask(x: Node) -> bool:
    a, b = x.inputs
    return a.dtype == BOOL and a.shape == x.shape and _is_all(b, 0)


RULES: dict[str, Callable[[Node], Any]] = {
    "cast": _cast,
    "negative": _negative,
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "slice": _slice,
    "where": _where,
    "not_equal": _comparison,
    "argmax": _arg_extreme,
    "argmin": _arg_extreme,
    "scatter_add": _scatter_add,
    **dict.fromkeys(("matmul", "convolve_input", "convolve_weight"), _product),
    **dict.fromkeys(("sum", "max", "min", "any", "all"), _reduction),
}
