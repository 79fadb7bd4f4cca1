"""The elementwise operations as LLVM's instructions, for numbers and vectors alike.

One table for each kind of dtype: the name of an operation, and what emits it.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false, reportUnknownLambdaType=false
# (llvmlite has no types)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from descend.compile.elementary import calls, special
from descend.compile.elementary import table as elementary

BOOL = np.dtype(bool)
I1 = ir.IntType(1)
TYPES: dict[str, Any] = {
    "float16": ir.HalfType(),
    "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
    "bool": I1,
    **{f"{sign}int{bits}": ir.IntType(bits) for sign in ("", "u") for bits in (8, 16, 32, 64)},
}

Value = Any
"""A value of the function in the making (llvmlite's are not typed)."""


def lowerable(op: str, dtype: np.dtype[Any], result: np.dtype[Any]) -> bool:
    """Whether an elementwise operation on this dtype can be emitted."""
    if dtype.name not in TYPES or result.name not in TYPES:
        return False
    if op in ("where", "cast", "constant", "load", "index"):
        return True
    return operation(op, dtype) is not None and dtype != np.float16


def number(kind: Any, value: Any) -> Any:
    """A number as a constant of a scalar or vector type."""
    scalar = kind.element if isinstance(kind, ir.VectorType) else kind
    plain = (
        float(value)
        if isinstance(scalar, (ir.FloatType, ir.DoubleType, ir.HalfType))
        else int(value)
    )
    if isinstance(kind, ir.VectorType):
        return ir.Constant(kind, [plain] * kind.count)
    return ir.Constant(kind, plain)


Emitter = Callable[..., Any]


def apply(b: Any, op: str, dtype: np.dtype[Any], operands: list[Value]) -> Value:
    """An elementwise operation on values of one dtype."""
    emitter = operation(op, dtype)
    assert emitter is not None, f"{op} of {dtype}"
    return emitter(b, *operands)


def operation(op: str, dtype: np.dtype[Any]) -> Emitter | None:
    """What emits an operation on values of a dtype; None if nothing does."""
    table = {"f": FLOATING, "i": SIGNED, "u": UNSIGNED, "b": BOOLEAN}.get(dtype.kind)
    if table is None:
        return None
    if dtype.kind == "f" and op in elementary.ELEMENTARY:
        return lambda b, *xs: _elementary(b, op, *xs)
    if dtype.kind == "f" and op in special.ARITIES:
        symbol = special.symbol(op)
        return None if symbol is None else calls.emitter(op, symbol)
    return table.get(op)


def _elementary(b: Any, op: str, *xs: Value) -> Value:
    """An elementary function of vectors, or a call of it for numbers.

    Vectors are where the time goes. For numbers, the few at the end of an axis or one a row, the
    function is in the module once.
    """
    kind = xs[0].type
    if isinstance(kind, ir.VectorType):
        return elementary.emit(b, op, *xs)
    name = f"{op}.{kind.intrinsic_name}"
    function = b.module.globals.get(name)
    if function is None:
        function = ir.Function(b.module, ir.FunctionType(kind, [kind] * len(xs)), name)
        function.linkage = "internal"
        inside = ir.IRBuilder(function.append_basic_block("entry"))
        inside.ret(elementary.emit(inside, op, *function.args))
    return b.call(function, xs)


def _compare(kind: str, predicate: str) -> Emitter:
    return lambda b, x0, x1: getattr(b, kind)(predicate, x0, x1)


def _like(x: Value, value: Any) -> ir.Constant:
    return number(x.type, value)


def _intrinsic(name: str) -> Emitter:
    def emitter(b: Any, *xs: Value) -> Value:
        kind = xs[0].type
        return b.call(_declared(b, name, kind, [kind] * len(xs), [kind]), xs)

    return emitter


def _declared(b: Any, name: str, result: Any, operands: list[Any], overloads: list[Any]) -> Any:
    """An intrinsic of LLVM for these types."""
    suffixes: list[str] = []
    for kind in overloads:
        vector = isinstance(kind, ir.VectorType)
        element = kind.element if vector else kind
        suffixes.append((f"v{kind.count}" if vector else "") + element.intrinsic_name)
    full = ".".join([name, *suffixes])
    if full in b.module.globals:
        return b.module.globals[full]
    return ir.Function(b.module, ir.FunctionType(result, operands), full)


def _float_extreme(predicate: str) -> Emitter:
    def emitter(b: Any, x0: Value, x1: Value) -> Value:
        if isinstance(x0, ir.Constant):
            x0, x1 = x1, x0
        if isinstance(x1, ir.Constant):  # no NaN: one comparison, false where x0 is NaN
            return b.select(b.fcmp_ordered(predicate, x1, x0), x1, x0)
        first = b.or_(b.fcmp_ordered(predicate, x0, x1), b.fcmp_unordered("uno", x0, x0))
        return b.select(first, x0, x1)

    return emitter


def _integer_extreme(kind: str, predicate: str) -> Emitter:
    return lambda b, x0, x1: b.select(getattr(b, kind)(predicate, x0, x1), x0, x1)


def _float_sign(b: Any, x: Value) -> Value:
    up = b.select(b.fcmp_ordered(">", x, _like(x, 0)), _like(x, 1), x)
    return b.select(b.fcmp_ordered("<", x, _like(x, 0)), _like(x, -1), up)


def _float_remainder(b: Any, x0: Value, x1: Value) -> Value:
    """Python's: it has the sign of x1."""
    rest = b.frem(x0, x1)
    none, wrong = _remainder_is(b, rest, x1)
    rest = b.select(none, _intrinsic("llvm.copysign")(b, rest, x1), rest)
    return b.select(wrong, b.fadd(rest, x1), rest)


def _float_floor_divide(b: Any, x0: Value, x1: Value) -> Value:
    """The whole number next to (x0 - remainder) / x1: x0 / x1 itself may round up to another."""
    rest = b.frem(x0, x1)
    _, wrong = _remainder_is(b, rest, x1)
    quotient = b.fdiv(b.fsub(x0, rest), x1)
    quotient = b.select(wrong, b.fsub(quotient, _like(x1, 1)), quotient)
    whole = _intrinsic("llvm.rint")(b, quotient)
    plain = b.fdiv(x0, x1)
    zero = b.fcmp_ordered("==", whole, _like(x1, 0))
    whole = b.select(zero, _intrinsic("llvm.copysign")(b, whole, plain), whole)
    return b.select(b.fcmp_ordered("==", x1, _like(x1, 0)), plain, whole)


def _remainder_is(b: Any, rest: Value, x1: Value) -> tuple[Value, Value]:
    """Whether C's remainder is zero, and whether it has the wrong sign."""
    below = [b.fcmp_ordered("<", x, _like(x, 0)) for x in (rest, x1)]
    none = b.fcmp_ordered("==", rest, _like(rest, 0))
    return none, b.and_(b.not_(none), b.xor(*below))


def _signed_division(part: str) -> Emitter:
    """What C's division of integers leaves, or Python's (rounded down), 0 where x1 is 0."""

    def emitter(b: Any, x0: Value, x1: Value) -> Value:
        kind = x0.type.element if isinstance(x0.type, ir.VectorType) else x0.type
        zero, one = _like(x1, 0), _like(x1, 1)
        none = b.icmp_signed("==", x1, zero)
        smallest = b.icmp_signed("==", x0, _like(x0, -(2 ** (kind.width - 1))))
        over = b.and_(smallest, b.icmp_signed("==", x1, _like(x1, -1)))
        divisor = b.select(b.or_(none, over), one, x1)  # both are undefined to LLVM
        rest = b.srem(x0, divisor)
        wrong = b.xor(b.icmp_signed("<", rest, zero), b.icmp_signed("<", divisor, zero))
        wrong = b.and_(b.icmp_signed("!=", rest, zero), wrong)
        if part == "fmod":
            y = rest
        elif part == "remainder":
            y = b.select(wrong, b.add(rest, divisor), rest)
        else:
            quotient = b.sdiv(x0, divisor)
            y = b.select(wrong, b.sub(quotient, one), quotient)
        return b.select(none, zero, y)

    return emitter


def _unsigned_division(name: str) -> Emitter:
    def emitter(b: Any, x0: Value, x1: Value) -> Value:
        none = b.icmp_unsigned("==", x1, _like(x1, 0))
        y = getattr(b, name)(x0, b.select(none, _like(x1, 1), x1))
        return b.select(none, _like(x1, 0), y)

    return emitter


def _integer_sign(b: Any, x: Value) -> Value:
    up = b.select(b.icmp_signed(">", x, _like(x, 0)), _like(x, 1), _like(x, 0))
    return b.select(b.icmp_signed("<", x, _like(x, 0)), _like(x, -1), up)


def _integer_abs(b: Any, x: Value) -> Value:
    return b.select(b.icmp_signed("<", x, _like(x, 0)), b.neg(x), x)


def _shift(name: str, overflow: str) -> Emitter:
    """A shift; by more than there are bits, which is poison to LLVM, it answers what C's would."""

    def emitter(b: Any, x0: Value, x1: Value) -> Value:
        kind = x0.type.element if isinstance(x0.type, ir.VectorType) else x0.type
        fits = b.icmp_unsigned("<", x1, _like(x1, kind.width))
        amount = b.select(fits, x1, _like(x1, kind.width - 1 if overflow == "sign" else 0))
        y = getattr(b, name)(x0, amount)
        return y if overflow == "sign" else b.select(fits, y, _like(y, 0))

    return emitter


FLOATING: dict[str, Emitter] = {
    "add": lambda b, x0, x1: b.fadd(x0, x1, flags=["contract"]),
    "subtract": lambda b, x0, x1: b.fsub(x0, x1, flags=["contract"]),
    "multiply": lambda b, x0, x1: b.fmul(x0, x1, flags=["contract"]),
    "divide": lambda b, x0, x1: b.fdiv(x0, x1),
    "negative": lambda b, x: b.fneg(x),
    "maximum": _float_extreme(">"),
    "minimum": _float_extreme("<"),
    "remainder": _float_remainder,
    "fmod": lambda b, x0, x1: b.frem(x0, x1),
    "floor_divide": _float_floor_divide,
    "copysign": _intrinsic("llvm.copysign"),
    "sign": _float_sign,
    "isnan": lambda b, x: b.fcmp_unordered("uno", x, x),
    "isinf": lambda b, x: b.fcmp_ordered("==", _intrinsic("llvm.fabs")(b, x), _like(x, np.inf)),
    "isfinite": lambda b, x: b.fcmp_ordered("<", _intrinsic("llvm.fabs")(b, x), _like(x, np.inf)),
    "equal": _compare("fcmp_ordered", "=="),
    "not_equal": _compare("fcmp_unordered", "!="),
    "less": _compare("fcmp_ordered", "<"),
    "less_equal": _compare("fcmp_ordered", "<="),
    "greater": _compare("fcmp_ordered", ">"),
    "greater_equal": _compare("fcmp_ordered", ">="),
    **{name: _intrinsic(f"llvm.{name}") for name in ("sqrt", "floor", "ceil", "rint")},
    "abs": _intrinsic("llvm.fabs"),
}
WHOLE: dict[str, Emitter] = {
    "add": lambda b, x0, x1: b.add(x0, x1),
    "subtract": lambda b, x0, x1: b.sub(x0, x1),
    "multiply": lambda b, x0, x1: b.mul(x0, x1),
    "negative": lambda b, x: b.neg(x),
    "invert": lambda b, x: b.not_(x),
    "bitwise_and": lambda b, x0, x1: b.and_(x0, x1),
    "bitwise_or": lambda b, x0, x1: b.or_(x0, x1),
    "bitwise_xor": lambda b, x0, x1: b.xor(x0, x1),
    "left_shift": _shift("shl", "zero"),
    "floor": lambda b, x: x,
    "ceil": lambda b, x: x,
    "rint": lambda b, x: x,
    "equal": _compare("icmp_signed", "=="),
    "not_equal": _compare("icmp_signed", "!="),
}
SIGNED: dict[str, Emitter] = {
    **WHOLE,
    "abs": _integer_abs,
    "sign": _integer_sign,
    "right_shift": _shift("ashr", "sign"),
    **{name: _signed_division(name) for name in ("remainder", "fmod", "floor_divide")},
    "maximum": _integer_extreme("icmp_signed", ">"),
    "minimum": _integer_extreme("icmp_signed", "<"),
    **{
        name: _compare("icmp_signed", predicate)
        for name, predicate in (
            ("less", "<"), ("less_equal", "<="), ("greater", ">"), ("greater_equal", ">=")
        )
    },
}  # fmt: skip
UNSIGNED: dict[str, Emitter] = {
    **WHOLE,
    "abs": lambda b, x: x,
    "right_shift": _shift("lshr", "zero"),
    **{name: _unsigned_division("urem") for name in ("remainder", "fmod")},
    "floor_divide": _unsigned_division("udiv"),
    "maximum": _integer_extreme("icmp_unsigned", ">"),
    "minimum": _integer_extreme("icmp_unsigned", "<"),
    **{
        name: _compare("icmp_unsigned", predicate)
        for name, predicate in (
            ("less", "<"), ("less_equal", "<="), ("greater", ">"), ("greater_equal", ">=")
        )
    },
}  # fmt: skip
BOOLEAN: dict[str, Emitter] = {
    **{name: WHOLE[name] for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "invert")},
    **{name: UNSIGNED[name] for name in ("equal", "not_equal", "less", "less_equal")},
    **{name: UNSIGNED[name] for name in ("greater", "greater_equal", "maximum", "minimum")},
    "add": WHOLE["bitwise_or"],
    "multiply": WHOLE["bitwise_and"],
}


def cast(b: Any, x: Value, old: np.dtype[Any], new: np.dtype[Any]) -> Value:
    """A value in another dtype."""
    if old == new:
        return x
    kind = TYPES[new.name]
    if isinstance(x.type, ir.VectorType):
        kind = ir.VectorType(kind, x.type.count)
    if new == BOOL:
        compare = b.fcmp_unordered if old.kind == "f" else b.icmp_unsigned
        return compare("!=", x, _like(x, 0))
    if old.kind == "f" and new.kind == "f":
        if old.itemsize == 8 and new.itemsize == 2:
            x = _rounded_to_odd(b, x)
        return b.fpext(x, kind) if new.itemsize > old.itemsize else b.fptrunc(x, kind)
    if old.kind == "f":
        return _saturating(b, x, kind, new.kind == "i")
    if new.kind == "f":
        return b.sitofp(x, kind) if old.kind == "i" else b.uitofp(x, kind)
    if old != BOOL and new.itemsize == old.itemsize:
        return x
    if old != BOOL and new.itemsize < old.itemsize:
        return b.trunc(x, kind)
    return b.sext(x, kind) if old.kind == "i" else b.zext(x, kind)


def _rounded_to_odd(b: Any, x: Value) -> Value:
    """A float64 as a float32 from which it is rounded to float16 as from itself.

    Few processors have an instruction for that. Where digits are lost, the last bit is set of what
    is left without rounding: it is never half-way between two numbers of float16.
    """
    shape = x.type.count if isinstance(x.type, ir.VectorType) else 0
    single, bits = (
        ir.VectorType(kind, shape) if shape else kind for kind in (ir.FloatType(), ir.IntType(32))
    )
    near = b.fptrunc(x, single)
    back = b.fpext(near, x.type)
    size = _intrinsic("llvm.fabs")
    beyond = b.zext(b.fcmp_ordered(">", size(b, back), size(b, x)), bits)
    lost = b.zext(b.fcmp_ordered("!=", back, x), bits)
    return b.bitcast(b.or_(b.sub(b.bitcast(near, bits), beyond), lost), single)


def _saturating(b: Any, x: Value, kind: Any, signed: bool) -> Value:
    """A float as an integer; out of range, where LLVM would answer poison, the nearest one."""
    name = "llvm.fptosi.sat" if signed else "llvm.fptoui.sat"
    return b.call(_declared(b, name, kind, [x.type], [kind, x.type]), [x])
