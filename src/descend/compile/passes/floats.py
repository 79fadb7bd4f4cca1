"""Complex arrays as arrays of floats, which is what kernels read and write.

A complex number lies in memory as two floats: an array of complex numbers is one of floats with a
last axis of length 2. The parts are slices of it, and it is assembled from its parts. To what calls
the program, and to a call of Python, the same memory is complex.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.compile.graph import Graph, Node, constant, input_node, node, part_dtype
from descend.compile.machine.operations import TYPES


def as_floats(graph: Graph) -> Graph:
    """The graph of the same nodes, where every complex input, output and operand is of floats."""
    if not any(_is_pair(x) for x in (*graph.inputs, *graph.nodes)):
        return graph
    new: dict[Node, Node] = {}
    for x in graph.inputs:
        new[x] = input_node((*x.shape, 2), part_dtype(x.dtype)) if _is_pair(x) else x
    for x in graph.nodes:
        new[x] = _of_floats(x, [new[operand] for operand in x.inputs])
        new[x].line = x.line
    return Graph([new[x] for x in graph.inputs], [new[y] for y in graph.outputs])


def _is_pair(x: Node) -> bool:
    return _is_pair_dtype(x.dtype)


def _is_pair_dtype(dtype: np.dtype[Any]) -> bool:
    """Whether these are complex numbers whose parts kernels know."""
    return dtype.kind == "c" and part_dtype(dtype).name in TYPES


def _of_floats(x: Node, inputs: list[Node]) -> Node:
    """A node on operands of floats."""
    if x.op in ("real", "imag") and _is_pair(x.inputs[0]):
        k = int(x.op == "imag")
        whole = tuple((0, n, 1) for n in x.shape)
        return node("reshape", node("slice", *inputs, index=(*whole, (k, k + 1, 1))), shape=x.shape)
    if x.op == "host":
        return _call_of_floats(x, inputs)
    if not _is_pair(x):
        return x.with_inputs(inputs)
    shape, dtype = (*x.shape, 2), part_dtype(x.dtype)
    if x.op == "complex":
        return _interleaved(inputs, shape, dtype)
    if x.op == "constant":
        value = np.ascontiguousarray(x.params["value"])
        return constant(value.reshape(-1).view(dtype).reshape(shape))
    params = {**x.params, "shape": shape} if x.op == "reshape" else x.params
    return Node(x.op, tuple(inputs), params, shape, dtype)


def _interleaved(parts: list[Node], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Node:
    """The real and the imaginary parts side by side."""
    pieces = [node("reshape", part, shape=(*part.shape, 1)) for part in parts]
    whole = tuple((0, n, 1) for n in shape[:-1])
    places = tuple((*whole, (k, k + 1, 1)) for k in range(2))
    if 0 in shape:
        return node("broadcast_to", constant(0, dtype), shape=shape)
    return node("assemble", *pieces, shape=shape, dtype=dtype, fill=0, places=places)


def _call_of_floats(x: Node, inputs: list[Node]) -> Node:
    """A call of Python that gets and answers the floats of its complex arrays."""
    types: Any = x.params["types"]
    given = [operand.dtype if _is_pair(operand) else None for operand in x.inputs]
    answered = [np.dtype(d) if _is_pair_dtype(np.dtype(d)) else None for _, d in types]
    if not any(given) and not any(answered):
        return x.with_inputs(inputs)
    call = FloatCall(x.params["call"], given, answered)
    types = tuple(
        (shape, dtype) if pair is None else ((*shape, 2), part_dtype(dtype))
        for pair, (shape, dtype) in zip(answered, types, strict=True)
    )
    return Node("host", tuple(inputs), {"call": call, "types": types}, *types[0])


@dataclass(eq=False)
class FloatCall:
    """A call of Python, and for each array that it gets or answers its dtype if it is complex.

    The arrays in the program are those of their floats.
    """

    call: Callable[..., Any]
    given: Sequence[Any]
    answered: Sequence[Any]

    @property
    def __name__(self) -> str:
        return getattr(self.call, "__name__", "function")
