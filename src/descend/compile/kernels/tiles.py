"""The kernel language of products and convolutions: loops, vectors and the register tile.

A product is computed tile by tile. A tile is a few rows times a few vectors of columns whose sums
stay in registers while k runs (`Emitter.multiply`); all else is the order in which tiles are
visited and where their operands lie. The order follows K. Goto and R. van de Geijn, "Anatomy of
high-performance matrix multiplication" (2008, doi:10.1145/1356052.1356053): the panel of columns in
the first-level cache, the block of rows in the second.

Kernels are text for LLVM with one function, ``void kernel(ptr buffers, ptr arguments, i64 begin,
i64 end, i64 first)``: operand k lies at ``buffers[arguments[2k]] + arguments[2k + 1]``.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir
import numpy as np

Value = Any
"""A value of the function in the making (llvmlite's are not typed)."""

Index = Any
"""A number of elements: an int where it is known, else a 64-bit value."""

I64 = ir.IntType(64)
POINTER = ir.PointerType()

UNROLL = 2
"""Steps of k in one turn of the innermost loop."""


@dataclass(frozen=True)
class Kernel:
    """A kernel, and what its caller must give it."""

    name: str
    """What it computes, in words that are the same for the same text."""
    emit: Callable[[], str] = field(repr=False, compare=False)
    """LLVM's text of it, which takes a while."""
    operands: tuple[str, ...]
    """The part that each operand plays, in the order of the arguments."""
    extent: int
    """The length of the leading axis, of which a call computes [begin, end)."""
    scratch: int = 0
    """Bytes of the operand "scratch", where there is one: one thread's, kept through a band."""
    block: int = 1
    """Parts of the leading axis whose length is a multiple of this waste nothing."""

    @property
    def text(self) -> str:
        """LLVM's text of it."""
        return self.emit()


@dataclass(frozen=True)
class Level:
    """One loop of a sum: its length, and how far a step moves in the operands (elements)."""

    count: Index
    a: int
    b: int


@lru_cache
def vector_bytes() -> int:
    """The bytes of a vector register of this processor."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx") else 16


@lru_cache
def registers() -> int:
    """The number of vector registers of this processor."""
    x86 = llvm.get_process_triple().startswith(("x86", "i386", "i686", "amd64"))
    return 16 if x86 and vector_bytes() < 64 else 32


def tile_rows(vectors: int) -> int:
    """How many rows a tile of this many vectors has: the most whose sums fit the registers."""
    # One register a vector of b, and one for the elements of a; more than 8 rows would
    # want more addresses than the processor has registers for.
    return max(1, min(8, (registers() - vectors - 1) // vectors))


def panels(columns: int, lanes: int, widest: int | None = None) -> list[tuple[int, int]]:
    """Columns cut into panels: (first column, vectors), the last with a part of a vector maybe."""
    usual = widest or (2 if registers() == 16 else 4)
    count = -(-columns // lanes)
    sizes = [usual] * (count // usual)
    if count % usual:
        sizes.append(count % usual)
    # A lone vector keeps the multipliers waiting for their own sums; three beside each other fit.
    if len(sizes) > 1 and usual == 2 and sizes[-1] == 1:
        sizes[-2:] = [3]
    starts = [lanes * sum(sizes[:i]) for i in range(len(sizes))]
    return list(zip(starts, sizes, strict=True))


class Emitter:
    """Emits a kernel's instructions: what there is to add to its function, and where.

    A kernel is planned before it is emitted, and not emitted if its machine code is known: so the
    function begins with `text`.
    """

    def __init__(self, dtype: Any, operands: Sequence[str]) -> None:
        self.dtype = np.dtype(dtype)
        self.itemsize = self.dtype.itemsize
        self.lanes = vector_bytes() // self.itemsize
        self.scalar = ir.FloatType() if self.itemsize == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.operands = tuple(operands)

    def text(self, body: Callable[[], None]) -> str:
        """The kernel whose instructions ``body`` emits."""
        self.module = ir.Module("kernel")
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I64, I64])
        self.function = ir.Function(self.module, kind, "kernel")
        self.b = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.buffers, self.arguments, self.begin, self.end, self.first = self.function.args
        body()
        self.b.ret_void()
        return str(self.module)

    # ---- numbers and addresses ----------------------------------------------------------------

    def index(self, x: Index) -> Value:
        """A number as a value."""
        return ir.Constant(I64, x) if isinstance(x, int) else x

    def add(self, x: Index, y: Index) -> Index:
        """x + y, known if both are."""
        if isinstance(x, int) and isinstance(y, int):
            return x + y
        if isinstance(y, int) and y == 0:
            return x
        if isinstance(x, int) and x == 0:
            return y
        return self.b.add(self.index(x), self.index(y))

    def subtract(self, x: Index, y: Index) -> Index:
        """x - y, known if both are."""
        if isinstance(x, int) and isinstance(y, int):
            return x - y
        return self.b.sub(self.index(x), self.index(y))

    def times(self, x: Index, y: int) -> Index:
        """x * y, known if x is."""
        if isinstance(x, int):
            return x * y
        return x if y == 1 else self.b.mul(x, self.index(y))

    def product(self, x: Index, y: Index) -> Index:
        """x * y, known if both are."""
        if isinstance(y, int):
            return self.times(x, y)
        return self.times(y, x) if isinstance(x, int) else self.b.mul(x, y)

    def divide(self, x: Index, y: int) -> tuple[Index, Index]:
        """x // y and x % y of a number not below 0."""
        if isinstance(x, int):
            return divmod(x, y)
        if y == 1:
            return x, 0
        quotient = self.b.udiv(x, self.index(y))
        return quotient, self.subtract(x, self.times(quotient, y))

    def least(self, x: Index, y: Index) -> Index:
        """The smaller one."""
        if isinstance(x, int) and isinstance(y, int):
            return min(x, y)
        x, y = self.index(x), self.index(y)
        return self.b.select(self.b.icmp_signed("<", x, y), x, y)

    def argument(self, k: int) -> Value:
        """Number k of the arguments."""
        return self.b.load(self.b.gep(self.arguments, [self.index(k)], source_etype=I64), typ=I64)

    def operand(self, role: str) -> Value:
        """Where the operand that plays this part lies."""
        k = self.operands.index(role)
        entry = self.b.gep(self.buffers, [self.argument(2 * k)], source_etype=I64)
        address = self.b.add(self.b.load(entry, typ=I64), self.argument(2 * k + 1))
        return self.b.inttoptr(address, POINTER)

    def at(self, pointer: Value, offset: Index) -> Value:
        """The address ``offset`` elements on."""
        if isinstance(offset, int) and offset == 0:
            return pointer
        return self.b.gep(pointer, [self.index(offset)], True, source_etype=self.scalar)

    # ---- loops --------------------------------------------------------------------------------

    def loop(
        self,
        start: Index,
        stop: Index,
        step: int,
        body: Callable[..., Any],
        carried: Sequence[Value] = (),
    ) -> list[Value]:
        """``for i in range(start, stop, step): carried = body(i, *carried)``; what comes out."""
        known = isinstance(start, int) and isinstance(stop, int)
        if known and start >= stop:
            return list(carried)
        if known and start + step >= stop:
            return list(body(start, *carried) or ())
        before = self.b.block
        inside = self.function.append_basic_block("loop")
        after = self.function.append_basic_block("after")
        start, stop = self.index(start), self.index(stop)
        if known:
            self.b.branch(inside)
        else:
            self.b.cbranch(self.b.icmp_signed("<", start, stop), inside, after)
        self.b.position_at_end(inside)
        i = self.b.phi(I64)
        i.add_incoming(start, before)
        phis = [self.b.phi(x.type) for x in carried]
        for phi, x in zip(phis, carried, strict=True):
            phi.add_incoming(x, before)
        new = list(body(i, *phis) or ())
        following = self.b.add(i, self.index(step))
        last = self.b.block
        i.add_incoming(following, last)
        for phi, x in zip(phis, new, strict=True):
            phi.add_incoming(x, last)
        self.b.cbranch(self.b.icmp_signed("<", following, stop), inside, after)
        self.b.position_at_end(after)
        results: list[Value] = []
        for x, y in zip(carried, new, strict=True):
            result = self.b.phi(x.type)
            result.add_incoming(y, last)
            if not known:
                result.add_incoming(x, before)
            results.append(result)
        return results

    def when(
        self, condition: Value, then: Callable[[], Any], *, likely: bool | None = None
    ) -> None:
        """``if condition: then()``."""
        with self.b.if_then(condition, likely):
            then()

    def compare(self, x: Index, relation: str, y: Index) -> Value:
        """Whether x is <, <=, ==, ... y, as a condition."""
        return self.b.icmp_signed(relation, self.index(x), self.index(y))

    # ---- vectors ------------------------------------------------------------------------------

    def vectors(self, lanes: int) -> Any:
        """The type of this many numbers side by side."""
        return ir.VectorType(self.scalar, lanes)

    def zero(self) -> Value:
        """A vector of zeros."""
        return ir.Constant(self.vector, None)

    def intrinsic(self, name: str, kind: Any, arity: int) -> Any:
        """A function of LLVM on numbers of one type."""
        letters = "f32" if self.itemsize == 4 else "f64"
        if isinstance(kind, ir.VectorType):
            letters = f"v{kind.count}{letters}"
        name = f"llvm.{name}.{letters}"
        found = self.module.globals.get(name)
        return found or ir.Function(self.module, ir.FunctionType(kind, [kind] * arity), name)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """X * y + z, rounded once where the processor can."""
        return self.b.call(self.intrinsic("fmuladd", x.type, 3), [x, y, z])

    def spread(self, x: Value, lanes: int | None = None) -> Value:
        """A vector with x in every lane."""
        kind = self.vectors(lanes or self.lanes)
        one = self.b.insert_element(ir.Constant(kind, ir.Undefined), x, self.index(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None)
        return self.b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)

    def shuffle(self, x: Value, y: Value | None, lanes: Sequence[int]) -> Value:
        """The lanes of x and y (counted on) that are listed."""
        i32 = ir.IntType(32)
        chosen = [ir.Constant(i32, i) for i in lanes]
        mask = ir.Constant(ir.VectorType(i32, len(chosen)), chosen)
        return self.b.shuffle_vector(x, ir.Constant(x.type, None) if y is None else y, mask)

    def load_scalar(self, pointer: Value) -> Value:
        """One number."""
        return self.b.load(pointer, align=self.itemsize, typ=self.scalar)

    def load(self, pointer: Value, width: int | None = None) -> Value:
        """A vector of the ``width`` numbers here, zeros behind them; nothing else is read."""
        width = self.lanes if width is None else width
        if width == self.lanes:
            return self.b.load(pointer, align=self.itemsize, typ=self.vector)
        y = self.zero()
        for start, size in _pieces(width):
            kind = self.vectors(size)
            part = self.b.load(self.at(pointer, start), align=self.itemsize, typ=kind)
            wide = self.shuffle(part, None, [*range(size), *[size] * (self.lanes - size)])
            places = [
                self.lanes + i - start if start <= i < start + size else i
                for i in range(self.lanes)
            ]
            y = self.shuffle(y, wide, places)
        return y

    def store(self, x: Value, pointer: Value, width: int | None = None) -> None:
        """The first ``width`` lanes of x to here; nothing else is written."""
        width = self.lanes if width is None else width
        if width == self.lanes:
            self.b.store(x, pointer, align=self.itemsize)
            return
        for start, size in _pieces(width):
            part = self.shuffle(x, None, range(start, start + size))
            self.b.store(part, self.at(pointer, start), align=self.itemsize)

    def total(self, x: Value) -> Value:
        """The sum of a vector's lanes, added in pairs."""
        lanes = x.type.count
        while lanes > 1:
            lanes //= 2
            low = self.shuffle(x, None, range(lanes))
            high = self.shuffle(x, None, range(lanes, 2 * lanes))
            x = self.b.fadd(low, high)
        return self.b.extract_element(x, self.index(0))

    def transposed(self, rows: list[Value]) -> list[Value]:
        """The columns of as many vectors as each has lanes."""
        lanes = len(rows)
        half = 1
        while half < lanes:
            new = list(rows)
            for i in range(lanes):
                if not i & half:
                    x, y = rows[i], rows[i + half]
                    low = [j if not j & half else lanes + j - half for j in range(lanes)]
                    high = [j + half if not j & half else lanes + j for j in range(lanes)]
                    new[i], new[i + half] = self.shuffle(x, y, low), self.shuffle(x, y, high)
            rows = new
            half *= 2
        return rows

    # ---- the tile -----------------------------------------------------------------------------

    def multiply(
        self,
        rows: Sequence[Value],
        panel: Value,
        vectors: int,
        levels: Sequence[Level],
        *,
        width: int | None = None,
    ) -> list[list[Value]]:
        """The sums over all levels of an element of a row times vectors of the panel.

        ``rows`` are the addresses of each row's first element; the last vector has ``width``
        elements.
        """
        levels = merged(levels)
        sums = [self.zero() for _ in range(len(rows) * vectors)]

        def step(a: Index, b: Index, sums: list[Value]) -> list[Value]:
            ends = [*[self.lanes] * (vectors - 1), width]
            place = self.at(panel, b)
            loaded = [self.load(self.at(place, j * self.lanes), end) for j, end in enumerate(ends)]
            new: list[Value] = []
            for i, row in enumerate(rows):
                element = self.spread(self.load_scalar(self.at(row, a)))
                old = sums[i * vectors : (i + 1) * vectors]
                new += [self.fma(element, x, y) for x, y in zip(loaded, old, strict=True)]
            return new

        def run(depth: int, a: Index, b: Index, sums: list[Value]) -> list[Value]:
            if depth == len(levels):
                return step(a, b, sums)
            level = levels[depth]

            def turn(a: Index, b: Index, times: int, sums: list[Value]) -> list[Value]:
                for u in range(times):
                    here = self.add(a, u * level.a), self.add(b, u * level.b)
                    sums = run(depth + 1, *here, sums)
                return sums

            known = isinstance(level.count, int)
            if known and level.count <= (2 * UNROLL if depth == len(levels) - 1 else 1):
                return turn(a, b, level.count, sums)
            unroll = UNROLL if depth == len(levels) - 1 else 1

            def body(i: Value, a: Value, b: Value, *sums: Value) -> list[Value]:
                new = turn(a, b, unroll, list(sums))
                return [self.add(a, unroll * level.a), self.add(b, unroll * level.b), *new]

            whole = self.subtract(level.count, self.divide(level.count, unroll)[1])
            a, b, *sums = self.loop(0, whole, unroll, body, [self.index(a), self.index(b), *sums])
            if known:
                return turn(a, b, level.count - whole, sums)
            unroll = 1
            return self.loop(whole, level.count, 1, body, [a, b, *sums])[2:]

        flat = run(0, 0, 0, sums)
        return [flat[i * vectors : (i + 1) * vectors] for i in range(len(rows))]

    def write(
        self,
        sums: list[list[Value]],
        rows: Sequence[Value],
        width: int,
        *,
        add: Value | bool = False,
    ) -> None:
        """A tile's sums to its rows, the last vector ``width`` elements wide.

        ``add`` says whether to add to what is there. Two rows may be one, with the same sums: all
        are read before any is written.
        """
        ends = [*[self.lanes] * (len(sums[0]) - 1), width]
        places = [(self.at(row, j * self.lanes), end) for row in rows for j, end in enumerate(ends)]
        new = [x for line in sums for x in line]
        if add is not False:
            old = [self.load(place, end) for place, end in places]
            if add is not True:
                old = [self.b.select(add, x, self.zero()) for x in old]
            new = [self.b.fadd(x, y) for x, y in zip(old, new, strict=True)]
        for x, (place, end) in zip(new, places, strict=True):
            self.store(x, place, end)

    def row_tiles(
        self,
        start: Index,
        stop: Index,
        height: int,
        body: Callable[[Index, int, Index | None], None],
    ) -> None:
        """``body(row, rows, valid)`` for tiles that cover [start, stop).

        ``valid`` says how many rows are there, at least 1 and maybe more than a tile's; None: all.
        """
        if isinstance(start, int) and isinstance(stop, int):
            for first, count, size in even_tiles(stop - start, height):
                begin = start + first
                self.loop(begin, begin + count * size, size, lambda i, n=size: body(i, n, None))
            return
        half = height // 2
        if half < 2:
            self.loop(start, stop, height, lambda i: body(i, height, self.subtract(stop, i)))
            return
        last = self.subtract(stop, half)
        self.loop(start, last, height, lambda i: body(i, height, self.subtract(stop, i)))
        # A last tile of few rows costs half.
        tiles = self.b.udiv(
            self.add(self.subtract(stop, start), height - 1 - half), self.index(height)
        )
        middle = self.add(start, self.times(tiles, height))
        few = self.compare(middle, "<", stop)
        self.when(few, lambda: body(middle, half, self.subtract(stop, middle)))


def even_tiles(count: int, height: int) -> list[tuple[int, int, int]]:
    """Rows cut into tiles of at most ``height``, at most two sizes: (first, tiles, size)."""
    tiles = -(-count // height)
    if tiles == 0:
        return []
    size, larger = divmod(count, tiles)
    groups = [(0, larger, size + 1), (larger * (size + 1), tiles - larger, size)]
    return [group for group in groups if group[1]]


def _pieces(width: int) -> list[tuple[int, int]]:
    """A width as powers of two, the largest first: (start, size)."""
    pieces: list[tuple[int, int]] = []
    start = 0
    while start < width:
        size = 1 << ((width - start).bit_length() - 1)
        pieces.append((start, size))
        start += size
    return pieces


def merged(levels: Sequence[Level]) -> list[Level]:
    """The same sum with fewer loops: no lone steps, and loops that only go on made one."""
    loops: list[Level] = []
    for level in levels:
        if isinstance(level.count, int) and level.count == 1:
            continue
        if loops and isinstance(level.count, int) and isinstance(loops[-1].count, int):
            outer = loops[-1]
            if (level.a * level.count, level.b * level.count) == (outer.a, outer.b):
                loops[-1] = Level(outer.count * level.count, level.a, level.b)
                continue
        loops.append(level)
    return loops
