"""Kernels that call LAPACK, or BLAS, for one matrix after the other.

LAPACK has matrices by columns, and gets each in a copy that it may overwrite: in the result, where
what it answers stays. Its functions are SciPy's (`foreign`), and so is the library behind them.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import llvmlite.ir as ir

from descend.compile.kernels.tiles import POINTER, Emitter, Index, Value
from descend.compile.kernels.triangles import SolveSpec
from descend.compile.matrices import lu_length

LAPACK, BLAS = "scipy.linalg.cython_lapack", "scipy.linalg.cython_blas"
I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


@dataclass(frozen=True)
class Spec:
    """A routine for matrices x (rows, columns) that lie by any strides."""

    op: str
    dtype: str
    rows: int
    columns: int
    strides: tuple[int, int, int]
    """From one matrix to the next, and along its axes."""
    vectors: bool = True
    """Whether more than the values is asked for."""

    @property
    def small(self) -> int:
        """The smaller one of both lengths."""
        return min(self.rows, self.columns)


def emit(spec: Spec) -> str:
    """The kernel: operands x, y, a number that becomes 1 where there is no answer, and scratch."""
    return KERNELS[spec.op](spec).text()


def solve(spec: SolveSpec) -> str:
    """As `triangles.solve`, of matrices whose rows or columns lie side by side."""
    return _Solve(spec).text()


def scratch(spec: Spec) -> int:
    """The bytes of scratch that the kernel needs."""
    return KERNELS[spec.op](spec).scratch


class _Calls(Emitter):
    """What the kernels share: the loop over matrices, copies, and calls."""

    def __init__(self, spec: Spec, length: int, numbers: int = 0, integers: int = 0) -> None:
        roles = ("x", "y", "status", "scratch")
        super().__init__(spec.dtype, roles if numbers or integers else roles[:-1])
        self.spec = spec
        self.length = length
        self.place: Index = 0
        """Which matrix it is."""
        self.first_integer = numbers * self.itemsize
        self.scratch = numbers * self.itemsize + 4 * integers

    def text(self, body: Any = None) -> str:
        return super().text(body or self.body)

    def body(self) -> None:
        x, y = self.operand("x"), self.operand("y")
        if self.scratch:
            self.work = self.operand("scratch")
            self.integers = self.b.gep(self.work, [self.index(self.first_integer)], source_etype=I8)
        self.names: dict[Any, Value] = {}
        self.info = self.b.alloca(I32)
        step = self.spec.strides[0]

        def one(m: Index) -> None:
            self.place = m
            self.matrix(self.at(x, self.times(m, step)), self.at(y, self.times(m, self.length)))

        self.loop(self.begin, self.end, 1, one)

    def matrix(self, x: Value, y: Value) -> None:
        """Emit what is done for one matrix."""
        raise NotImplementedError

    def given(self, value: int | str) -> Value:
        """The address of an integer or a letter: LAPACK has all its arguments by address."""
        found = self.names.get(value)
        if found is None:
            kind = I8 if isinstance(value, str) else I32
            number = ord(value) if isinstance(value, str) else value
            with self.b.goto_entry_block():
                found = self.names[value] = self.b.alloca(kind)
                self.b.store(ir.Constant(kind, number), found)
        return found

    def call(self, routine: str, *arguments: Value | int | str) -> None:
        """Call a routine of LAPACK; the last of its arguments, `info`, is added."""
        self.call_of(LAPACK, routine, *arguments, self.info)

    def call_of(self, module: str, routine: str, *arguments: Value | int | str) -> None:
        """Call a routine of BLAS or LAPACK."""
        letter = "s" if self.itemsize == 4 else "d"
        name = f"{module}:{letter}{routine}"
        values = [self.given(x) if isinstance(x, (int, str)) else x for x in arguments]
        function = self.module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(ir.VoidType(), [POINTER] * len(values))
            function = ir.Function(self.module, kind, name)
        self.b.call(function, values)

    def note_failure(self) -> None:
        """Let the caller know if the last routine gave up."""
        self.note(self.b.icmp_signed("!=", self.b.load(self.info, typ=I32), ir.Constant(I32, 0)))

    def note(self, failed: Value) -> None:
        """Let the caller know if this holds."""
        self.when(
            failed,
            lambda: self.b.store(ir.Constant(I64, 1), self.operand("status"), align=8),
            likely=False,
        )

    def copied(self, x: Value, y: Value) -> None:
        """Write a matrix by columns to y."""
        m = self.spec.rows
        _, row, column = self.spec.strides

        def line(j: Index) -> None:
            start, to = self.at(x, self.times(j, column)), self.at(y, self.times(j, m))
            self.loop(
                0, m, 1, lambda i: self.put(self.at(to, i), self.read(start, self.times(i, row)))
            )

        self.loop(0, self.spec.columns, 1, line)

    def read(self, pointer: Value, offset: Index) -> Value:
        """One number."""
        return self.load_scalar(self.at(pointer, offset))

    def put(self, pointer: Value, x: Value) -> None:
        """Store one number."""
        self.b.store(x, pointer, align=self.itemsize)

    def number(self, x: float) -> Value:
        """A number as a value."""
        return ir.Constant(self.scalar, x)


class _Cholesky(_Calls):
    """By columns the lower triangle, which is read and written, is the upper one."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, spec.rows**2)

    def matrix(self, x: Value, y: Value) -> None:
        n = self.spec.rows
        self.copied(x, y)
        self.call("potrf", "U", n, y, n)
        self.note_failure()

        def clear(i: Index) -> None:
            row = self.at(y, self.times(i, n))
            start = self.add(i, 1)
            self.loop(start, n, 1, lambda j: self.put(self.at(row, j), self.number(0)))

        self.loop(0, n, 1, clear)


class _Solve(_Calls):
    """By columns it is x^T a^T = b^T, which BLAS solves in the place of b."""

    def __init__(self, spec: SolveSpec) -> None:
        size = spec.rows * spec.columns
        super().__init__(Spec("", spec.dtype, spec.rows, spec.rows, spec.strides), size)
        self.operands = ("x", "b", "y", "status")
        self.solve = spec

    def matrix(self, x: Value, y: Value) -> None:
        n, columns, (_, row, column) = self.spec.rows, self.solve.columns, self.spec.strides
        zero = self.number(0)
        if not self.solve.unit:
            self.loop(
                0,
                n,
                1,
                lambda i: self.note(
                    self.b.fcmp_ordered("==", self.read(x, self.times(i, row + column)), zero)
                ),
            )
        b = self.at(self.operand("b"), self.times(self.place, self.length))
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, ir.IntType(1)])
        copy = ir.Function(self.module, kind, "llvm.memcpy.p0.p0.i64")
        size = self.index(self.length * self.itemsize)
        self.b.call(copy, [y, b, size, ir.Constant(ir.IntType(1), 0)])
        turned = column == 1
        uplo = "U" if self.solve.lower == turned else "L"
        trans, diagonal = "N" if turned else "T", "U" if self.solve.unit else "N"
        with self.b.goto_entry_block():
            one = self.b.alloca(self.scalar)
            self.b.store(self.number(1), one)
        step = row if turned else column
        self.call_of(BLAS, "trsm", "R", uplo, trans, diagonal, columns, n, one, x, step, y, columns)


class _Lu(_Calls):
    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, lu_length(spec.rows, spec.columns), integers=spec.small)

    def matrix(self, x: Value, y: Value) -> None:
        m, n = self.spec.rows, self.spec.columns
        self.copied(x, y)
        self.call("getrf", m, n, y, m, self.integers)
        order = self.at(y, m * n)
        inverse, last = self.at(order, m), self.at(order, 2 * m)

        def number(i: Index) -> Value:
            return self.b.sitofp(self.index(i), self.scalar)

        self.loop(0, m, 1, lambda i: self.put(self.at(order, i), number(i)))
        one = self.number(1)

        def exchange(i: Index, sign: Value, product: Value) -> list[Value]:
            pivot = self.b.gep(self.integers, [self.index(i)], source_etype=I32)
            other = self.b.sext(self.b.sub(self.b.load(pivot, typ=I32), ir.Constant(I32, 1)), I64)
            here, there = self.at(order, i), self.at(order, other)
            a, b = self.load_scalar(here), self.load_scalar(there)
            self.put(here, b)
            self.put(there, a)
            moved = self.compare(i, "!=", other)
            change = self.b.select(moved, self.number(-1), one)
            pivot = self.b.fmul(self.read(y, self.times(i, m + 1)), change)
            return [self.b.fmul(sign, self.sign(pivot)), self.b.fmul(product, pivot)]

        ends = self.loop(0, self.spec.small, 1, exchange, [one, one])
        for i, value in enumerate(ends):
            self.put(self.at(last, i), value)

        def back(i: Index) -> None:
            place = self.b.fptosi(self.read(order, i), I64)
            self.put(self.at(inverse, place), number(i))

        self.loop(0, m, 1, back)

    def sign(self, x: Value) -> Value:
        """-1, 0 or 1; NaN of NaN."""
        zero = self.number(0)
        up = self.b.select(self.b.fcmp_ordered(">", x, zero), self.number(1), x)
        return self.b.select(self.b.fcmp_ordered("<", x, zero), self.number(-1), up)


class _Eigh(_Calls):
    def __init__(self, spec: Spec) -> None:
        n = spec.rows
        if spec.vectors:
            super().__init__(spec, n + n * n, 1 + 6 * n + 2 * n * n, 3 + 5 * n)
        else:
            super().__init__(spec, n, n * n + 2 * n + 1, 1)

    def matrix(self, x: Value, y: Value) -> None:
        n = self.spec.rows
        vectors, work, job = self.at(y, n), self.work, "V"
        if not self.spec.vectors:
            vectors, work, job = self.work, self.at(self.work, n * n), "N"
        sizes = (1 + 6 * n + 2 * n * n, 3 + 5 * n) if job == "V" else (2 * n + 1, 1)
        self.copied(x, vectors)
        self.call("syevd", job, "L", n, vectors, n, y, work, sizes[0], self.integers, sizes[1])
        self.note_failure()


class _Qr(_Calls):
    def __init__(self, spec: Spec) -> None:
        k = spec.small
        self.block = 32 * max(spec.columns, 1)
        super().__init__(
            spec, k * (spec.rows + spec.columns), spec.rows * spec.columns + k + self.block
        )

    def matrix(self, x: Value, y: Value) -> None:
        m, n, k = self.spec.rows, self.spec.columns, self.spec.small
        both, tau = self.work, self.at(self.work, m * n)
        more = self.at(tau, k)
        self.copied(x, both)
        self.call("geqrf", m, n, both, m, tau, more, self.block)
        r = self.at(y, m * k)

        def column(j: Index) -> None:
            def one(i: Index) -> None:
                value = self.read(both, self.add(self.times(j, m), i))
                inside = self.compare(i, "<=", j)
                value = self.b.select(inside, value, self.number(0))
                self.put(self.at(r, self.add(self.times(j, k), i)), value)

            self.loop(0, k, 1, one)

        self.loop(0, n, 1, column)
        self.loop(0, m * k, 1, lambda i: self.put(self.at(y, i), self.read(both, i)))
        self.call("orgqr", m, k, k, y, m, tau, more, self.block)


class _Svd(_Calls):
    def __init__(self, spec: Spec) -> None:
        m, n, k = spec.rows, spec.columns, spec.small
        length = k * (1 + (m + n) * spec.vectors)
        # more than what any version of LAPACK asks for at least, and room for its blocks
        self.block = 7 * k * k * spec.vectors + 14 * k + max(m, n) + 32 * (m + n)
        super().__init__(spec, length, m * n + self.block, 8 * k)

    def matrix(self, x: Value, y: Value) -> None:
        m, n, k = self.spec.rows, self.spec.columns, self.spec.small
        both, work = self.work, self.at(self.work, m * n)
        self.copied(x, both)
        job = "S" if self.spec.vectors else "N"
        u, vh = (self.at(y, k), self.at(y, k + m * k)) if self.spec.vectors else (y, y)
        self.call("gesdd", job, m, n, both, m, y, u, m, vh, k, work, self.block, self.integers)
        self.note_failure()


KERNELS: dict[str, Any] = {
    "cholesky": _Cholesky,
    "lu": _Lu,
    "eigh": _Eigh,
    "qr": _Qr,
    "svd": _Svd,
}
