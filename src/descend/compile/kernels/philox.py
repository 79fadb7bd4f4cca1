"""The kernel that fills an array with the words of Philox4x64-10, as `functions.random` draws them.

Row n is the block of four words whose number is the counter plus n + 1.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# (llvmlite has no types)

from __future__ import annotations

from typing import Any

from llvmlite import ir

from descend.functions.random import MULTIPLIERS, ROUNDS, WEYL

I64, I128 = ir.IntType(64), ir.IntType(128)
POINTER = ir.PointerType()


def emit(key_stride: int, counter_stride: int) -> str:
    """The module of the kernel: operands key (2 words), counter (4 words), result."""
    module = ir.Module("philox")
    kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I64, I64])
    function = ir.Function(module, kind, "kernel")
    buffers, arguments, begin, end, _ = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    pointers = [_operand(b, buffers, arguments, k) for k in range(3)]
    key = [_load(b, pointers[0], I64(i * key_stride)) for i in range(2)]
    counter = [_load(b, pointers[1], I64(i * counter_stride)) for i in range(4)]
    entry = b.block
    head, body, after = (function.append_basic_block(name) for name in ("loop", "body", "after"))
    b.branch(head)
    b.position_at_end(head)
    row = b.phi(I64)
    row.add_incoming(begin, entry)
    b.cbranch(b.icmp_signed("<", row, end), body, after)
    b.position_at_end(body)
    words = _rounds(b, _sum(b, counter, b.add(row, I64(1))), key)
    first = b.mul(row, I64(4))
    for i, word in enumerate(words):
        b.store(word, b.gep(pointers[2], [b.add(first, I64(i))], source_etype=I64), align=8)
    row.add_incoming(b.add(row, I64(1)), b.block)
    b.branch(head)
    b.position_at_end(after)
    b.ret_void()
    return str(module)


def _operand(b: Any, buffers: Any, arguments: Any, k: int) -> Any:
    number = b.load(b.gep(arguments, [I64(2 * k)], source_etype=I64), typ=I64)
    offset = b.load(b.gep(arguments, [I64(2 * k + 1)], source_etype=I64), typ=I64)
    address = b.load(b.gep(buffers, [number], source_etype=I64), typ=I64)
    return b.inttoptr(b.add(address, offset), POINTER)


def _load(b: Any, pointer: Any, index: Any) -> Any:
    return b.load(b.gep(pointer, [index], source_etype=I64), typ=I64, align=8)


def _sum(b: Any, counter: list[Any], steps: Any) -> list[Any]:
    """The counter, a number of four words, plus some steps."""
    words: list[Any] = []
    carry = steps
    for word in counter:
        total = b.add(word, carry)
        carry = b.zext(b.icmp_unsigned("<", total, carry), I64)
        words.append(total)
    return words


def _rounds(b: Any, counter: list[Any], key: list[Any]) -> list[Any]:
    c = counter
    for i in range(ROUNDS):
        if i > 0:
            key = [b.add(k, I64(weyl)) for k, weyl in zip(key, WEYL, strict=True)]
        (high0, low0), (high1, low1) = (
            _product(b, word, factor)
            for word, factor in zip((c[0], c[2]), MULTIPLIERS, strict=True)
        )
        c = [b.xor(b.xor(high1, c[1]), key[0]), low1, b.xor(b.xor(high0, c[3]), key[1]), low0]
    return c


def _product(b: Any, x: Any, factor: int) -> tuple[Any, Any]:
    """The upper and the lower word of a product of two words."""
    whole = b.mul(b.zext(x, I128), I128(factor))
    return b.trunc(b.lshr(whole, I128(64)), I64), b.trunc(whole, I64)
