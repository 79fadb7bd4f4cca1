"""Kernels that factor positive definite matrices and solve triangular systems, many at once.

Both compute a few rows at a time, from what is known of the rows above (left-looking: G. Golub and
C. Van Loan, "Matrix Computations", 4th ed., 2013, sections 3.1 and 4.2): a tile of rows times
columns stays in registers while the rows above run by, then the small triangle on the diagonal is
solved. LAPACK takes twice the time for matrices of 60 rows, and shares out larger ones among
threads of its own that would be in the way of ours.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import llvmlite.ir as ir

from descend.compile.kernels.tiles import Emitter, Index, Value, registers

ROWS = 4
"""The rows of a tile."""

I64 = ir.IntType(64)


@dataclass(frozen=True)
class Matrix:
    """Where a matrix lies: its first element and its strides, in elements."""

    start: Value
    row: int
    column: int


@dataclass(frozen=True)
class SolveSpec:
    """Triangular systems a x = b, b and x in row-major order."""

    dtype: str
    rows: int
    columns: int
    strides: tuple[int, int, int]
    """Those of a: from one matrix to the next, along its rows' index and its columns'."""
    lower: bool
    unit: bool


@dataclass(frozen=True)
class CholeskySpec:
    """The lower factors of symmetric matrices in row-major order; the upper part is read."""

    dtype: str
    rows: int


def solve(spec: SolveSpec) -> str:
    """The kernel: operands a, b, x, and a number that becomes 1 where a diagonal has a 0."""
    return _Solve(spec).text()


def cholesky(spec: CholeskySpec) -> str:
    """The kernel: operands x, y, and a number that becomes 1 where a matrix is not positive."""
    return _Cholesky(spec).text()


class _Triangles(Emitter):
    def __init__(self, dtype: str, operands: tuple[str, ...]) -> None:
        super().__init__(dtype, operands)
        self.wide = 2 if registers() == 16 else 4

    def element(self, x: Matrix, i: Index, j: Index) -> Value:
        """The address of an element."""
        return self.at(x.start, self.add(self.times(i, x.row), self.times(j, x.column)))

    def numbers(self, pointer: Value, count: int) -> Value:
        """So many numbers side by side; one is a scalar."""
        if count == 1:
            return self.load_scalar(pointer)
        return self.b.load(pointer, align=self.itemsize, typ=self.vectors(count))

    def everywhere(self, x: Value, count: int) -> Value:
        """A number in so many lanes."""
        return x if count == 1 else self.spread(x, count)

    def minus(self, y: Value, factor: Value, xs: list[Value]) -> Any:
        """Each of y less the factor times x."""
        factor = self.b.fneg(factor)
        return [
            self.fma(self.everywhere(factor, lanes_of(x)), x, z) for x, z in zip(xs, y, strict=True)
        ]

    def tile(
        self, a: Matrix, b: Matrix, x: Matrix, i: Index, rows: int, j: Index,
        pieces: list[int], unit: bool,
    ) -> None:  # fmt: skip
        """Rows i, i + 1, ... of x in the columns from j on, cut into pieces of vectors.

        a has the factors of the rows above, and of these rows among themselves.
        """
        places = [sum(pieces[:k]) for k in range(len(pieces))]

        def row(of: Matrix, k: Index) -> list[Value]:
            return [
                self.numbers(self.element(of, k, self.add(j, place)), count)
                for place, count in zip(places, pieces, strict=True)
            ]

        def known(k: Index, *sums: Value) -> list[Value]:
            above = row(x, k)
            new: list[Value] = []
            for r in range(rows):
                factor = self.load_scalar(self.element(a, self.add(i, r), k))
                new += self.minus(list(sums[r * len(pieces) :][: len(pieces)]), factor, above)
            return new

        sums = self.loop(0, i, 1, known, [y for r in range(rows) for y in row(b, self.add(i, r))])
        done: list[list[Value]] = []
        for r in range(rows):
            ys = sums[r * len(pieces) :][: len(pieces)]
            for q in range(r):
                factor = self.load_scalar(self.element(a, self.add(i, r), self.add(i, q)))
                ys = self.minus(ys, factor, done[q])
            if not unit:
                here = self.load_scalar(self.element(a, self.add(i, r), self.add(i, r)))
                ys = [self.b.fdiv(y, self.everywhere(here, lanes_of(y))) for y in ys]
            done.append(ys)
            for y, place in zip(ys, places, strict=True):
                self.b.store(
                    y,
                    self.element(x, self.add(i, r), self.add(j, place)),
                    align=self.itemsize,
                )

    def note(self, condition: Value) -> None:
        """Let the caller know if this holds."""
        self.when(
            condition,
            lambda: self.b.store(ir.Constant(I64, 1), self.operand("status"), align=8),
            likely=False,
        )


class _Solve(_Triangles):
    def __init__(self, spec: SolveSpec) -> None:
        super().__init__(spec.dtype, ("a", "b", "x", "status"))
        self.spec = spec

    def text(self, body: Any = None) -> str:
        return super().text(body or self.body)

    def body(self) -> None:
        spec = self.spec
        n, size = spec.rows, spec.rows * spec.columns
        step, row, column = spec.strides
        first = (self.operand("a"), self.operand("b"), self.operand("x"))

        def one(m: Index) -> None:
            a, b, x = (
                self.at(p, self.times(m, s)) for p, s in zip(first, (step, size, size), strict=True)
            )
            if spec.lower:
                self.system(
                    Matrix(a, row, column), Matrix(b, spec.columns, 1), Matrix(x, spec.columns, 1)
                )
            else:  # seen from the last row on it is a lower triangle
                last = (n - 1) * spec.columns
                self.system(
                    Matrix(self.at(a, (n - 1) * (row + column)), -row, -column),
                    Matrix(self.at(b, last), -spec.columns, 1),
                    Matrix(self.at(x, last), -spec.columns, 1),
                )

        self.loop(self.begin, self.end, 1, one)

    def system(self, a: Matrix, b: Matrix, x: Matrix) -> None:
        """One system."""
        spec = self.spec
        if not spec.unit:
            self.loop(0, spec.rows, 1, lambda i: self.refuse(self.element(a, i, i)))
        wide = [self.lanes] * self.wide
        whole = spec.columns // (self.lanes * self.wide) * self.lanes * self.wide
        self.loop(0, whole, self.lanes * self.wide, lambda j: self.panel(a, b, x, j, wide))
        rest = pieces(spec.columns - whole, self.lanes)
        if rest:
            self.panel(a, b, x, whole, rest)

    def refuse(self, pointer: Value) -> None:
        """Note a 0 on the diagonal."""
        here = self.load_scalar(pointer)
        self.note(self.b.fcmp_ordered("==", here, ir.Constant(self.scalar, 0)))

    def panel(self, a: Matrix, b: Matrix, x: Matrix, j: Index, parts: list[int]) -> None:
        """Some columns of a system."""
        n, unit = self.spec.rows, self.spec.unit
        whole = n // ROWS * ROWS
        self.loop(0, whole, ROWS, lambda i: self.tile(a, b, x, i, ROWS, j, parts, unit))
        if n > whole:
            self.tile(a, b, x, whole, n - whole, j, parts, unit)


class _Cholesky(_Triangles):
    """The upper factor is computed, since its rows are read side by side, and turned at the end."""

    def __init__(self, spec: CholeskySpec) -> None:
        super().__init__(spec.dtype, ("x", "y", "status"))
        self.spec = spec

    def text(self, body: Any = None) -> str:
        return super().text(body or self.body)

    def body(self) -> None:
        n = self.spec.rows
        first = (self.operand("x"), self.operand("y"))
        whole = n // ROWS * ROWS

        def one(m: Index) -> None:
            x, y = (Matrix(self.at(p, self.times(m, n * n)), n, 1) for p in first)
            self.loop(0, whole, ROWS, lambda i: self.some_rows(x, y, i, ROWS))
            if n > whole:
                self.some_rows(x, y, whole, n - whole)
            self.turn(y)

        self.loop(self.begin, self.end, 1, one)

    def some_rows(self, x: Matrix, y: Matrix, i: Index, rows: int) -> None:
        """A few rows of the upper factor: the triangle on the diagonal, then what is beside it."""
        n, lanes = self.spec.rows, self.lanes
        self.diagonal(x, y, i, rows)
        turned = Matrix(y.start, y.column, y.row)
        j: Index = self.add(i, rows)
        for parts in ([lanes] * self.wide, [lanes], [1]):
            width = sum(parts)
            count, _ = self.divide(self.subtract(n, j), width)
            stop = self.add(j, self.times(count, width))
            self.loop(
                j,
                stop,
                width,
                lambda j, parts=parts: self.tile(turned, x, y, i, rows, j, parts, False),
            )
            j = stop

    def diagonal(self, x: Matrix, y: Matrix, i: Index, rows: int) -> None:
        """The triangle on the diagonal, number by number."""
        places = [(r, c) for r in range(rows) for c in range(r, rows)]

        def known(k: Index, *sums: Value) -> list[Value]:
            above = [self.load_scalar(self.element(y, k, self.add(i, r))) for r in range(rows)]
            return [
                self.minus([total], above[r], [above[c]])[0]
                for (r, c), total in zip(places, sums, strict=True)
            ]

        start = [
            self.load_scalar(self.element(x, self.add(i, r), self.add(i, c))) for r, c in places
        ]
        sums = dict(zip(places, self.loop(0, i, 1, known, start), strict=True))
        zero = ir.Constant(self.scalar, 0)
        for r in range(rows):
            for q in range(r):
                for c in range(r, rows):
                    [sums[r, c]] = self.minus([sums[r, c]], sums[q, r], [sums[q, c]])
            self.note(self.b.fcmp_ordered("<=", sums[r, r], zero))  # NaN goes on, as in LAPACK
            root = self.b.call(self.intrinsic("sqrt", self.scalar, 1), [sums[r, r]])
            sums[r, r] = root
            for c in range(r + 1, rows):
                sums[r, c] = self.b.fdiv(sums[r, c], root)
            for c in range(r, rows):
                self.b.store(
                    sums[r, c],
                    self.element(y, self.add(i, r), self.add(i, c)),
                    align=self.itemsize,
                )

    def turn(self, y: Matrix) -> None:
        """The upper triangle becomes the lower one."""

        def move(i: Index, j: Index) -> None:
            above = self.element(y, j, i)
            self.b.store(self.load_scalar(above), self.element(y, i, j), align=self.itemsize)
            self.b.store(ir.Constant(self.scalar, 0), above, align=self.itemsize)

        n = self.spec.rows
        self.loop(1, n, 1, lambda i: self.loop(0, i, 1, lambda j: move(i, j)) and None)


def lanes_of(x: Value) -> int:
    """The numbers in a value."""
    return x.type.count if isinstance(x.type, ir.VectorType) else 1


def pieces(count: int, lanes: int) -> list[int]:
    """So many columns as vectors: whole ones, then a half, a quarter, ... down to a scalar."""
    found = [lanes] * (count // lanes)
    rest, size = count % lanes, lanes // 2
    while rest:
        if size <= rest:
            found.append(size)
            rest -= size
        size //= 2
    return found
