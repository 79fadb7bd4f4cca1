"""What a graph is lowered to: kernels that read and write buffers.

A kernel has rows, the axis that threads share, and says which parts of its buffers a row touches:
that is all that the schedule needs to know of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from descend.compile.elementary import special
from descend.compile.machine.loops import Loop, View


@dataclass(eq=False)
class Buffer:
    """Memory for one array, its elements in row-major order.

    ``kind`` says who owns it: "input", "constant", "output" (the caller's), "inner" (the arena's),
    "partial" (one copy a thread, each with a part of a sum), "status" (a word that is 0 unless
    the kernel fails).
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    kind: str = "inner"
    array: Any = None
    """The elements of a constant."""
    name: str = ""
    apart: bool = False
    """Whether the kernels that write it write different elements."""

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of all elements (of one copy)."""
        return self.size * self.dtype.itemsize


@dataclass(frozen=True)
class Access:
    """The elements of a buffer that rows of a kernel touch: an offset, and strides for lengths.

    The first stride belongs to the rows. ``anywhere`` is an access to places that are looked up.
    """

    buffer: Buffer
    offset: int
    strides: tuple[int, ...]
    lengths: tuple[int, ...]
    anywhere: bool = False


@dataclass(frozen=True)
class Packing:
    """What a kernel writes to its scratch in its first call, and reads in all calls of a band.

    Two that are equal write the same. ``text`` and ``emit`` are those of the kernel that reads
    what is there already.
    """

    buffer: Buffer
    """Where it comes from."""
    form: object
    """All else that it depends on."""
    text: Callable[[], str] = field(compare=False)
    emit: Callable[[], str] = field(compare=False)


@dataclass(eq=False)
class Kernel:
    """One native function call over rows."""

    rows: int
    operands: list[Buffer]
    reads: list[Access]
    writes: list[Access]
    text: Callable[[], str]
    """What the kernel does, in words that are the same for the same machine code."""
    emit: Callable[[], str]
    """LLVM's text of it."""
    title: str
    """A few words for `explain`."""
    operations: int = 0
    """Floating-point operations of all rows."""
    numbers: tuple[int, ...] = ()
    """What the kernel gets at run time behind its operands."""
    scratch: int = 0
    """Bytes of memory that each thread needs for it, as its last operand."""
    loop: Loop | None = None
    offsets: list[int] = field(default_factory=list[int])
    """Where in its buffer each operand begins, in elements (all at 0 if empty)."""
    block: int = 1
    """Rows that are best computed together come in multiples of this."""
    product: bool = False
    """Whether few rows at a time are slow, because something must be prepared for every call."""
    call: Callable[..., Any] | None = None
    """The Python function of a host call; it has no machine code."""
    views: list[tuple[Buffer, int, tuple[int, ...], tuple[int, ...]]] = field(
        default_factory=list[tuple[Buffer, int, tuple[int, ...], tuple[int, ...]]]
    )
    """Where the arguments of a host call lie: buffer, offset, strides, shape."""
    adds: list[Buffer] = field(default_factory=list[Buffer])
    """The partial buffers that it adds to."""
    packing: Packing | None = None
    """What it keeps in scratch through a band (None: all there is for one call only)."""
    error: str = ""
    """What numpy.linalg.LinAlgError says if the kernel sets its status, its operand of that kind.
    """
    packed_by: Kernel | None = None
    """The kernel whose scratch it reads in place of its own."""


def of_loop(loop: Loop) -> Kernel:
    """The kernel of a loop."""
    from descend.compile.machine import llvm

    def access(view: View) -> Access:
        strides, lengths, anywhere = view.strides, loop.lengths, False
        for place, stride in view.moving:  # what is looked up is held within its axis
            if place.op == "minimum" and place.inputs[1].op == "constant":
                strides, lengths = (*strides, stride), (*lengths, place.inputs[1].param + 1)
            else:
                anywhere = True
        return Access(view.buffer, view.offset, strides, lengths, anywhere)

    operations = [e for e in loop.expressions if e.op not in ("load", "constant", "index")]
    called = {special.symbol(e.op) for e in operations if e.op in special.ARITIES}
    return Kernel(
        rows=loop.rows,
        operands=loop.buffers,
        offsets=[loop.starts[buffer] for buffer in loop.buffers],
        reads=[access(view) for view in loop.reads],
        writes=[access(view) for view in loop.writes],
        text=lambda: "\n".join([loop.text(), *sorted(filter(None, called))]),
        emit=lambda: llvm.emit(loop),
        title=_title([e.op for e in operations] + [s.kind for s in loop.stores]),
        operations=prod(loop.lengths) * (len(operations) + sum(bool(s.axes) for s in loop.stores)),
        loop=loop,
        adds=[s.view.buffer for s in loop.stores if s.view.buffer.kind == "partial"],
    )


def _title(operations: list[str]) -> str:
    """The operations of a loop, each once."""
    names = [name for name in dict.fromkeys(operations) if name != "store"]
    return " ".join(names) or "copy"
