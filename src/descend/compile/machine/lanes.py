"""Arithmetic on LLVM values written as Python expressions: `x * y + 1` emits the instructions.

A value is a scalar or a vector; what is written here holds for each of its lanes. None of the
instructions has a fast-math flag: NaN, infinity and the sign of zero are what IEEE 754 says.
"""
# llvmlite has no types, and those that pyright infers from its source are wrong:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from llvmlite import ir

Builder: TypeAlias = Any  # ir.IRBuilder
Value: TypeAlias = Any  # ir.Value

FLOATS: dict[int, ir.Type] = {32: ir.FloatType(), 64: ir.DoubleType()}
MANTISSA = {32: 23, 64: 52}  # bits stored


def scalar_of(type: ir.Type) -> ir.Type:
    """The type of one lane."""
    return type.element if isinstance(type, ir.VectorType) else type


def splat(type: ir.Type, number: float) -> ir.Constant:
    """The number in every lane of a value of this type."""
    if isinstance(type, ir.VectorType):
        return ir.Constant(type, [number] * type.count)
    return ir.Constant(type, number)


def call_intrinsic(builder: Builder, name: str, values: Sequence[Value], result: ir.Type) -> Value:
    """The result of LLVM's intrinsic, overloaded on the type of the first value."""
    type = values[0].type
    scalar = scalar_of(type)
    lanes = f"v{type.count}" if isinstance(type, ir.VectorType) else ""
    letter = "i" if isinstance(scalar, ir.IntType) else "f"
    width = scalar.width if isinstance(scalar, ir.IntType) else (32, 64)[scalar == FLOATS[64]]
    full_name = f"llvm.{name}.{lanes}{letter}{width}"
    function = builder.module.globals.get(full_name)
    if function is None:
        signature = ir.FunctionType(result, [value.type for value in values])
        function = ir.Function(builder.module, signature, full_name)
    return builder.call(function, values)


class Lanes:
    """An LLVM value (scalar or vector of floats, integers or booleans) and where code is emitted.

    Numbers in expressions stand for themselves in every lane. Comparisons are false for NaN.
    """

    def __init__(self, builder: Builder, value: Value):
        self.builder = builder
        self.value = value

    @property
    def width(self) -> int:
        """Bits of one lane."""
        scalar = scalar_of(self.value.type)
        if isinstance(scalar, ir.IntType):
            return scalar.width
        return 64 if scalar == FLOATS[64] else 32

    @property
    def is_float(self) -> bool:
        """Whether the lanes are floating-point numbers."""
        return not isinstance(scalar_of(self.value.type), ir.IntType)

    def typed(self, scalar: ir.Type) -> ir.Type:
        """The type of as many lanes of another scalar type."""
        type = self.value.type
        return ir.VectorType(scalar, type.count) if isinstance(type, ir.VectorType) else scalar

    def constant(self, number: float) -> Lanes:
        """The number in every lane."""
        return Lanes(self.builder, splat(self.value.type, number))

    def _raw(self, x: Lanes | float) -> Value:
        return x.value if isinstance(x, Lanes) else splat(self.value.type, x)

    def _emit(self, instruction: Callable[..., Any], *xs: Lanes | float) -> Lanes:
        return Lanes(self.builder, instruction(*map(self._raw, xs)))

    def __add__(self, x: Lanes | float) -> Lanes:
        return self._emit(self.builder.fadd if self.is_float else self.builder.add, self, x)

    def __sub__(self, x: Lanes | float) -> Lanes:
        return self._emit(self.builder.fsub if self.is_float else self.builder.sub, self, x)

    def __rsub__(self, x: float) -> Lanes:
        return self.constant(x) - self

    def __mul__(self, x: Lanes | float) -> Lanes:
        return self._emit(self.builder.fmul if self.is_float else self.builder.mul, self, x)

    __radd__ = __add__
    __rmul__ = __mul__

    def __truediv__(self, x: Lanes | float) -> Lanes:
        return self._emit(self.builder.fdiv, self, x)

    def __rtruediv__(self, x: float) -> Lanes:
        return self.constant(x) / self

    def __neg__(self) -> Lanes:
        return Lanes(self.builder, self.builder.fneg(self.value))

    def __lt__(self, x: Lanes | float) -> Lanes:
        return self._compare("<", x)

    def __gt__(self, x: Lanes | float) -> Lanes:
        return self._compare(">", x)

    def equals(self, x: Lanes | float) -> Lanes:
        """Where the lanes are equal (`==` stays Python's, on the objects)."""
        return self._compare("==", x)

    def differs(self, x: Lanes | float) -> Lanes:
        """Where the lanes are neither equal nor NaN."""
        return self._compare("!=", x)

    def _compare(self, relation: str, x: Lanes | float) -> Lanes:
        compare = self.builder.fcmp_ordered if self.is_float else self.builder.icmp_signed
        return Lanes(self.builder, compare(relation, self.value, self._raw(x)))

    def __and__(self, x: Lanes | int) -> Lanes:
        return self._emit(self.builder.and_, self, x)

    def __or__(self, x: Lanes | int) -> Lanes:
        return self._emit(self.builder.or_, self, x)

    def __xor__(self, x: Lanes | int) -> Lanes:
        return self._emit(self.builder.xor, self, x)

    def __lshift__(self, count: int) -> Lanes:
        return self._emit(self.builder.shl, self, count)

    def __rshift__(self, count: int) -> Lanes:
        """Filled with zeros: AVX2 has no other shift of 64-bit lanes."""
        return self._emit(self.builder.lshr, self, count)

    def bits(self) -> Lanes:
        """The integers whose bits are these floats'."""
        integers = self.typed(ir.IntType(self.width))
        return Lanes(self.builder, self.builder.bitcast(self.value, integers))

    def floats(self) -> Lanes:
        """The floats whose bits are these integers'."""
        return Lanes(self.builder, self.builder.bitcast(self.value, self.typed(FLOATS[self.width])))

    def widened(self) -> Lanes:
        """The float32 lanes in float64."""
        return Lanes(self.builder, self.builder.fpext(self.value, self.typed(FLOATS[64])))

    def narrowed(self) -> Lanes:
        """The 64-bit lanes in 32 bits: floats rounded, integers cut off."""
        if self.is_float:
            return Lanes(self.builder, self.builder.fptrunc(self.value, self.typed(FLOATS[32])))
        return Lanes(self.builder, self.builder.trunc(self.value, self.typed(ir.IntType(32))))

    def intrinsic(self, name: str, *xs: Lanes | float) -> Lanes:
        """LLVM's intrinsic of this value and others of its type."""
        values = [self.value, *map(self._raw, xs)]
        return Lanes(self.builder, call_intrinsic(self.builder, name, values, self.value.type))

    def times_plus(self, x: Lanes | float, y: Lanes | float) -> Lanes:
        """self * x + y, rounded once where the processor has an instruction for that."""
        return self.intrinsic("fmuladd", x, y)

    def exactly_times_plus(self, x: Lanes | float, y: Lanes | float) -> Lanes:
        """self * x + y, rounded once on every processor: for the error of a rounded product."""
        return self.intrinsic("fma", x, y)

    def __abs__(self) -> Lanes:
        return self.intrinsic("fabs")

    def with_sign_of(self, x: Lanes) -> Lanes:
        """These magnitudes with the signs of `x`."""
        return self.intrinsic("copysign", x)

    def at_most(self, bound: float) -> Lanes:
        """The lanes, or the bound where they are above; NaN stays (as x86's `minps` has it)."""
        return where(self > bound, bound, self)

    def at_least(self, bound: float) -> Lanes:
        """The lanes, or the bound where they are below; NaN stays."""
        return where(self < bound, bound, self)


def where(mask: Lanes, x: Lanes | float, y: Lanes | float) -> Lanes:
    """`x` in the lanes where the mask holds, `y` in the others."""
    known = x if isinstance(x, Lanes) else y
    assert isinstance(known, Lanes)
    values = [v.value if isinstance(v, Lanes) else splat(known.value.type, v) for v in (x, y)]
    return Lanes(mask.builder, mask.builder.select(mask.value, *values))


def nearest(x: Lanes, factor: float, offset: int = 0) -> tuple[Lanes, Lanes]:
    """The integer k next to x * factor, as a float, and bits that end with k + offset.

    Adding 1.5 * 2**mantissa leaves no bits for a fraction: the sum is rounded to an integer and
    its lowest bits are that integer in two's complement.
    """
    magic = 1.5 * 2.0 ** MANTISSA[x.width] + offset
    shifted = x.times_plus(factor, magic)
    return shifted - magic, shifted.bits()


def polynomial(x: Lanes, coefficients: Sequence[float]) -> Lanes:
    """The polynomial with these coefficients, lowest first.

    Estrin's scheme: neighbours are paired, then pairs of pairs. It is as many roundings deep as
    the logarithm of the degree, where Horner's waits for each multiplication in turn.
    """
    terms: list[Lanes] = [x.constant(c) for c in coefficients]
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        left_over = terms[-1:] if len(terms) % 2 else []
        terms = [high.times_plus(x, low) for low, high in pairs] + left_over
        x = x * x
    return terms[0]
