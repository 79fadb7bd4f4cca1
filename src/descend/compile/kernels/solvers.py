"""From nodes of linear algebra to their kernels."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir
import numpy as np

from descend.compile.graph import Node
from descend.compile.kernels import lapack, triangles
from descend.compile.kernels.kernel import Access, Buffer, Kernel
from descend.compile.kernels.library import Operand
from descend.compile.kernels.tiles import Emitter, Index
from descend.compile.kernels.walks import contiguous

WORK = {"lu": 2 / 3, "eigh": 9, "qr": 4, "svd": 20}
"""Operations of LAPACK's routines, about, as a part of rows x columns x the smaller of both."""


LARGE_CHOLESKY, LARGE_SOLVE = 128, 256
"""The rows from which on LAPACK and BLAS are faster, on one thread or on several."""


def lower(node: Node, operands: list[Operand], result: Buffer) -> list[Kernel]:
    """The kernel of a node: a row of it is a matrix."""
    if node.op == "refuse_if":
        return [_made(node, operands, result, 1, f"{_Refusal(node)}", _Refusal(node).emit, 0)]
    x = operands[0]
    count, rows, columns = node.inputs[0].shape
    strides = (x.strides[0], x.strides[1], x.strides[2])
    dtype = node.dtype.name
    spec: Any
    emit: Callable[[Any], str]
    scratch = 0
    if node.op == "cholesky":
        large = rows >= LARGE_CHOLESKY
        own = (rows * rows, rows, 1)
        spec = (
            lapack.Spec("cholesky", dtype, rows, rows, own)
            if large
            else triangles.CholeskySpec(dtype, rows)
        )
        emit = lapack.emit if large else triangles.cholesky
        work = rows**3 // 3
    elif node.op == "solve_triangular":
        columns, lower, unit = node.shape[2], node.params["lower"], node.params["unit"]
        spec = triangles.SolveSpec(dtype, rows, columns, strides, lower, unit)
        large = rows >= LARGE_SOLVE and columns >= LARGE_SOLVE // 8 and 1 in strides[1:]
        emit = lapack.solve if large else triangles.solve
        work = rows**2 * columns
    else:
        vectors = node.params.get("vectors", True)
        spec = lapack.Spec(node.op, dtype, rows, columns, strides, vectors)
        emit, scratch = lapack.emit, lapack.scratch(spec)
        work = int(WORK[node.op] * rows * columns * min(rows, columns))
    name = f"{emit.__module__} {spec}"
    kernel = _made(node, operands, result, count, name, lambda: emit(spec), count * work)
    kernel.title = f"{node.op} {rows}x{columns}" + (f" * {count}" if count > 1 else "")
    kernel.scratch = scratch
    return [kernel]


def _made(
    node: Node,
    operands: list[Operand],
    result: Buffer,
    rows: int,
    name: str,
    emit: Callable[[], str],
    operations: int,
) -> Kernel:
    """A kernel whose rows are the leading axes of its operands and of its result."""
    status = Buffer((1,), np.dtype(np.int64), "status")
    lead = (0,) if rows == 1 else ()  # of an axis of length 1, for all there is

    def access(buffer: Buffer, offset: int, strides: Any, shape: Any) -> Access:
        return Access(buffer, offset, (*lead, *strides), (*(1 for _ in lead), *shape))

    return Kernel(
        rows=rows,
        operands=[*(x.buffer for x in operands), result, status],
        offsets=[*(x.offset for x in operands), 0, 0],
        reads=[access(x.buffer, x.offset, x.strides, x.node.shape) for x in operands],
        writes=[access(result, 0, contiguous(node.shape), node.shape)],
        text=lambda: name,
        emit=emit,
        title=node.op,
        operations=operations,
        error=node.params.get("error", ""),
    )


class _Refusal(Emitter):
    """The kernel that copies its first operand, and notes whether the second is true."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.dtype, ("x", "condition", "y", "status"))
        self.size = node.size

    def __str__(self) -> str:
        return f"refuse_if {self.dtype} {self.size}"

    def emit(self) -> str:
        """LLVM's text of it."""
        return self.text(self.body)

    def body(self) -> None:
        x, condition, y = (self.operand(role) for role in ("x", "condition", "y"))

        def copy(i: Index) -> None:
            self.b.store(self.load_scalar(self.at(x, i)), self.at(y, i), align=self.itemsize)

        self.loop(0, self.size, 1, copy)
        byte = ir.IntType(8)
        holds = self.b.icmp_signed("!=", self.b.load(condition, typ=byte), ir.Constant(byte, 0))
        one = ir.Constant(ir.IntType(64), 1)
        self.when(holds, lambda: self.b.store(one, self.operand("status"), align=8), likely=False)
