"""Which operations go into one kernel: a graph becomes a list of kernels.

A node is *realized* if its elements lie in a buffer: what is given, what is asked for, sums, matrix
products, and what several kernels need and would be dear to compute again. Everything else is
computed where it is used. A view (a transpose, a slice, a broadcast) of a realized node costs
nothing: it is another way to walk through the buffer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.compile import kernels, library
from descend.compile.graph import ELEMENTWISE, REDUCTIONS, VIEWS, Graph, Node
from descend.compile.kernels import Buffer, Kernel
from descend.compile.loops import Expr, Loop, Store, View, walk_values

INT64 = np.dtype(np.int64)
CHEAP = 3
"""So many simple operations are rather computed twice than kept."""
DEAR = frozenset(
    "exp expm1 log log1p sin cos tan tanh sinh cosh erf power divide sqrt remainder".split()
)
MOST_VALUES = 300
"""Kernels are not merged beyond this many values."""
SMALL_SUM = 65536
"""Bytes up to which each thread sums over its rows into a copy of its own."""


@dataclass(frozen=True)
class Line:
    """How the index along one axis of a node follows from the index of the kernel."""

    offset: int
    strides: tuple[int, ...]


Mapping = tuple[Line, ...]


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
        self.realized = self._realized()

    def run(self) -> Lowered:
        for i, x in enumerate(self.graph.inputs):
            self.buffers[x] = Buffer(x.shape, x.dtype, "input", name=f"input {i}")
        for node in self.graph.nodes:
            if node in self.realized:
                self._realize(node)
        kept = {self.buffers[y] for y in self.graph.outputs}
        merged = _merged([k.loop if k.loop is not None else k for k in self.kernels], kept)
        done = [k if isinstance(k, Kernel) else kernels.of_loop(arranged(k)) for k in merged]
        return Lowered(done, self.buffers)

    # ---- what is realized -------------------------------------------------------------------

    def _realized(self) -> set[Node]:
        """The nodes whose elements lie in memory."""
        nodes = self.graph.nodes
        users = self.graph.users()
        realized = set(self.graph.outputs) | set(self.graph.inputs)
        for node in nodes:
            if node.op == "constant":
                if node.size != 1:
                    realized.add(node)
            elif node.op == "reshape":
                base, walkable = self._base(node, realized)
                if _splits(node.inputs[0].shape, node.shape):
                    continue
                realized.add(base if walkable else node)
            elif node.op not in ELEMENTWISE | VIEWS | {"iota", "gather"}:
                realized.add(node)
                if node.op in library.NEEDS_MEMORY:
                    realized.update(self._base(x, realized)[0] for x in node.inputs)
                    for x in library.needs_contiguous(node):
                        base, _ = self._base(x, realized)
                        if _walk_down(x, base) != (0, _walked_like(x, base)):
                            realized.add(x)
            elif node.op == "gather":
                realized.add(self._base(node.inputs[0], realized)[0])
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
            cost = self._cost(node, realized)
            if cost > CHEAP and (len(places) > 1 or larger):
                realized.add(node)
        return realized

    def _base(self, node: Node, realized: set[Node]) -> tuple[Node, bool]:
        """What a node is a view of, and whether it is one that needs no copy."""
        base = node
        while base.op in VIEWS and base not in realized:
            base = base.inputs[0]
        return base, _walk_down(node, base) is not None

    def _cost(self, node: Node, realized: set[Node]) -> int:
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
        if buffer.size != node.size or offset or strides != _walked(node.shape):
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
            stores = [_with_axis(store) for store in stores]
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
            strides = _scattered(contiguous(node.shape), kept, x.ndim)
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
            value = _with_axis_in(value, {}, self._intern)
            strides = (0, *strides)
        if last_kept:
            zero = self._number(0, node.dtype)
            self._loop(node.shape, [Store("store", whole(buffer, node.shape), zero)])
        self._loop(lengths, [Store(kind, View(buffer, 0, strides), value, reduced)])

    def _assemble(self, node: Node, buffer: Buffer) -> None:
        places = node.params["places"]
        covered, buffer.apart = _coverage(node.shape, places)
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
        value = _with_axis_in(value, memo, self._intern)
        moving = [(_with_axis_in(m, memo, self._intern), stride) for m, stride in moving]
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
        found = _walk_down(node, base)
        return found and (self.buffers[base], *found)

    # ---- values -----------------------------------------------------------------------------

    def _intern(self, expr: Expr) -> Expr:
        """The one expression that is equal to this one."""
        view = expr.view
        place = view and (
            view.buffer,
            view.offset,
            view.strides,
            tuple((id(x), stride) for x, stride in view.moving),
        )
        key = (expr.op, tuple(id(x) for x in expr.inputs), expr.dtype, place, repr(expr.param))
        return self.values.setdefault(key, expr)

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


def _walk_down(node: Node, base: Node) -> tuple[int, tuple[int, ...]] | None:
    """Offset and strides of a chain of views of a node that lies in memory, if there are such."""
    chain: list[Node] = []
    while node is not base:
        chain.append(node)
        node = node.inputs[0]
    offset, strides, shape = 0, contiguous(base.shape), base.shape
    for view in reversed(chain):
        if view.op == "reshape":
            found = reshaped_strides(shape, strides, view.shape)
            if found is None:
                return None
            strides = found
        elif view.op == "transpose":
            strides = tuple(strides[i] for i in view.params["axes"])
        elif view.op == "broadcast_to":
            lead = (0,) * (view.ndim - len(shape))
            repeated = zip(shape, strides, view.shape[len(lead) :], strict=True)
            strides = lead + tuple(0 if n == 1 and m != 1 else s for n, s, m in repeated)
        else:
            parts = view.params["index"]
            offset += sum(p[0] * s for p, s in zip(parts, strides, strict=True))
            strides = tuple(p[2] * s for p, s in zip(parts, strides, strict=True))
        shape = view.shape
    return offset, strides


# ---- walks through memory ---------------------------------------------------------------------


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of an array in row-major order."""
    strides: list[int] = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def _walked(shape: tuple[int, ...]) -> tuple[int, ...]:
    """`contiguous`, as `reshaped_strides` answers it: 0 along axes of length 1."""
    return tuple(0 if n == 1 else s for n, s in zip(shape, contiguous(shape), strict=True))


def _walked_like(x: Node, base: Node) -> tuple[int, ...]:
    """The strides of x in row-major order, as a walk down to its base would answer them."""
    return contiguous(x.shape) if x is base else _walked(x.shape)


def whole(buffer: Buffer, shape: tuple[int, ...]) -> View:
    """All elements of a buffer, in order."""
    return View(buffer, 0, contiguous(shape))


def identity(shape: tuple[int, ...]) -> Mapping:
    """The mapping of an index space of this shape onto itself."""
    return tuple(Line(0, tuple(int(i == j) for j in range(len(shape)))) for i in range(len(shape)))


def broadcast(
    where: Mapping, shape: tuple[int, ...], operand: tuple[int, ...], rank: int
) -> Mapping:
    """The mapping onto an operand that is broadcast to ``shape``."""
    lines = where[len(shape) - len(operand) :]
    still = Line(0, (0,) * rank)
    return tuple(still if n == 1 else line for line, n in zip(lines, operand, strict=True))


def walk(buffer: Buffer, offset: int, strides: tuple[int, ...], where: Mapping, rank: int) -> View:
    """The view of a buffer under a mapping from an index space of ``rank`` axes."""
    steps = [0] * rank
    for line, stride in zip(where, strides, strict=True):
        offset += line.offset * stride
        for i, s in enumerate(line.strides):
            steps[i] += s * stride
    return View(buffer, offset, tuple(steps))


def reshaped_strides(
    shape: tuple[int, ...], strides: tuple[int, ...], new: tuple[int, ...]
) -> tuple[int, ...] | None:
    """The strides of the same elements in another shape; None if they need copying."""
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    if 0 in shape:
        return contiguous(new)
    result: list[int] = []
    place = 0
    taken = [n for n in new if n != 1]
    steps: list[int] = []
    j = 0
    while place < len(old):
        lengths, size, want = [old[place]], old[place][0], 1
        first = j
        while want != size:
            if want < size:
                want *= taken[j]
                j += 1
            else:
                place += 1
                lengths.append(old[place])
                size *= old[place][0]
        for (_, outer), (n, inner) in zip(lengths, lengths[1:], strict=False):
            if outer != n * inner:
                return None
        inner = [lengths[-1][1]]
        for n in reversed(taken[first + 1 : j]):
            inner.append(inner[-1] * n)
        steps += reversed(inner[: j - first])
        place += 1
    found = iter(steps)
    for n in new:
        result.append(0 if n == 1 else next(found))
    return tuple(result)


def split_mapping(
    shape: tuple[int, ...], new: tuple[int, ...], where: Mapping, rank: int
) -> Mapping | None:
    """The mapping onto the operand of a reshape, if each of its axes is cut into several."""
    still = Line(0, (0,) * rank)
    lines: list[Line] = []
    j = 0
    for n in shape:
        if n == 1:
            lines.append(still)
            continue
        group: list[int] = []
        size = 1
        while size < n:
            if j == len(new):
                return None
            size *= new[j]
            group.append(j)
            j += 1
        if size != n:
            return None
        offset, steps, step = 0, [0] * rank, 1
        for axis in reversed(group):
            offset += where[axis].offset * step
            steps = [a + b * step for a, b in zip(steps, where[axis].strides, strict=True)]
            step *= new[axis]
        lines.append(Line(offset, tuple(steps)))
    return tuple(lines)


def _splits(shape: tuple[int, ...], new: tuple[int, ...]) -> bool:
    if 0 in shape:
        return True
    return split_mapping(shape, new, identity(new), len(new)) is not None


def _scattered(strides: tuple[int, ...], places: list[int], axes: int) -> tuple[int, ...]:
    found = dict(zip(places, strides, strict=True))
    return tuple(found.get(i, 0) for i in range(axes))


def _python_number(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _coverage(shape: tuple[int, ...], places: Any) -> tuple[bool, bool]:
    """Whether pieces at these places leave no element out, and whether no two share one."""
    lines: list[tuple[Any, Any]] = []
    for axis, n in enumerate(shape):
        marks = np.zeros((len(places), n), bool)
        for i, place in enumerate(places):
            marks[i, slice(*place[axis])] = True
        lines.append(np.unique(marks, axis=1, return_counts=True))
    times = np.zeros([len(counts) for _, counts in lines], np.int64)
    for i in range(len(places)):
        times[np.ix_(*(line[i] for line, _ in lines))] += 1
    return bool((times > 0).all()), bool((times <= 1).all())


def _with_axis(store: Store) -> Store:
    """A store of an index space without axes, in one with an axis of length 1."""
    memo: dict[int, Expr] = {}
    keep: dict[int, Expr] = {}

    def same(expr: Expr) -> Expr:
        return keep.setdefault(id(expr), expr)

    view = View(store.view.buffer, store.view.offset, (0,))
    return Store(store.kind, view, _with_axis_in(store.value, memo, same), store.axes)


def _with_axis_in(expr: Expr, memo: dict[int, Expr], intern: Any) -> Expr:
    """An expression with one more axis in front, along which nothing varies."""
    return rewritten(expr, memo, lambda strides: (0, *strides), intern)


def rewritten(expr: Expr, memo: dict[int, Expr], change: Any, intern: Any = None) -> Expr:
    """An expression with ``change`` applied to the strides of every view and index."""
    for x in walk_values(expr, set(memo)):
        inputs = tuple(memo[id(i)] for i in x.inputs)
        view, param = x.view, x.param
        if view is not None:
            moving = tuple((memo[id(m)], stride) for m, stride in view.moving)
            view = View(view.buffer, view.offset, change(view.strides), moving)
        elif x.op == "index":
            param = (param[0], change(param[1]))
        new = Expr(x.op, inputs, x.dtype, view, param)
        memo[id(x)] = intern(new) if intern is not None else new
    return memo[id(expr)]


# ---- merging ----------------------------------------------------------------------------------


def _merged(parts: list[Loop | Kernel], kept: set[Buffer]) -> list[Loop | Kernel]:
    """Loops over one index space joined where one may run right behind the other.

    What the first one stores and the second loads at the same index needs no load any more, and if
    nobody else reads it no store either.
    """
    result: list[Loop | Kernel] = []
    made: dict[Buffer, int] = {}  # where a buffer's last writer stands in ``result``
    alike: dict[tuple[int, ...], list[int]] = {}  # where loops over one index space stand
    for part in parts:
        writes = _writes_of(part)
        place = None
        if isinstance(part, Loop):
            earliest = max((made[b] for b in (*part.read_buffers, *writes) if b in made), default=0)
            for at in reversed(alike.get(part.lengths, ())):
                if at < earliest:
                    break
                candidate = result[at]
                if isinstance(candidate, Loop) and _mergeable(candidate, part):
                    place = at
                    break
            if place is None:
                alike.setdefault(part.lengths, []).append(len(result))
        if place is None:
            result.append(part)
            place = len(result) - 1
        else:
            assert isinstance(part, Loop)
            before = result[place]
            assert isinstance(before, Loop)
            result[place] = _joined(before, part)
        for buffer in writes:
            made[buffer] = place
    return _without_dead_stores(result, kept)


def _reads_of(part: Loop | Kernel) -> set[Buffer]:
    if isinstance(part, Loop):
        return part.read_buffers
    return {access.buffer for access in part.reads}


def _writes_of(part: Loop | Kernel) -> set[Buffer]:
    if isinstance(part, Loop):
        return {view.buffer for view in part.writes}
    return {access.buffer for access in part.writes}


def _mergeable(first: Loop, second: Loop) -> bool:
    """Whether the second may run at each index right behind the first, and gains from it."""
    if first.is_sequential or second.is_sequential:
        return False
    if any(store.view.moving for store in (*first.stores, *second.stores)):
        return False
    stored = {store.view.buffer: store for store in first.stores}
    touched = _reads_of(first)
    common = False
    for view in second.reads:
        if view.buffer in stored:
            store = stored[view.buffer]
            if store.kind != "store" or not _same_place(store.view, view):
                return False
            common = True
        common = common or view.buffer in touched
    for store in second.stores:
        if store.view.buffer in stored:
            other = stored[store.view.buffer]
            if other.kind != "store" or store.kind != "store" or not store.view.buffer.apart:
                return False
            common = True
    small = first.lengths == (1,)
    if not (common or small):
        return False
    return first.size + second.size <= MOST_VALUES


def _same_place(a: View, b: View) -> bool:
    return (a.offset, a.strides, a.moving, b.moving) == (b.offset, b.strides, (), ())


def _joined(first: Loop, second: Loop) -> Loop:
    """Both in one, the second's loads of what the first stores replaced by the values."""
    stored = {s.view.buffer: s.value for s in first.stores if s.kind == "store"}
    values: dict[Any, Expr] = {}
    memo: dict[int, Expr] = {}

    def intern(expr: Expr) -> Expr:
        view = expr.view
        place = view and (
            view.buffer, view.offset, view.strides, tuple((id(x), s) for x, s in view.moving)
        )  # fmt: skip
        key = (expr.op, tuple(id(x) for x in expr.inputs), expr.dtype, place, repr(expr.param))
        return values.setdefault(key, expr)

    def moved(expr: Expr) -> Expr:
        for x in walk_values(expr, set(memo)):
            if x.view is not None and x.view.buffer in stored:
                value = stored[x.view.buffer]
                if x.dtype != value.dtype:
                    value = intern(Expr("cast", (value,), x.dtype))
                memo[id(x)] = memo.get(id(value), value)
                continue
            view = x.view
            if view is not None and view.moving:
                moving = tuple((memo[id(m)], s) for m, s in view.moving)
                view = View(view.buffer, view.offset, view.strides, moving)
            inputs = tuple(memo[id(i)] for i in x.inputs)
            memo[id(x)] = intern(Expr(x.op, inputs, x.dtype, view, x.param))
        return memo[id(expr)]

    whole_stored, stored = stored, {}
    stores = [Store(s.kind, s.view, moved(s.value), s.axes) for s in first.stores]
    stored = {b: memo[id(v)] for b, v in whole_stored.items()}
    stores += [Store(s.kind, s.view, moved(s.value), s.axes) for s in second.stores]
    return Loop(first.lengths, stores)


def _without_dead_stores(parts: list[Loop | Kernel], kept: set[Buffer]) -> list[Loop | Kernel]:
    """The kernels without stores that nobody reads, and without those that then do nothing."""
    live = set(kept)
    result: list[Loop | Kernel] = []
    for part in reversed(parts):
        if isinstance(part, Loop):
            stores = [s for s in part.stores if s.view.buffer in live]
            if not stores:
                continue
            part = part if len(stores) == len(part.stores) else Loop(part.lengths, stores)
        live |= _reads_of(part)
        result.append(part)
    return result[::-1]


# ---- the order of the axes --------------------------------------------------------------------


def arranged(loop: Loop) -> Loop:
    """The loop with the best axis innermost, and with neighbouring axes made one where possible."""
    loop = _best_innermost(loop)
    while True:
        pair = _joinable(loop)
        if pair is None:
            return loop
        loop = _axes_joined(loop, pair)


def _best_innermost(loop: Loop) -> Loop:
    count = len(loop.lengths)
    if count <= 2:
        return loop
    if any(store.axes for store in loop.stores):
        return loop
    scores = [0] * count
    for weight, views in ((2, loop.writes), (1, loop.reads)):
        for view in views:
            for axis, stride in enumerate(view.strides):
                if stride == 1 and loop.lengths[axis] > 1:
                    scores[axis] += weight
    best = max(range(1, count), key=lambda axis: (scores[axis], axis))
    if best == count - 1 or loop.lengths[best] < 4:
        return loop
    order = [i for i in range(count) if i != best] + [best]
    return _changed(
        loop,
        tuple(loop.lengths[i] for i in order),
        lambda strides: tuple(strides[i] for i in order),
        lambda axes: tuple(order.index(axis) for axis in axes),
    )


def _joinable(loop: Loop) -> int | None:
    """The first axis that can be made one with the next."""
    lengths = loop.lengths
    walks = [view.strides for view in (*loop.reads, *loop.writes)]
    walks += [expr.param[1] for expr in loop.expressions() if expr.op == "index"]
    for axis in range(len(lengths) - 1):
        if 1 not in lengths[axis : axis + 2] and any(
            (axis in store.axes) != (axis + 1 in store.axes) for store in loop.stores
        ):
            continue
        if all(
            lengths[axis + 1] == 1
            or lengths[axis] == 1
            or s[axis] == s[axis + 1] * lengths[axis + 1]
            for s in walks
        ):
            if axis == 0 and lengths[0] == 1 and _needs_one_row(loop):
                continue
            return axis
    return None


def _needs_one_row(loop: Loop) -> bool:
    """Whether threads must not share what lies behind a first axis of length 1."""
    return any(1 in store.axes or store.view.moving for store in loop.stores) or loop.is_sequential


def _axes_joined(loop: Loop, axis: int) -> Loop:
    lengths = loop.lengths
    keep = axis if lengths[axis + 1] == 1 else axis + 1
    joined = (*lengths[:axis], lengths[axis] * lengths[axis + 1], *lengths[axis + 2 :])

    def strides(old: tuple[int, ...]) -> tuple[int, ...]:
        return (*old[:axis], old[keep], *old[axis + 2 :])

    def axes(old: tuple[int, ...]) -> tuple[int, ...]:
        kept = [i for i in old if i not in (axis, axis + 1) or i == keep]
        return tuple(i if i <= axis else i - 1 for i in kept)

    return _changed(loop, joined, strides, axes)


def _changed(loop: Loop, lengths: tuple[int, ...], strides: Any, axes: Any) -> Loop:
    memo: dict[int, Expr] = {}
    stores: list[Store] = []
    for store in loop.stores:
        value = rewritten(store.value, memo, strides)
        moving = tuple((rewritten(m, memo, strides), s) for m, s in store.view.moving)
        view = View(store.view.buffer, store.view.offset, strides(store.view.strides), moving)
        stores.append(Store(store.kind, view, value, axes(store.axes)))
    return Loop(lengths, stores)
