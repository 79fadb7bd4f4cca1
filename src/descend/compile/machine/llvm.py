"""Loops as LLVM's text: explicit vectors along the innermost axis.

A kernel is ``void kernel(ptr buffers, ptr arguments, i64 begin, i64 end, i64 first)``: operand k
lies at address buffers[arguments[2k]] plus arguments[2k + 1] bytes, and [begin, end) is the range
of the first axis. What does not vary along an axis is computed outside of its loop.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false, reportUnknownLambdaType=false
# (llvmlite has no types)

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir

from descend.compile.elementary import table as elementary
from descend.compile.machine.loops import Expr, Loop, Store, View
from descend.compile.machine.operations import BOOL, TYPES, Value, apply, cast, number

I8, I64 = ir.IntType(8), ir.IntType(64)
POINTER = ir.PointerType()
SIGNATURE = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I64, I64])
VECTOR_BYTES = 64
"""The bytes of one vector: two registers of AVX2, so that two chains of operations overlap."""


def emit(loop: Loop) -> str:
    """The module of one kernel, named ``kernel``, as text."""
    return str(_Kernel(loop).module)


class _Kernel:
    """The state while one loop is emitted."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.last = len(loop.lengths) - 1
        self.module = ir.Module("kernel")
        self.function = ir.Function(self.module, SIGNATURE, "kernel")
        buffers, arguments, self.begin, self.end, _ = self.function.args
        self.builder: Any = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.depths: dict[int, int] = {}
        self.at_depth: dict[int, list[Expr]] = {}
        for expr in loop.expressions:
            self.depths[id(expr)] = depth = self._depth(expr)
            self.at_depth.setdefault(depth, []).append(expr)
        self.pairs: dict[Any, Value] = {}
        """What was loaded whole at the current index, by where it lies."""
        self.lanes = self._lanes()
        self.pointers = {
            buffer: self._operand(buffers, arguments, k) for k, buffer in enumerate(loop.buffers)
        }
        self.accumulators = {
            i: self._accumulator(store)
            for i, store in enumerate(loop.stores)
            if self._run(store) <= self.last
        }
        self.indices: list[Value] = []
        self.values: dict[int, Value] = {}
        self._emit_values(-1, 1)
        self._level(0)
        self.builder.ret_void()

    # ---- what varies where ------------------------------------------------------------------

    def _depth(self, expr: Expr) -> int:
        """The innermost axis along which a value varies, -1 if none."""
        depths = [self.depths[id(x)] for x in expr.inputs]
        if expr.view is not None:
            depths.append(_innermost(expr.view.strides))
            depths += [self.depths[id(x)] for x, _ in expr.view.moving]
        elif expr.op == "index":
            depths.append(_innermost(expr.param[1]))
        return max(depths, default=-1)

    def _run(self, store: Store) -> int:
        """The first of the reduced axes that end the index space; the number of axes if none."""
        first = self.last + 1
        while first - 1 in store.axes:
            first -= 1
        return first

    def _lanes(self) -> int:
        """How many elements of the innermost axis go together."""
        last = self.last
        unit = other = 0
        for view in (*self.loop.reads, *self.loop.writes):
            stride = view.strides[last]
            if _is_half(view):  # of pairs that are loaded whole
                unit += 1
            elif stride not in (0, 1) or self._varies(view):
                other += 1
            else:
                unit += stride
        inner = self.at_depth.get(last, [])
        written = {view.buffer for view in self.loop.writes}
        ordered = any(view.buffer in written for view in self.loop.reads) or any(
            store.kind == "add" and self._varies(store.view) for store in self.loop.stores
        )
        heavy = any(expr.op in elementary.ELEMENTARY for expr in inner)
        if self.loop.lengths == (1,) or ordered or (other > unit and not heavy):
            return 1
        widest = max((expr.dtype.itemsize for expr in inner), default=4)
        lanes = VECTOR_BYTES // max(widest, 4)
        if last > 0:
            while lanes > max(self.loop.lengths[last], 1):
                lanes //= 2
        return lanes

    # ---- loops ------------------------------------------------------------------------------

    def _operand(self, buffers: Value, arguments: Value, k: int) -> Value:
        """The address of the kernel's k-th buffer."""
        b = self.builder
        number = b.load(b.gep(arguments, [I64(2 * k)], source_etype=I64), typ=I64)
        offset = b.load(b.gep(arguments, [I64(2 * k + 1)], source_etype=I64), typ=I64)
        address = b.load(b.gep(buffers, [number], source_etype=I64), typ=I64)
        return b.inttoptr(b.add(address, offset), POINTER)

    def _accumulator(self, store: Store) -> tuple[Value, Value]:
        """Memory for a running sum, a vector and a scalar; it ends up in registers."""
        kind = TYPES[store.value.dtype.name]
        vector = ir.VectorType(kind, self.lanes) if self.lanes > 1 else kind
        return self.builder.alloca(vector), self.builder.alloca(kind)

    def _level(self, axis: int) -> None:
        """The loop over one axis, and everything inside."""
        self._start_sums(axis)
        length = self.loop.lengths[axis]
        low, high = (self.begin, self.end) if axis == 0 else (I64(0), I64(length))
        if axis == self.last:
            self._innermost(low, high, length if axis else None)
        else:
            with self._loop(low, high, 1):
                self._emit_values(axis, 1)
                self._level(axis + 1)
        self._finish_sums(axis)

    def _innermost(self, low: Value, high: Value, length: int | None) -> None:
        """The vectors of the innermost axis, then what is left of it."""
        b, lanes = self.builder, self.lanes
        if lanes == 1:
            with self._loop(low, high, 1):
                self._body(1)
            return
        if length is None:
            count = b.sub(high, low)
            middle = b.add(low, b.and_(count, I64(-lanes)))
            with self._loop(low, middle, lanes):
                self._body(lanes)
            with self._loop(middle, high, 1):
                self._body(1)
            return
        done = length - length % lanes
        if done:
            with self._loop(low, I64(done), lanes):
                self._body(lanes)
        rest = lanes
        while done < length:
            rest //= 2
            if length - done >= rest:
                self.indices.append(I64(done))
                self._body(rest)
                self.indices.pop()
                done += rest

    @contextmanager
    def _loop(self, low: Value, high: Value, step: int) -> Generator[None]:
        """A loop whose index is appended to ``indices``."""
        b = self.builder
        before = b.block
        head = b.append_basic_block("loop")
        body = b.append_basic_block("body")
        after = b.append_basic_block("after")
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(low, before)
        b.cbranch(b.icmp_signed("<", index, high), body, after)
        b.position_at_end(body)
        self.indices.append(index)
        yield
        self.indices.pop()
        index.add_incoming(b.add(index, I64(step), flags=["nsw"]), b.block)
        b.branch(head)
        b.position_at_end(after)

    # ---- reductions -------------------------------------------------------------------------

    def _start_sums(self, axis: int) -> None:
        for i, store in enumerate(self.loop.stores):
            if i in self.accumulators and self._run(store) == axis:
                start = _identity(store.kind, store.value.dtype)
                vector, scalar = self.accumulators[i]
                kind = TYPES[store.value.dtype.name]
                whole = ir.VectorType(kind, self.lanes) if self.lanes > 1 else kind
                self.builder.store(number(whole, start), vector)
                self.builder.store(number(kind, start), scalar)

    def _finish_sums(self, axis: int) -> None:
        for i, store in enumerate(self.loop.stores):
            if i in self.accumulators and self._run(store) == axis:
                vector, scalar = self.accumulators[i]
                kind = TYPES[store.value.dtype.name]
                total = self.builder.load(scalar, typ=kind)
                if self.lanes > 1:
                    whole = self.builder.load(vector, typ=ir.VectorType(kind, self.lanes))
                    total = self._combine(store, total, self._across(store, whole))
                self._write_sum(store, total)

    def _write_sum(self, store: Store, value: Value) -> None:
        """A finished sum into memory, on top of what is there where an outer axis is summed too.

        The outermost axis comes in several calls, each with a part of its rows.
        """
        place = self._pointer(store.view, 1)
        dtype = store.view.buffer.dtype
        if 0 in store.axes or any(axis < self._run(store) for axis in store.axes):
            old = self._load(place, dtype, 1)
            value = self._combine(store, old, value)
        self._store(value, place, dtype, 1)

    def _across(self, store: Store, vector: Value) -> Value:
        """All lanes of a vector in one, halves first: the order depends on nothing else."""
        b = self.builder
        lanes = vector.type.count
        while lanes > 1:
            half = lanes // 2
            low, high = (
                b.shuffle_vector(vector, vector, _lanes_of(range(start, start + half)))
                for start in (0, half)
            )
            vector = self._combine(store, low, high)
            lanes = half
        return b.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    def _combine(self, store: Store, x0: Value, x1: Value) -> Value:
        name = {"sum": "add", "add": "add", "max": "maximum", "min": "minimum"}.get(store.kind)
        if name is None:
            name = "bitwise_or" if store.kind == "any" else "bitwise_and"
        return apply(self.builder, name, store.value.dtype, [x0, x1])

    # ---- values -----------------------------------------------------------------------------

    def _emit_values(self, depth: int, lanes: int) -> None:
        """Compute what varies along this axis and no inner one."""
        for expr in self.at_depth.get(depth, []):
            self.values[id(expr)] = self._computed(expr, lanes)

    def _body(self, lanes: int) -> None:
        """Everything that happens at one index of the whole space, or at ``lanes`` in a row."""
        self.pairs.clear()
        self._emit_values(self.last, lanes)
        others = self._other_halves() if lanes > 1 else {}
        for i, store in enumerate(self.loop.stores):
            value = self._wide(store.value, lanes)
            if i in others.values():
                continue
            if i in others:
                other = self._wide(self.loop.stores[others[i]].value, lanes)
                self._write_pairs(store.view, value, other, lanes)
            elif store.kind == "store":
                self._write(store.view, value, lanes)
            elif i in self.accumulators:
                vector, scalar = self.accumulators[i]
                if lanes < self.lanes and lanes > 1:
                    value = self._across(store, value)
                place = vector if lanes == self.lanes and lanes > 1 else scalar
                old = self.builder.load(place, typ=value.type)
                self.builder.store(self._combine(store, old, value), place)
            else:
                old = self._read(store.view, lanes)
                self._write(store.view, self._combine(store, old, value), lanes)

    def _computed(self, expr: Expr, lanes: int) -> Value:
        if expr.op == "load":
            assert expr.view is not None
            return self._read(expr.view, lanes)
        if expr.op == "constant":
            return number(TYPES[expr.dtype.name], expr.param)
        if expr.op == "index":
            return self._index(expr, lanes)
        operands = [self._wide(x, lanes) for x in expr.inputs]
        if expr.op == "cast":
            return cast(self.builder, operands[0], expr.inputs[0].dtype, expr.dtype)
        if expr.op == "where":
            return self.builder.select(*operands)
        return apply(self.builder, expr.op, expr.inputs[0].dtype, operands)

    def _wide(self, expr: Expr, lanes: int) -> Value:
        value = self.values[id(expr)]
        if lanes == 1 or isinstance(value.type, ir.VectorType):
            return value
        return self._splat(value, lanes)

    def _splat(self, value: Value, lanes: int) -> Value:
        if isinstance(value, ir.Constant):
            return ir.Constant(ir.VectorType(value.type, lanes), [value.constant] * lanes)
        b = self.builder
        kind = ir.VectorType(value.type, lanes)
        one = b.insert_element(ir.Constant(kind, ir.Undefined), value, _lane(0))
        return b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), _lanes_of([0] * lanes))

    def _index(self, expr: Expr, lanes: int) -> Value:
        offset, strides = expr.param
        b = self.builder
        value: Value = I64(offset)
        for axis, stride in enumerate(strides):
            if stride:
                value = b.add(value, b.mul(self.indices[axis], I64(stride)))
        if lanes > 1:
            steps = [strides[-1] * lane for lane in range(lanes)]
            value = b.add(self._splat(value, lanes), ir.Constant(ir.VectorType(I64, lanes), steps))
        return cast(b, value, np.dtype(np.int64), expr.dtype)

    # ---- memory -----------------------------------------------------------------------------

    def _offset(self, view: View) -> Value:
        """The place of a view at the current index (its first lane), in elements."""
        b = self.builder
        place: Value = I64(view.offset - self.loop.starts[view.buffer])
        for axis, stride in enumerate(view.strides):
            if stride and axis < len(self.indices):
                index = self.indices[axis]
                step = index if stride == 1 else b.mul(index, I64(stride), flags=["nsw"])
                place = b.add(place, step, flags=["nsw"])
        return place

    def _pointer(self, view: View, lanes: int, moved: Value | None = None) -> Value:
        b = self.builder
        place = self._offset(view)
        if moved is not None:
            place = b.add(place, moved)
        elif view.moving:
            place = b.add(place, self._moved(view, 1))
        kind = _memory_type(view.buffer.dtype)
        return b.gep(self.pointers[view.buffer], [place], source_etype=kind)

    def _moved(self, view: View, lanes: int) -> Value:
        """What is looked up of a view's place."""
        b = self.builder
        total = None
        for expr, stride in view.moving:
            value = cast(b, self._wide(expr, lanes), expr.dtype, np.dtype(np.int64))
            part = b.mul(value, number(value.type, stride))
            total = part if total is None else b.add(total, part)
        assert total is not None
        return total

    def _varies(self, view: View) -> bool:
        """Whether a view's looked-up part differs from lane to lane."""
        return any(self.depths[id(x)] == self.last for x, _ in view.moving)

    def _read(self, view: View, lanes: int) -> Value:
        dtype = view.buffer.dtype
        stride = view.strides[-1]
        if lanes == 1 or (stride == 1 and not self._varies(view)):
            return self._load(self._pointer(view, lanes), dtype, lanes)
        if stride == 0 and not self._varies(view):
            return self._splat(self._load(self._pointer(view, 1), dtype, 1), lanes)
        if _is_half(view):
            return self._half(view, lanes)
        b = self.builder
        result: Value = ir.Constant(ir.VectorType(TYPES[dtype.name], lanes), ir.Undefined)
        for lane, pointer in enumerate(self._each(view, lanes)):
            result = b.insert_element(result, self._load(pointer, dtype, 1), _lane(lane))
        return result

    def _write(self, view: View, value: Value, lanes: int) -> None:
        dtype = view.buffer.dtype
        stride = view.strides[-1]
        if lanes == 1 or (stride == 1 and not self._varies(view)):
            self._store(value, self._pointer(view, lanes), dtype, lanes)
            return
        for lane, pointer in enumerate(self._each(view, lanes)):
            self._store(self.builder.extract_element(value, _lane(lane)), pointer, dtype, 1)

    def _half(self, view: View, lanes: int) -> Value:
        """The first or the second of each pair, out of one load of both."""
        half = view.offset % 2
        key = (view.buffer, view.offset - half, view.strides)
        if key not in self.pairs:
            whole = View(view.buffer, view.offset - half, view.strides)
            pointer = self._pointer(whole, lanes)
            self.pairs[key] = self._load(pointer, view.buffer.dtype, 2 * lanes)
        both = self.pairs[key]
        return self.builder.shuffle_vector(both, both, _lanes_of(range(half, 2 * lanes, 2)))

    def _other_halves(self) -> dict[int, int]:
        """For each store of the first of pairs the store of the second, if there is one."""
        stores = [
            (i, store.view)
            for i, store in enumerate(self.loop.stores)
            if store.kind == "store" and _is_half(store.view)
        ]
        seconds = {(x.buffer, x.offset, x.strides): i for i, x in stores if x.offset % 2}
        found = {i: seconds.get((x.buffer, x.offset + 1, x.strides)) for i, x in stores}
        return {i: j for i, j in found.items() if j is not None}

    def _write_pairs(self, view: View, first: Value, second: Value, lanes: int) -> None:
        """Both of each pair side by side."""
        order = [place for lane in range(lanes) for place in (lane, lanes + lane)]
        both = self.builder.shuffle_vector(first, second, _lanes_of(order))
        self._store(both, self._pointer(view, lanes), view.buffer.dtype, 2 * lanes)

    def _each(self, view: View, lanes: int) -> list[Value]:
        """The place of each lane, where they do not lie side by side."""
        b = self.builder
        stride = view.strides[-1]
        kind = _memory_type(view.buffer.dtype)
        start = self._offset(view)
        moved = self._moved(view, lanes) if self._varies(view) else None
        if moved is None and view.moving:
            start = b.add(start, self._moved(view, 1))
        places: list[Value] = []
        for lane in range(lanes):
            place = b.add(start, I64(stride * lane))
            if moved is not None:
                place = b.add(place, b.extract_element(moved, _lane(lane)))
            places.append(b.gep(self.pointers[view.buffer], [place], source_etype=kind))
        return places

    def _load(self, pointer: Value, dtype: np.dtype[Any], lanes: int) -> Value:
        kind = _memory_type(dtype)
        whole = ir.VectorType(kind, lanes) if lanes > 1 else kind
        value = self.builder.load(pointer, align=dtype.itemsize, typ=whole)
        if dtype == BOOL:
            value = self.builder.icmp_unsigned("!=", value, number(whole, 0))
        return value

    def _store(self, value: Value, pointer: Value, dtype: np.dtype[Any], lanes: int) -> None:
        if dtype == BOOL:
            whole = ir.VectorType(I8, lanes) if lanes > 1 else I8
            value = self.builder.zext(value, whole)
        self.builder.store(value, pointer, align=dtype.itemsize)


def _is_half(view: View) -> bool:
    """Whether a view has one of each pair of neighbours: the parts of complex numbers.

    Pairs lie inside of the buffer as a whole, so the other ones may be touched as well.
    """
    paired = view.strides[-1] == 2 and not any(stride % 2 for stride in view.strides)
    whole = view.buffer.shape[-1:] == (2,) and view.buffer.dtype.kind == "f"
    return paired and whole and not view.moving


def _innermost(strides: tuple[int, ...]) -> int:
    return max((axis for axis, stride in enumerate(strides) if stride), default=-1)


def _memory_type(dtype: np.dtype[Any]) -> ir.Type:
    return I8 if dtype == BOOL else TYPES[dtype.name]


def _lane(i: int) -> ir.Constant:
    return ir.Constant(ir.IntType(32), i)


def _lanes_of(numbers: Any) -> ir.Constant:
    numbers = list(numbers)
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), numbers)


def _identity(kind: str, dtype: np.dtype[Any]) -> Any:
    """What a reduction begins with."""
    if kind in ("sum", "any"):
        return 0
    if kind == "all":
        return 1
    if dtype.kind == "f":
        return -np.inf if kind == "max" else np.inf
    if dtype == BOOL:
        return kind == "min"
    limits = np.iinfo(dtype)
    return limits.min if kind == "max" else limits.max
