"""Kernels for matrix products, batched and of any strides: c = a @ b or c += a @ b.

A product of matrices is computed in register tiles (`tiles.Emitter.multiply`), one with a vector by
a loop that reads the matrix once, in the order of its memory.

Of b, one panel of columns after another is packed, so that the tiles below each other read it from
the first-level cache; the first of them packs while it computes. a is read where it lies: a tile
reads few of its rows, and each but once.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false, reportUnknownLambdaType=false

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import llvmlite.ir as ir
import numpy as np

from descend.compile.kernels.tiles import Emitter, Index, Kernel, Level, Value, panels, tile_rows

DTYPES = ("float32", "float64")

PANEL_BYTES = 24 * 1024
"""The most of a panel of b that is multiplied at once: it stays in the first-level cache."""

BLOCK_BYTES = 192 * 1024
"""The most of a that is multiplied with all panels in turn: it stays in the second-level cache."""


@dataclass(frozen=True)
class MatmulSpec:
    """A product of matrices, its strides counted in elements."""

    dtype: str
    rows: int
    inner: int
    columns: int
    a: tuple[int, int]
    """The strides of a along the rows and along k."""
    b: tuple[int, int]
    """The strides of b along k and along the columns."""
    c: int
    """The stride of c along the rows; its columns lie side by side."""
    batch: tuple[tuple[int, int, int, int], ...] = ()
    """For each leading axis its length and its strides in a, b and c, 0 where one broadcasts."""
    cut: str = "rows"
    """What [begin, end) goes over: "rows" (of each matrix), "batch" (its first axis), "inner" (k).
    """
    accumulate: bool = False
    """Whether the product is added to c."""
    keep: bool = False
    """Whether a band calls the kernel for many blocks with one b, which is packed only once."""
    packed: bool = field(default=False, repr=False)
    """Whether scratch has b already, from a kept product of the same dtype, inner and b."""


def supports(spec: MatmulSpec) -> bool:
    """Whether there is a kernel for it."""
    cut = spec.cut in ("rows", "inner") or (spec.cut == "batch" and bool(spec.batch))
    return spec.dtype in DTYPES and cut


def matmul(spec: MatmulSpec) -> Kernel:
    """The kernel: operands "a", "b", "c", and "scratch" if it needs some."""
    extent = {"rows": spec.rows, "inner": spec.inner}.get(spec.cut) or spec.batch[0][0]
    merged, unit = _merged(spec)
    product = _Product(merged, unit)
    return Kernel(
        f"{spec} packed" if spec.packed else f"{spec}",
        lambda: product.e.text(product.emit),
        product.e.operands,
        extent,
        product.scratch * product.e.itemsize,
        max(1, product.height // unit),
    )


def _merged(spec: MatmulSpec) -> tuple[MatmulSpec, int]:
    """The same product with a batch axis made rows if b is one for all; rows a unit of the cut."""
    if spec.cut != "batch" or len(spec.batch) != 1:
        return spec, 1
    _, a, b, c = spec.batch[0]
    if b or a != spec.rows * spec.a[0] or c != spec.rows * spec.c:
        return spec, 1
    rows = spec.batch[0][0] * spec.rows
    return replace(spec, batch=(), rows=rows, cut="rows"), spec.rows


class _Product:
    """One kernel in the making."""

    def __init__(self, spec: MatmulSpec, unit: int) -> None:
        self.spec = spec
        self.unit = unit
        lanes = Emitter(spec.dtype, ()).lanes
        itemsize = np.dtype(spec.dtype).itemsize
        self.panels = panels(spec.columns, lanes)
        self.height = min(tile_rows(self.panels[0][1]), spec.rows)
        widest = max(vectors for _, vectors in self.panels) * lanes
        self.padded = self.panels[-1][0] + self.panels[-1][1] * lanes
        blocks = -(-spec.inner * 2 * lanes * itemsize // PANEL_BYTES)
        self.depth = -(-spec.inner // (4 * blocks)) * 4
        # Blocks of one length make a shorter kernel.
        even = [n for n in range(blocks, 2 * blocks) if spec.inner % n == 0]
        if even:
            self.depth = spec.inner // even[0]
        rows = BLOCK_BYTES // (self.depth * itemsize)
        self.block = max(1, rows // self.height) * self.height
        self.direct = spec.b[1] == 1 and spec.b[0] <= 2 * lanes and spec.columns % lanes == 0
        self.keep = spec.keep and spec.cut == "rows" and not spec.batch
        self.vector = _vector_product(spec)
        self.in_blocks = spec.rows > self.block
        self.scratch = self.depth * widest
        if self.in_blocks:
            self.scratch = self.depth * self.padded
        if self.keep:
            self.scratch = spec.inner * self.padded
        if self.direct or self.vector is not None:
            self.scratch = 0
        roles = ("a", "b", "c", "scratch") if self.scratch else ("a", "b", "c")
        self.e = Emitter(spec.dtype, roles)

    def emit(self) -> None:
        """The whole kernel."""
        e, spec = self.e, self.spec
        a, b, c = e.operand("a"), e.operand("b"), e.operand("c")
        self.memory = e.operand("scratch") if self.scratch else None
        rows: tuple[Index, Index] = (0, spec.rows)
        inner: tuple[Index, Index] = (0, spec.inner)
        if spec.cut == "rows":
            rows = (e.times(e.begin, self.unit), e.times(e.end, self.unit))
        if spec.cut == "inner":
            inner = (e.begin, e.end)

        def each(axis: int, a: Value, b: Value, c: Value) -> None:
            if axis == len(spec.batch):
                self.product(a, b, c, rows, inner)
                return
            length, *strides = spec.batch[axis]
            start, stop = (e.begin, e.end) if axis == 0 and spec.cut == "batch" else (0, length)

            def body(i: Index) -> None:
                moved = zip((a, b, c), strides, strict=True)
                each(axis + 1, *(e.at(x, e.times(i, stride)) for x, stride in moved))

            e.loop(start, stop, 1, body)

        each(0, a, b, c)

    def product(
        self,
        a: Value,
        b: Value,
        c: Value,
        rows: tuple[Index, Index],
        inner: tuple[Index, Index],
    ) -> None:
        """One matrix product: blocks of rows, of k, panels of columns, tiles of rows."""
        e, spec = self.e, self.spec
        if self.vector is not None:
            self.times_vector(self.vector, a, b, c, rows, inner)
            return

        def depth(k: Index) -> None:
            count: Index = self.depth
            if spec.inner % self.depth or spec.cut == "inner":
                count = e.least(e.subtract(inner[1], k), self.depth)
            add: Any = True
            if not spec.accumulate:
                add = e.compare(k, ">", inner[0]) if spec.inner > self.depth else False

            def block(start: Index) -> None:
                packing: list[Value] = []
                stop = rows[1]
                if self.keep and not spec.packed:
                    packing.append(e.compare(e.first, "!=", 0))
                if self.in_blocks and not spec.packed:
                    packing.append(e.compare(start, "==", rows[0]))
                if self.in_blocks:
                    stop = e.least(e.add(start, self.block), stop)
                condition = None
                for one in packing:
                    condition = one if condition is None else e.b.and_(condition, one)
                self.blocks(a, b, c, (start, stop), (k, count), add, condition)

            if self.in_blocks:
                e.loop(rows[0], rows[1], self.block, block)
            else:
                block(rows[0])

        if spec.inner > self.depth:
            e.loop(inner[0], inner[1], self.depth, depth)
        else:
            depth(inner[0])

    def blocks(
        self,
        a: Value,
        b: Value,
        c: Value,
        rows: tuple[Index, Index],
        inner: tuple[Index, Index],
        add: Any,
        packing: Value | None,
    ) -> None:
        """A block of rows times the rows [k, k + count) of b, panel by panel.

        ``packing`` says whether the panels are still to be packed; None: each time.
        """
        e, spec = self.e, self.spec
        k, count = inner
        a = e.at(a, e.times(k, spec.a[1]))
        b = e.at(b, e.times(k, spec.b[0]))
        lanes = e.lanes
        for start, stop, vectors, width in panel_groups(self.panels, spec.columns, lanes):

            def panel(j: Index, vectors: int = vectors, width: int = width) -> None:
                source = e.at(b, e.times(j, spec.b[1]))
                wide = vectors * lanes
                if self.direct:
                    level = Level(count, spec.a[1], spec.b[0])
                    self.tiles(a, c, source, level, j, rows, vectors, width, add)
                    return
                place = self.memory
                if self.keep:
                    place = e.at(place, e.times(k, self.padded))
                if self.keep or self.in_blocks:
                    place = e.at(place, e.product(j, count))
                level = Level(count, spec.a[1], wide)
                if packing is not None:
                    e.when(packing, lambda: self.pack(place, source, count, vectors, width))
                elif not spec.packed:
                    self.pack(place, source, count, vectors, width)
                self.tiles(a, c, place, level, j, rows, vectors, width, add)

            e.loop(start, stop, vectors * lanes, panel)

    def tiles(
        self,
        a: Value,
        c: Value,
        panel: Value,
        level: Level,
        column: Index,
        rows: tuple[Index, Index],
        vectors: int,
        width: int,
        add: Any,
    ) -> None:
        """All rows of a block times one panel."""
        e, spec = self.e, self.spec
        c = e.at(c, column)

        def tile(i: Index, height: int, valid: Index | None) -> None:
            offsets = [self.row(i, r, valid) for r in range(height)]
            here, there = e.at(a, e.times(i, spec.a[0])), e.at(c, e.times(i, spec.c))
            sources = [e.at(here, e.times(r, spec.a[0])) for r in offsets]
            sums = e.multiply(sources, panel, vectors, [level])
            e.write(sums, [e.at(there, e.times(r, spec.c)) for r in offsets], width, add=add)

        e.row_tiles(*rows, min(tile_rows(vectors), spec.rows), tile)

    def row(self, i: Index, r: int, valid: Index | None) -> Index:
        """Row r of a tile, or the last one that is there."""
        if valid is None or r == 0:
            return r
        return self.e.least(r, self.e.subtract(valid, 1))

    def pack(self, panel: Value, source: Value, count: Index, vectors: int, width: int) -> None:
        """A panel's columns of b, side by side, zeros behind them."""
        e = self.e
        lanes, wide = e.lanes, vectors * e.lanes
        k_stride, stride = self.spec.b
        columns = (vectors - 1) * lanes + width

        def one(k: Index) -> None:
            place = e.at(panel, e.times(k, wide))
            row = e.at(source, e.times(k, k_stride))
            for j in range(columns // lanes, vectors):
                e.store(e.zero(), e.at(place, j * lanes))

            def element(j: Index) -> None:
                x = e.load_scalar(e.at(row, e.times(j, stride)))
                e.b.store(x, e.at(place, j), align=e.itemsize)

            e.loop(0, columns, 1, element)

        if stride == 1:

            def line(k: Index) -> None:
                row, place = e.at(source, e.times(k, k_stride)), e.at(panel, e.times(k, wide))
                for j in range(vectors):
                    x = e.load(e.at(row, j * lanes), width if j == vectors - 1 else None)
                    e.store(x, e.at(place, j * lanes))

            e.loop(0, count, 1, line)
            return
        whole: Index = 0
        if k_stride == 1:
            whole = e.subtract(count, e.divide(count, lanes)[1])

            def square(k: Index, j: Index, there: int) -> None:
                line = e.at(e.at(source, k), e.times(j, stride))
                loaded = [e.load(e.at(line, i * stride)) for i in range(there)]
                loaded += [e.zero()] * (lanes - there)
                place = e.at(e.at(panel, e.times(k, wide)), j)
                for i, x in enumerate(e.transposed(loaded)):
                    e.store(x, e.at(place, i * wide))

            def squares(k: Index) -> None:
                full = columns // lanes * lanes
                e.loop(0, full, lanes, lambda j: square(k, j, lanes))
                if columns > full:
                    square(k, full, columns - full)

            e.loop(0, whole, lanes, squares)
        e.loop(whole, count, 1, one)

    # ---- products with a vector ---------------------------------------------------------------

    def times_vector(
        self,
        product: _VectorProduct,
        a: Value,
        b: Value,
        c: Value,
        rows: tuple[Index, Index],
        inner: tuple[Index, Index],
    ) -> None:
        """A matrix times a vector: each element of the matrix is read once, in its order."""
        e = self.e
        count = e.subtract(inner[1], inner[0])
        matrix, vector = (a, b) if product.lines_are_rows else (b, a)
        matrix = e.at(matrix, e.times(inner[0], product.matrix[1]))
        vector = e.at(vector, e.times(inner[0], product.vector))
        run = self.dots if product.matrix[1] == 1 else self.combination
        if product.lines_are_rows:
            run(product, matrix, vector, c, rows, count)
        else:
            lines = (0, self.spec.columns)
            e.loop(*rows, 1, lambda _: run(product, matrix, vector, c, lines, count))

    def dots(
        self,
        product: _VectorProduct,
        matrix: Value,
        vector: Value,
        c: Value,
        lines: tuple[Index, Index],
        count: Index,
    ) -> None:
        """Each line of the matrix, contiguous, times the vector."""
        e = self.e
        whole, left = e.divide(count, e.lanes)
        whole = e.times(whole, e.lanes)

        def tile(i: Index, height: int, valid: Index | None) -> None:
            starts = [e.add(i, self.row(i, r, valid)) for r in range(height)]
            rows = [e.at(matrix, e.times(start, product.matrix[0])) for start in starts]

            def step(k: Index, *sums: Value, width: int | None = None) -> list[Value]:
                x = e.load(e.at(vector, k), width)
                loaded = [e.load(e.at(row, k), width) for row in rows]
                return [e.fma(y, x, z) for y, z in zip(loaded, sums, strict=True)]

            sums = e.loop(0, whole, e.lanes, step, [e.zero()] * height)
            if isinstance(left, int) and left:
                sums = step(whole, *sums, width=left)
            totals = [e.total(x) for x in sums]

            def one(k: Index, *totals: Value) -> list[Value]:
                x = e.load_scalar(e.at(vector, k))
                loaded = [e.load_scalar(e.at(row, k)) for row in rows]
                return [e.fma(y, x, z) for y, z in zip(loaded, totals, strict=True)]

            if not isinstance(left, int):
                totals = e.loop(whole, count, 1, one, totals)
            for r, y in enumerate(totals):
                place = e.at(c, e.times(e.add(i, r), product.out))
                there = e.compare(r, "<", e.index(height) if valid is None else valid)
                e.when(there, lambda y=y, place=place: self.put(y, place))

        e.row_tiles(*lines, 4, tile)

    def put(self, x: Value, place: Value) -> None:
        """A number to c, or added to what is there."""
        e = self.e
        if self.spec.accumulate:
            x = e.b.fadd(e.load_scalar(place), x)
        e.b.store(x, place, align=e.itemsize)

    def combination(
        self,
        product: _VectorProduct,
        matrix: Value,
        vector: Value,
        c: Value,
        lines: tuple[Index, Index],
        count: Index,
    ) -> None:
        """The lines of the matrix lie side by side: its columns, times the vector's elements."""
        e, spec = self.e, self.spec
        level = Level(count, product.vector, product.matrix[1])
        start, stop = lines
        for vectors in (8, 1):
            wide = vectors * e.lanes

            def part(i: Index, vectors: int = vectors) -> None:
                sums = e.multiply([vector], e.at(matrix, i), vectors, [level])
                e.write(sums, [e.at(c, i)], e.lanes, add=spec.accumulate)

            parts = e.divide(e.subtract(stop, start), wide)[0]
            middle = e.add(start, e.times(parts, wide))
            e.loop(start, middle, wide, part)
            start = middle

        def one(i: Index) -> None:
            def step(k: Index, total: Value) -> list[Value]:
                x = e.load_scalar(e.at(vector, e.times(k, product.vector)))
                y = e.load_scalar(e.at(matrix, e.add(i, e.times(k, product.matrix[1]))))
                return [e.fma(x, y, total)]

            (total,) = e.loop(0, count, 1, step, [ir.Constant(e.scalar, 0.0)])
            self.put(total, e.at(c, i))

        e.loop(start, stop, 1, one)


@dataclass(frozen=True)
class _VectorProduct:
    """How a product with one row or one column is a matrix's lines times a vector."""

    lines_are_rows: bool
    matrix: tuple[int, int]
    """The strides along the lines and along k."""
    vector: int
    out: int


def _vector_product(spec: MatmulSpec) -> _VectorProduct | None:
    """The product as one with a vector, if it is and the matrix has a contiguous axis."""
    if spec.columns == 1:
        product = _VectorProduct(True, spec.a, spec.b[0], spec.c)
    elif spec.rows == 1:
        product = _VectorProduct(False, (spec.b[1], spec.b[0]), spec.a[1], 1)
    else:
        return None
    dots = product.matrix[1] == 1 and product.vector == 1
    combination = product.matrix[0] == 1 and product.out == 1
    if dots or combination:
        return product if dots or product.matrix[1] != 1 else None
    return None


def panel_groups(
    panels: list[tuple[int, int]], columns: int, lanes: int
) -> list[tuple[int, int, int, int]]:
    """Panels of one kind taken together: (first column, end, vectors, width of the last)."""
    groups: list[tuple[int, int, int, int]] = []
    for start, vectors in panels:
        end = start + vectors * lanes
        width = lanes - max(0, end - columns)
        if groups and groups[-1][2:] == (vectors, width):
            groups[-1] = (groups[-1][0], end, vectors, width)
        else:
            groups.append((start, end, vectors, width))
    return groups
