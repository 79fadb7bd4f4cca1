"""What this machine can do at most: multiply-adds in registers, and bytes to and from memory.

Measured once in a process, in about 250 ms, by loops that do nothing else. While other
programs keep the cores busy, they come out too low.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from math import inf
from time import perf_counter
from typing import Any

import numpy as np

from descend.compile.kernels import tiles
from descend.compile.machine import native
from descend.compile.run.threads import Band, Call, Program

CHAINS = 10
"""Sums kept at once: enough for two multiply-adds a cycle that take four or five each."""
ROUNDS = 40_000
SECONDS = 0.05
"""How long each of the loops is tried; what counts is the best run."""
MEMORY = 96 << 20
"""Bytes that are read and written: more than the caches hold."""
UNROLLED = 8
"""Vectors a round."""


@dataclass(frozen=True)
class Limits:
    """What some threads do in a second, together."""

    float32: float
    """Floating-point operations; a multiply-add is two."""
    float64: float
    reading: float
    """Bytes read from memory."""
    writing: float
    """Bytes written to memory."""

    def computing_seconds(self, operations: int, itemsize: int = 4) -> float:
        """The least time for so many operations on numbers of so many bytes."""
        return operations / (self.float64 if itemsize == 8 else self.float32)

    def moving_seconds(self, read: int, written: int) -> float:
        """The least time for bringing so many bytes from memory and taking so many there."""
        return read / self.reading + written / self.writing


@functools.cache
def limits(threads: int) -> Limits:
    """The limits of so many threads."""
    width = tiles.vector_bytes()
    float32, float64 = (
        2 * CHAINS * (width // size) * ROUNDS * threads
        / _seconds(_arithmetic(kind, width // size), ROUNDS, threads)
        for kind, size in (("float", 4), ("double", 8))
    )  # fmt: skip
    memory = np.ones(MEMORY, np.uint8)  # zeros would be one page, read over and over
    rows = MEMORY // (width * UNROLLED) // threads
    moved = rows * threads * width * UNROLLED
    reading, writing = (
        moved / _seconds(_walk(body, width), rows, threads, memory) for body in (_READ, _WRITE)
    )
    return Limits(float32, float64, reading, writing)


def _seconds(text: str, rows: int, threads: int, memory: Any = None) -> float:
    """The least time of a kernel in which each thread does so many rows."""
    code = native.load(text)
    call = Call(code["kernel"], (0, 0), rows)
    program = Program([Band(threads, 1, (call,))], 1, threads, keep=code)
    program.table[0] = 0 if memory is None else memory.ctypes.data
    best = inf
    end = perf_counter() + SECONDS
    while (start := perf_counter()) < end:
        program.run()
        best = min(best, perf_counter() - start)
    return best


# ---- the loops, as LLVM's text ----------------------------------------------------------------

_LOOP = """
define void @kernel(ptr %table, ptr %arguments, i64 %begin, i64 %end, i64 %first) {{
entry:
  %address = load ptr, ptr %table
  %sink = alloca {kind}, align 64
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %i.next, %loop ]
{body}
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %end
  br i1 %more, label %loop, label %done
done:
{end}
  ret void
}}
"""


def _arithmetic(scalar: str, lanes: int) -> str:
    """Sums that depend only on themselves: y = y * 0.5 + 1."""
    kind = f"<{lanes} x {scalar}>"
    name = f"@llvm.fmuladd.v{lanes}f{32 if scalar == 'float' else 64}"
    half, one = (f"splat ({scalar} {number})" for number in ("0.5", "1.0"))
    chains = range(CHAINS)
    phis = [f"  %y{k} = phi {kind} [ {one}, %entry ], [ %z{k}, %loop ]" for k in chains]
    sums = [
        f"  %z{k} = call {kind} {name}({kind} %y{k}, {kind} {half}, {kind} {one})" for k in chains
    ]
    body, end = "\n".join(phis + sums), _kept(kind, CHAINS)
    return f"declare {kind} {name}({kind}, {kind}, {kind})" + _LOOP.format(
        kind=kind, body=body, end=end
    )


_READ = (
    "  %y{k} = phi {kind} [ zeroinitializer, %entry ], [ %z{k}, %loop ]",
    "  %p{k} = getelementptr {kind}, ptr %address, i64 %j{k}\n"
    "  %x{k} = load {kind}, ptr %p{k}, align 8\n"
    "  %z{k} = xor {kind} %y{k}, %x{k}",
)
_WRITE = (
    "  %z{k} = add {kind} zeroinitializer, zeroinitializer",
    "  %p{k} = getelementptr {kind}, ptr %address, i64 %j{k}\n"
    "  store {kind} %z{k}, ptr %p{k}, align 8",
)


def _walk(step: tuple[str, str], width: int) -> str:
    """A walk over memory that does a step with each vector."""
    kind = f"<{width // 8} x i64>"
    lines = [step[0].format(k=k, kind=kind) for k in range(UNROLLED)]
    lines.append(f"  %first.j = mul i64 %i, {UNROLLED}")
    for k in range(UNROLLED):
        lines.append(f"  %j{k} = add i64 %first.j, {k}")
        lines.append(step[1].format(k=k, kind=kind))
    return _LOOP.format(kind=kind, body="\n".join(lines), end=_kept(kind, UNROLLED))


def _kept(kind: str, count: int) -> str:
    """What is computed is stored in the end, so that nobody finds it to be for nothing."""
    return "\n".join(f"  store volatile {kind} %z{k}, ptr %sink, align 64" for k in range(count))
