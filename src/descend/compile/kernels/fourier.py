"""The kernels of Fourier transforms: NumPy's own loops, called without Python between.

A transform goes along the last axis of an array in row-major order. Complex numbers are pairs of
floats here, so arrays of them have one more axis.
"""
# llvmlite has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from descend.compile.graph import Node, part_dtype
from descend.compile.machine import foreign

MODULE = "numpy.fft._pocketfft_umath"
I64 = ir.IntType(64)
POINTER = ir.PointerType()


@dataclass(frozen=True)
class Transform:
    """Which loop is called, with how many elements of a row, and with which factor."""

    symbol: str
    given: int
    answered: int
    factor: float
    item: tuple[int, int]
    """The bytes of one element that comes in, and of one that goes out."""
    dtype: str
    """That of the factor."""
    data: bool
    """Whether the loop gets anything as its last argument."""


def transform_of(node: Node) -> Transform | None:
    """What computes a node, its complex numbers as such or as floats; None if this NumPy cannot."""
    (x,) = node.inputs
    real = node.dtype if node.dtype.kind == "f" else part_dtype(node.dtype)
    if real.name not in ("float32", "float64"):
        return None
    given, answered = _length(x, node.op != "rfft"), _length(node, node.op != "irfft")
    kinds = {"fft": "CR->C", "rfft": "RR->C", "irfft": "CR->R"}[node.op]
    kinds = kinds.replace("C", real.char.upper()).replace("R", real.char)
    loop = node.op
    if loop == "rfft":
        loop = "rfft_n_odd" if given % 2 else "rfft_n_even"
    elif loop == "fft" and node.params["inverse"]:
        loop = "ifft"
    symbol = f"{MODULE}:{loop}:{kinds}"
    if not foreign.has_loop(symbol):
        return None
    data = foreign.address(f"{symbol}:data") != 0
    size = real.itemsize
    item = (size if node.op == "rfft" else 2 * size), (size if node.op == "irfft" else 2 * size)
    return Transform(symbol, given, answered, node.params["factor"], item, real.name, data)


def _length(x: Node, pairs: bool) -> int:
    return x.shape[-2] if pairs and x.dtype.kind == "f" else x.shape[-1]


def emit(spec: Transform) -> str:
    """The module of the kernel: operands x and the result; a row is one transform."""
    module = ir.Module("fourier")
    kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I64, I64])
    function = ir.Function(module, kind, "kernel")
    buffers, arguments, begin, end, _ = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    rows = [n * size for n, size in zip((spec.given, spec.answered), spec.item, strict=True)]
    pointers = [_row(b, buffers, arguments, k, b.mul(begin, I64(rows[k]))) for k in range(2)]
    number: Any = ir.DoubleType() if spec.dtype == "float64" else ir.FloatType()
    factor: Any = ir.GlobalVariable(module, number, "factor")
    factor.initializer = ir.Constant(number, float(np.dtype(spec.dtype).type(spec.factor)))
    factor.linkage, factor.global_constant = "internal", True
    given = [pointers[0], factor, pointers[1]]
    lengths = [b.sub(end, begin), I64(spec.given), I64(spec.answered)]
    steps = [I64(n) for n in (rows[0], 0, rows[1], *spec.item)]
    loop = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER] * 4), spec.symbol)
    data = ir.Constant(POINTER, None)
    if spec.data:
        data = ir.Function(module, ir.FunctionType(ir.VoidType(), []), f"{spec.symbol}:data")
    tables = (_table(b, POINTER, given), _table(b, I64, lengths), _table(b, I64, steps))
    b.call(loop, [*tables, data])
    b.ret_void()
    return str(module)


def _row(b: Any, buffers: Any, arguments: Any, k: int, skipped: Any) -> Any:
    number = b.load(b.gep(arguments, [I64(2 * k)], source_etype=I64), typ=I64)
    offset = b.load(b.gep(arguments, [I64(2 * k + 1)], source_etype=I64), typ=I64)
    address = b.load(b.gep(buffers, [number], source_etype=I64), typ=I64)
    return b.inttoptr(b.add(b.add(address, offset), skipped), POINTER)


def _table(b: Any, kind: Any, values: list[Any]) -> Any:
    """An array on the stack."""
    table = b.alloca(kind, I64(len(values)))
    for i, value in enumerate(values):
        b.store(value, b.gep(table, [I64(i)], source_etype=kind))
    return table
