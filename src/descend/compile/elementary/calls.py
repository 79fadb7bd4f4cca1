"""C functions of float64 numbers, called for one lane after the other.

They are the C library's, and those of SciPy that are `foreign`. Neither needs Python, so a call
costs what the function does.
"""
# llvmlite has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from descend.compile.elementary import zeta
from descend.compile.machine import foreign
from descend.compile.machine.lanes import FLOATS, Builder, Lanes, Value

I32 = ir.IntType(32)


def lane_by_lane(symbol: str, *xs: Lanes) -> Lanes:
    """The C function of each lane; float32 numbers are widened for it."""
    wide = [x if x.width == 64 else x.widened() for x in xs]
    builder = wide[0].builder
    kind = wide[0].value.type
    if isinstance(kind, ir.VectorType):
        y: Value = ir.Constant(kind, ir.Undefined)
        for lane in range(kind.count):
            index = ir.Constant(I32, lane)
            operands = [builder.extract_element(x.value, index) for x in wide]
            y = builder.insert_element(y, _called(builder, symbol, operands), index)
    else:
        y = _called(builder, symbol, [x.value for x in wide])
    result = Lanes(builder, y)
    return result if xs[0].width == 64 else result.narrowed()


def _called(builder: Builder, symbol: str, operands: list[Value]) -> Value:
    """One call. Cython's functions ask in the end whether to skip a look for an override."""
    more: list[Value] = [I32(0)] if symbol.startswith(foreign.PREFIX) else []
    function = builder.module.globals.get(symbol)
    if function is None and symbol == zeta.NAME:
        function = zeta.define(builder.module)
    elif function is None:
        kinds = [*(FLOATS[64] for _ in operands), *(x.type for x in more)]
        function = ir.Function(builder.module, ir.FunctionType(FLOATS[64], kinds), symbol)
    return builder.call(function, [*operands, *more])


def emitter(name: str, symbol: str) -> Callable[..., Value]:
    """What emits a call for numbers or vectors, by a function that is in the module once."""

    def emit(builder: Builder, *values: Value) -> Value:
        kind = values[0].type
        vector = isinstance(kind, ir.VectorType)
        lanes = f"v{kind.count}" if vector else ""
        full = f"{name}.{lanes}{(kind.element if vector else kind).intrinsic_name}"
        function = builder.module.globals.get(full)
        if function is None:
            signature = ir.FunctionType(kind, [kind] * len(values))
            function = ir.Function(builder.module, signature, full)
            function.linkage = "internal"
            inside = ir.IRBuilder(function.append_basic_block("entry"))
            inside.ret(lane_by_lane(symbol, *(Lanes(inside, x) for x in function.args)).value)
        return builder.call(function, values)

    return emit
