"""Which operations go into one kernel: a graph becomes a list of kernels.

A node is *realized* if its elements lie in a buffer: what is given, what is asked for, sums, matrix
products, and what several kernels need and would be dear to compute again. Everything else is
computed where it is used. A view (a transpose, a slice, a broadcast) of a realized node costs
nothing: it is another way to walk through the buffer.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.compile.graph import ELEMENTWISE, REDUCTIONS, VIEWS, Graph, Node
from descend.compile.kernels import kernel as kernels
from descend.compile.kernels import library
from descend.compile.kernels.kernel import Buffer, Kernel
from descend.compile.kernels.walks import (
    Line,
    Mapping,
    broadcast,
    contiguous,
    coverage,
    identity,
    scattered,
    split_mapping,
    walk,
    walk_down,
    walked,
    whole,
)
from descend.compile.machine.loops import Expr, Loop, Store, View, with_axis, with_axis_in
from descend.compile.passes.arrange import arranged
from descend.compile.passes.merge import merged
from descend.compile.passes.realize import realized_nodes

INT64 = np.dtype(np.int64)
SMALL_SUM = 65536
"""Bytes up to which each thread sums over its rows into a copy of its own."""


@dataclass
class Lowered:
    """The kernels in an order in which they can run, and where results lie."""

    kernels: list[Kernel]
    buffers: dict[Node, Buffer]


def fuse(graph: Graph, threads: int) -> Lowered:
    """The kernels of a graph, for so many threads."""
    return _Fusion(graph, threads).run()


class _Fusion:
    def __init__(self, graph: Graph, threads: int) -> None:
        self.graph = graph
        self.threads = threads
        self.kernels: list[Kernel] = []
        self.buffers: dict[Node, Buffer] = {}
        self.outputs = set(graph.outputs)
        self.results: set[Buffer] = set()
        """The buffers that are results."""
        self.parts: dict[Node, list[Buffer]] = {}
        self.rank = 0
        """The axes of the index space for which values are being made."""
        self.values: dict[Any, Expr] = {}
        """Every expression by what it is, so that equal ones are one."""
        self.realized = realized_nodes(graph)

    def run(self) -> Lowered:
        for i, x in enumerate(self.graph.inputs):
            self.buffers[x] = Buffer(x.shape, x.dtype, "input", name=f"input {i}")
        for node in self.graph.nodes:
            if node in self.realized:
                self._realize(node)
        kept = {self.buffers[y] for y in self.graph.outputs}
        parts = merged([k.loop if k.loop is not None else k for k in self.kernels], kept)
        done = [k if isinstance(k, Kernel) else kernels.of_loop(arranged(k)) for k in parts]
        return Lowered(done, self.buffers)

    # ---- what is realized -------------------------------------------------------------------

    def _realize(self, node: Node) -> None:
        """Emit the kernels that fill a node's buffer."""
        if node.op == "constant":
            self.buffers[node] = Buffer(node.shape, node.dtype, "constant", node.params["value"])
            return
        if node.op == "part":  # one of the results of a host call
            self.buffers[node] = self.parts[node.inputs[0]][node.params["index"]]
            if node in self.outputs:
                self.results.add(self.buffers[node])
            return
        if node.op == "host":
            self._host(node)
            return
        if node.op == "reshape":
            found = self._in_memory(node)
            if found is not None and self._may_stand_for(node, *found):
                self.buffers[node] = found[0]
                return
        buffer = Buffer(node.shape, node.dtype)
        if node.size:
            self._fill(node, buffer)
        self.buffers[node] = buffer
        if node in self.outputs:
            self.results.add(buffer)

    def _may_stand_for(
        self, node: Node, buffer: Buffer, offset: int, strides: tuple[int, ...]
    ) -> bool:
        """Whether a buffer holds just the elements of a reshape, and nobody else's result."""
        if buffer.size != node.size or offset or strides != walked(node.shape):
            return False
        if node not in self.outputs:
            return True
        mine = buffer.kind == "inner" and buffer not in self.results
        self.results.add(buffer)
        return mine

    def _fill(self, node: Node, buffer: Buffer) -> None:
        """Emit the kernels that compute a node into a buffer."""
        if node.op in REDUCTIONS:
            self._reduce(node, buffer)
        elif node.op == "assemble":
            self._assemble(node, buffer)
        elif node.op == "cumsum":
            self._cumsum(node, buffer)
        elif node.op == "scatter_add":
            self._scatter_add(node, buffer)
        elif node.op in library.NEEDS_MEMORY:
            operands = [self._operand(x) for x in node.inputs]
            self.kernels += library.lower(node, operands, buffer, self.threads)
        else:
            # a reshape is copied in the order of what it is made of
            source = node.inputs[0] if node.op == "reshape" else node
            value = self._value(source, identity(source.shape))
            self._loop(source.shape, [Store("store", whole(buffer, source.shape), value)])

    def _host(self, node: Node) -> None:
        """A call of Python, which fills a buffer for each of its results."""
        self.parts[node] = [Buffer(shape, np.dtype(dtype)) for shape, dtype in node.params["types"]]
        operands = [self._operand(x) for x in node.inputs]
        self.kernels.append(library.host(node, operands, self.parts[node]))

    def _loop(self, lengths: tuple[int, ...], stores: list[Store]) -> None:
        if not lengths:
            lengths = (1,)
            stores = [with_axis(store) for store in stores]
        self.kernels.append(kernels.of_loop(Loop(lengths, stores)))

    def _reduce(self, node: Node, buffer: Buffer) -> None:
        (x,) = node.inputs
        axes: tuple[int, ...] = node.params["axes"]
        kind = node.op
        if x.size == 0 or not axes:
            start = {"sum": 0, "any": 0, "all": 1}.get(kind, 0)
            value = self._value(x, identity(x.shape)) if not axes else self._number(start, x.dtype)
            lengths = node.shape
            self._loop(lengths, [Store("store", whole(buffer, lengths), value)])
            return
        kept = [i for i in range(x.ndim) if i not in axes]
        small = buffer.nbytes <= SMALL_SUM or x.size // buffer.size >= 1024
        if kind == "sum" and 0 in axes and small and x.shape[0] > 1:
            partial = library.partial_of(buffer, self.threads)
            value = self._value(x, identity(x.shape))
            strides = scattered(contiguous(node.shape), kept, x.ndim)
            self._loop(x.shape, [Store("sum", View(partial, 0, strides), value, axes)])
            size = (buffer.size,)
            loop = library.added_up(partial, buffer, self.threads, size, (1,), (1,))
            self.kernels.append(kernels.of_loop(loop))
            return
        # The kept axes first, and a last axis that is kept and lies side by side stays the last.
        last_kept = kind == "sum" and (x.ndim - 1) in kept and len(kept) > 1
        order = [i for i in kept if not (last_kept and i == x.ndim - 1)] + list(axes)
        order += [x.ndim - 1] if last_kept else []
        lengths = tuple(x.shape[i] for i in order)
        mapping = tuple(Line(0, tuple(int(k == i) for k in order)) for i in range(x.ndim))
        value = self._value(x, mapping)
        own = dict(zip(kept, contiguous(node.shape), strict=True))
        strides = tuple(own.get(i, 0) for i in order)
        reduced = tuple(place for place, i in enumerate(order) if i in axes)
        if not kept:  # a leading axis that is not reduced
            lengths, reduced = (1, *lengths), tuple(i + 1 for i in reduced)
            value = with_axis_in(value, {}, self._intern)
            strides = (0, *strides)
        if last_kept:
            zero = self._number(0, node.dtype)
            self._loop(node.shape, [Store("store", whole(buffer, node.shape), zero)])
        self._loop(lengths, [Store(kind, View(buffer, 0, strides), value, reduced)])

    def _assemble(self, node: Node, buffer: Buffer) -> None:
        places = node.params["places"]
        covered, buffer.apart = coverage(node.shape, places)
        if not covered:
            fill = self._number(node.params["fill"], node.dtype)
            self._loop(node.shape, [Store("store", whole(buffer, node.shape), fill)])
        own = contiguous(node.shape)
        for piece, place in zip(node.inputs, places, strict=True):
            if piece.size == 0:
                continue
            offset = sum(p[0] * s for p, s in zip(place, own, strict=True))
            strides = tuple(p[2] * s for p, s in zip(place, own, strict=True))
            value = self._value(piece, identity(piece.shape))
            self._loop(piece.shape, [Store("store", View(buffer, offset, strides), value)])

    def _cumsum(self, node: Node, buffer: Buffer) -> None:
        """Each element is the one before it, which the same loop has written, plus its own."""
        (x,) = node.inputs
        axis = node.params["axis"]
        order = [*(i for i in range(x.ndim) if i != axis), axis]
        lengths = tuple(x.shape[i] for i in order)
        own = contiguous(node.shape)
        strides = tuple(own[i] for i in order)
        mapping = tuple(Line(0, tuple(int(k == i) for k in order)) for i in range(x.ndim))
        if x.ndim == 1:  # the rows are what threads share
            lengths, strides, mapping = (1, *lengths), (0, *strides), (Line(0, (0, 1)),)
        value = self._value(x, mapping)
        here = (*(0,) * (len(lengths) - 1), 1)
        before = self._intern(Expr("index", (), INT64, param=(-1, here)))
        none = self._op("less", np.dtype(bool), before, self._number(0, INT64))
        before = self._op("maximum", INT64, before, self._number(0, INT64))
        view = View(buffer, 0, (*strides[:-1], 0), ((before, strides[-1]),))
        last = self._intern(Expr("load", (), node.dtype, view))
        total = self._op("add", node.dtype, last, value)
        value = self._op("where", node.dtype, none, value, total)
        self._loop(lengths, [Store("store", View(buffer, 0, strides), value)])

    def _scatter_add(self, node: Node, buffer: Buffer) -> None:
        """Zeros, then one element after the other is added at its place, by one thread."""
        x, *index = node.inputs
        self._loop(
            node.shape,
            [Store("store", whole(buffer, node.shape), self._number(0, node.dtype))],
        )
        if x.size == 0:
            return
        count = len(index)
        lead = x.ndim - (node.ndim - count)
        where = identity(x.shape)
        value = self._value(x, where)
        own = contiguous(node.shape)
        offset, strides = 0, [0] * lead + list(own[count:])
        moving: list[tuple[Expr, int]] = []
        for i, stride, length in zip(index, own, node.shape, strict=False):
            place = self._value(i, broadcast(where[:lead], x.shape[:lead], i.shape, x.ndim))
            if place.op == "index":
                offset += place.param[0] * stride
                strides = [a + s * stride for a, s in zip(strides, place.param[1], strict=True)]
            else:
                moving.append((self._inside(place, length), stride))
        memo: dict[int, Expr] = {}
        value = with_axis_in(value, memo, self._intern)
        moving = [(with_axis_in(m, memo, self._intern), stride) for m, stride in moving]
        view = View(buffer, offset, (0, *strides), tuple(moving))
        self._loop((1, *x.shape), [Store("add", view, value)])

    def _operand(self, node: Node) -> library.Operand:
        """Where an operand of a library kernel lies."""
        found = self._in_memory(node)
        assert found is not None, f"{node} is not in memory"
        return library.Operand(node, *found)

    def _in_memory(self, node: Node) -> tuple[Buffer, int, tuple[int, ...]] | None:
        """The buffer behind a node, or behind the node that it is a view of."""
        base = node
        while base not in self.buffers:
            if base.op not in VIEWS:
                return None
            base = base.inputs[0]
        found = walk_down(node, base)
        return found and (self.buffers[base], *found)

    # ---- values -----------------------------------------------------------------------------

    def _intern(self, expr: Expr) -> Expr:
        """The one expression that is equal to this one."""
        return self.values.setdefault(expr.key, expr)

    def _number(self, value: Any, dtype: np.dtype[Any]) -> Expr:
        return self._intern(Expr("constant", (), dtype, param=_python_number(value)))

    def _op(self, op: str, dtype: np.dtype[Any], *inputs: Expr) -> Expr:
        return self._intern(Expr(op, inputs, dtype))

    def _value(self, node: Node, mapping: Mapping) -> Expr:
        """The value of a node's element at the place that belongs to the kernel's index."""
        self.rank = len(mapping[0].strides) if mapping else 0
        done: dict[tuple[Node, Mapping], Expr] = {}
        stack = [(node, mapping)]
        while stack:
            x, where = stack[-1]
            if (x, where) in done:
                stack.pop()
                continue
            needed = self._needed(x, where)
            missing = [part for part in needed if part not in done]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            done[x, where] = self._made(x, where, [done[part] for part in needed])
        return done[node, mapping]

    def _needed(self, x: Node, where: Mapping) -> list[tuple[Node, Mapping]]:
        """The operands of a node, each with its own mapping."""
        if self._in_memory(x) is not None:
            return []
        if x.op in ("constant", "iota"):
            return []
        if x.op == "gather":
            _, *index = x.inputs
            lead = x.ndim - (x.inputs[0].ndim - len(index))
            return [(i, broadcast(where[:lead], x.shape[:lead], i.shape, self.rank)) for i in index]
        if x.op in ELEMENTWISE:
            return [
                (operand, broadcast(where, x.shape, operand.shape, self.rank))
                for operand in x.inputs
            ]
        (operand,) = x.inputs
        if x.op == "transpose":
            lines: list[Line | None] = [None] * x.ndim
            for line, axis in zip(where, x.params["axes"], strict=True):
                lines[axis] = line
            return [(operand, tuple(line for line in lines if line is not None))]
        if x.op == "broadcast_to":
            return [(operand, broadcast(where, x.shape, operand.shape, self.rank))]
        if x.op == "slice":
            parts = zip(where, x.params["index"], strict=True)
            return [
                (
                    operand,
                    tuple(
                        Line(start + step * line.offset, tuple(step * s for s in line.strides))
                        for line, (start, _, step) in parts
                    ),
                )
            ]
        assert x.op == "reshape", x
        found = split_mapping(operand.shape, x.shape, where, self.rank)
        assert found is not None, f"{x} of what is not in memory"
        return [(operand, found)]

    def _made(self, x: Node, where: Mapping, operands: list[Expr]) -> Expr:
        found = self._in_memory(x)
        if found is not None:
            buffer, offset, strides = found
            return self._intern(
                Expr("load", (), x.dtype, walk(buffer, offset, strides, where, self.rank))
            )
        if x.op == "constant":
            return self._number(x.params["value"].reshape(-1)[0], x.dtype)
        if x.op == "iota":
            line = where[x.params["axis"]]
            return self._intern(Expr("index", (), x.dtype, param=(line.offset, line.strides)))
        if x.op == "gather":
            return self._gathered(x, where, operands)
        if x.op in VIEWS:
            return operands[0]
        return self._op(x.op, x.dtype, *operands)

    def _gathered(self, x: Node, where: Mapping, index: list[Expr]) -> Expr:
        source = x.inputs[0]
        found = self._in_memory(source)
        assert found is not None
        buffer, offset, strides = found
        lead = x.ndim - (source.ndim - len(index))
        view = walk(buffer, offset, strides[len(index) :], where[lead:], self.rank)
        place, steps, moving = view.offset, list(view.strides), list[tuple[Expr, int]]()
        for expr, stride, length in zip(index, strides, source.shape, strict=False):
            if expr.op == "index":  # a plain walk along that axis
                place += expr.param[0] * stride
                steps = [a + b * stride for a, b in zip(steps, expr.param[1], strict=True)]
            else:
                moving.append((self._inside(expr, length), stride))
        view = View(buffer, place, tuple(steps), tuple(moving))
        return self._intern(Expr("load", (), x.dtype, view))

    def _inside(self, expr: Expr, length: int) -> Expr:
        """An index held within its axis: memory outside is never read."""
        value = expr if expr.dtype == INT64 else self._op("cast", INT64, expr)
        value = self._op("maximum", INT64, value, self._number(0, INT64))
        return self._op("minimum", INT64, value, self._number(length - 1, INT64))


def _python_number(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
