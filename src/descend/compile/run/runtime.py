"""A graph made ready to run: kernels compiled, memory planned, addresses filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.compile import matrices
from descend.compile.graph import Graph, Node, node
from descend.compile.kernels.kernel import Buffer, Kernel
from descend.compile.machine import native
from descend.compile.machine.llvm import TYPES
from descend.compile.passes.buffers import ALIGNMENT, plan
from descend.compile.passes.floats import as_floats
from descend.compile.passes.fuse import fuse
from descend.compile.passes.host import called
from descend.compile.passes.packing import share_packing
from descend.compile.passes.schedule import Band, Schedule, schedule
from descend.compile.run import threads
from descend.compile.run.bridge import Bridge, Place
from descend.compile.run.memory import address_of

SMALL = 150_000
"""Operations and bytes below which a second thread costs more than it helps."""


@dataclass
class Segment:
    """What runs without Python: a program, or in its place one host call."""

    program: threads.Program | None
    call: Kernel | None = None


class Executable:
    """A graph that runs.

    ``run(inputs, outputs)`` takes arrays in row-major order and fills those of the outputs.
    ``in_place[i]`` is the input whose memory output i may take, or None: then it is written there.
    """

    def __init__(self, graph: Graph, in_place: Sequence[int | None] = ()) -> None:
        self.graph = graph
        graph = _with_own_outputs(as_floats(graph))
        self.threads = 1 if _work(graph) < SMALL else threads.thread_count()
        lowered = fuse(graph, self.threads)
        self.kernels = lowered.kernels
        self.schedule = schedule(lowered.kernels, self.threads)
        self.inputs = [lowered.buffers[x] for x in graph.inputs]
        self.outputs = [lowered.buffers[y] for y in graph.outputs]
        self.shared = _shared(self.schedule, self.inputs, self.outputs, in_place)
        for y in self.outputs:
            y.kind = "output"
        for band in self.schedule.bands:
            band.local = [b for b in band.local if b.kind == "inner"]
        share_packing(self.schedule.bands)
        blocks = {band: band.block(self.threads) for band in self.schedule.bands}
        self.blocks = blocks
        self.plan = plan(self.schedule, blocks, self.threads)
        self.codes = self._compiled()
        self.numbers: dict[Any, int] = {}
        self._number_buffers()
        self.memory = _aligned(self.plan.arena_bytes)
        fallible = [k for k in self.kernels if k.error]
        self.errors = [k.error for k in fallible]
        """What is raised where a kernel has set its word of `status`; the first of them counts."""
        self.status = np.zeros(len(fallible), np.int64)
        self.fine = self.status.tobytes()
        self.words = {k.operands[-1]: i for i, k in enumerate(fallible)}
        self.segments = self._segments()
        called = [kernel for kernel in self.kernels if kernel.call is not None]
        self.bridges = {kernel: Bridge(kernel, self._place_of) for kernel in called}
        self._fill_tables()

    @property
    def peak_bytes(self) -> int:
        """The memory that a run takes beside its inputs: arena, threads' memory, outputs."""
        own = [y for i, y in enumerate(self.outputs) if self.shared[i] is None]
        threads_own = self.plan.thread_bytes * self.threads
        return self.plan.arena_bytes + threads_own + sum(y.nbytes for y in own)

    # ---- making -----------------------------------------------------------------------------

    def _compiled(self) -> dict[Kernel, native.Code]:
        """The machine code of every kernel, each text compiled once."""
        texts = {kernel: kernel.text() for kernel in self.kernels if kernel.call is None}
        codes = native.load_named({text: kernel.emit for kernel, text in texts.items()})
        return {kernel: codes[text] for kernel, text in texts.items()}

    def _number_buffers(self) -> None:
        """A place in the table for each buffer, and for each kernel's scratch."""
        for band in self.schedule.bands:
            for kernel in band.kernels:
                for buffer in kernel.operands:
                    self.numbers.setdefault(buffer, len(self.numbers))
                    if buffer.kind == "partial":
                        self.numbers.setdefault(("copies", buffer), len(self.numbers))
                if kernel.scratch:
                    self.numbers.setdefault(kernel, len(self.numbers))
        for buffer in (*self.inputs, *self.outputs):
            self.numbers.setdefault(buffer, len(self.numbers))

    def _segments(self) -> list[Segment]:
        segments: list[Segment] = []
        bands: list[threads.Band] = []
        phase = -1

        def close() -> None:
            if bands:
                program = threads.Program(
                    tuple(bands),
                    len(self.numbers),
                    self.threads,
                    self.plan.thread_bytes,
                    keep=self.codes,
                )
                segments.append(Segment(program))
                bands.clear()

        # Nothing may be written in place before it is known whether there is an error
        last = max(_fallible(self.schedule), default=-1)
        in_place = any(place is not None for place in self.shared)
        for i, band in enumerate(self.schedule.bands):
            if in_place and i == last + 1:
                close()
                phase = -1
            if band.kernels[0].call is not None:
                close()
                segments.append(Segment(None, band.kernels[0]))
                phase = -1
                continue
            bands.append(self._native_band(band, phase not in (-1, band.phase)))
            phase = band.phase
        close()
        return segments

    def _native_band(self, band: Band, barrier: bool) -> threads.Band:
        alone = self.threads == 1 or band.units == 1
        calls: list[threads.Call] = []
        partials: dict[Buffer, threads.Partial] = {}
        scratch: list[threads.Scratch] = []
        for kernel in band.kernels:
            arguments: list[int] = []
            offsets = kernel.offsets or [0] * len(kernel.operands)
            for buffer, offset in zip(kernel.operands, offsets, strict=True):
                # a thread's own copy of a partial sum while it adds to it, later all copies
                own = buffer.kind != "partial" or buffer in kernel.adds
                number = self.numbers[buffer if own else ("copies", buffer)]
                arguments += (number, offset * buffer.dtype.itemsize)
            if kernel.scratch:
                arguments += (self.numbers[kernel], 0)
                scratch.append(threads.Scratch(self.numbers[kernel], self.plan.scratch[kernel]))
            arguments += kernel.numbers
            code = self.codes[kernel]
            calls.append(threads.Call(code["kernel"], tuple(arguments), band.rows(kernel)))
            for buffer in kernel.adds:
                copy = buffer.nbytes // buffer.shape[0]
                partials[buffer] = threads.Partial(
                    self.numbers[buffer], self.numbers["copies", buffer], copy
                )
        return threads.Band(
            band.units,
            self.blocks[band],
            tuple(calls),
            tuple(
                threads.Local(self.numbers[b], self.plan.local[b], b.nbytes // band.units)
                for b in band.local
            ),
            tuple(partials.values()),
            tuple(scratch),
            barrier,
            int(alone and not partials),
        )

    def _fill_tables(self) -> None:
        """The addresses that never change."""
        self.tables = [s.program.table for s in self.segments if s.program is not None]
        start = self.memory.ctypes.data
        self.constants: list[Any] = []
        for buffer, number in self.numbers.items():
            if isinstance(buffer, tuple):  # where the threads' copies of a partial sum lie
                self._set(number, start + self.plan.arena[buffer[1]])
            elif not isinstance(buffer, Buffer):
                continue
            elif buffer in self.words:
                self._set(number, self.status.ctypes.data + 8 * self.words[buffer])
            elif buffer in self.plan.arena:
                self._set(number, start + self.plan.arena[buffer])
            elif buffer.kind == "constant":
                array = np.require(buffer.array, buffer.dtype, ["C", "A"])
                self.constants.append(array)
                self._set(number, array.ctypes.data)
        self.input_numbers = [self.numbers[x] for x in self.inputs]
        self.output_numbers = [self.numbers[y] for y in self.outputs]
        self.output_addresses = [0] * len(self.outputs)

    def _set(self, number: int, address: int) -> None:
        for table in self.tables:
            table[number] = address

    # ---- running ----------------------------------------------------------------------------

    def run(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Fill the outputs; None stands for an output that takes an input's memory."""
        for i, array in enumerate(outputs):
            if self.shared[i] is None:
                self.set_output(i, address_of(array))
        for i, array in enumerate(inputs):
            self.set_input(i, array)
        self.execute(inputs, outputs)

    def set_input(self, i: int, array: Any) -> None:
        """Let an input be read from this array, and what takes its memory be written there."""
        address = address_of(array)
        self._set(self.input_numbers[i], address)
        for number, place in zip(self.output_numbers, self.shared, strict=True):
            if place == i:
                self._set(number, address)

    def set_output(self, i: int, address: int) -> None:
        """Let an output be written to this address."""
        if address != self.output_addresses[i]:
            self.output_addresses[i] = address
            self._set(self.output_numbers[i], address)

    def execute(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Run with the addresses that are in the tables."""
        for segment in self.segments:
            if segment.program is not None:
                segment.program.run()
                if self.errors:
                    self._refuse()
            else:
                assert segment.call is not None
                self.bridges[segment.call](inputs, outputs)

    def _refuse(self) -> None:
        """LinAlgError if a kernel has found that it cannot compute its result."""
        if self.status.tobytes() != self.fine:
            first = int(np.flatnonzero(self.status)[0])
            self.status[:] = 0
            raise np.linalg.LinAlgError(self.errors[first])

    def _call(self, kernel: Kernel, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """A host call: its arguments as copies, its results into their buffers."""
        self.bridges[kernel](inputs, outputs)

    def _place_of(self, buffer: Buffer) -> Place:
        """Where a buffer of a host call lies."""
        if buffer in self.plan.arena:
            start = self.plan.arena[buffer]
            return Place(self.memory[start : start + buffer.nbytes])
        if buffer.kind == "constant":
            return Place(np.require(buffer.array, buffer.dtype, ["C"]))
        if buffer in self.inputs:
            return Place(index=self.inputs.index(buffer))
        output = self.outputs.index(buffer)
        shared = self.shared[output]
        return Place(index=output, output=True) if shared is None else Place(index=shared)


def _with_own_outputs(graph: Graph) -> Graph:
    """The graph with every output an array of its own: no input, no constant, no two the same."""
    seen: set[Node] = set(graph.inputs)
    outputs: list[Node] = []
    for y in graph.outputs:
        if y.dtype.name not in TYPES:  # numbers of 128 bits, for example
            if y in seen or y.op != "part":
                y = called(node("cast", y, dtype=y.dtype))
        elif y in seen or y.op in ("constant", "part"):
            y = node("cast", y, dtype=y.dtype)
        seen.add(y)
        outputs.append(y)
    return Graph(graph.inputs, outputs)


def _work(graph: Graph) -> int:
    """About how many operations and bytes a graph takes."""
    total = 0
    for x in graph.nodes:
        if x.op == "matmul":
            total += 2 * x.size * x.inputs[0].shape[-1]
        elif x.op.startswith("convolve"):
            total += 1 << 30
        elif x.op in matrices.OPERATIONS and x.ndim > 1 and x.shape[0] > 1:
            total += x.inputs[0].size * x.inputs[0].shape[-1]
        elif x.op not in ("reshape", "transpose", "broadcast_to", "slice", "constant"):
            total += 4 * max([x.size, *(i.size for i in x.inputs)])
    return total


def _shared(
    schedule: Schedule,
    inputs: list[Buffer],
    outputs: list[Buffer],
    in_place: Sequence[int | None],
) -> list[int | None]:
    """For each output the input whose memory it takes: one that nobody reads any more by then."""
    home = {kernel: band for band in schedule.bands for kernel in band.kernels}
    readers: dict[Buffer, list[Kernel]] = {}
    writers: dict[Buffer, list[Kernel]] = {}
    for kernel in home:
        for access in kernel.reads:
            readers.setdefault(access.buffer, []).append(kernel)
        for access in kernel.writes:
            writers.setdefault(access.buffer, []).append(kernel)
    # A call of Python may fail, and so may a kernel: then nothing may be written yet
    early = {
        k for b in schedule.bands[: max(_fallible(schedule), default=-1) + 1] for k in b.kernels
    }
    result: list[int | None] = []
    for i, y in enumerate(outputs):
        place = in_place[i] if i < len(in_place) else None
        if not early.isdisjoint(writers.get(y, [])):
            place = None
        if place is not None and not _may_share(inputs[place], y, readers, writers, home):
            place = None
        result.append(place)
    return result


def _fallible(schedule: Schedule) -> list[int]:
    """The numbers of the bands in which something may fail."""
    return [
        i
        for i, band in enumerate(schedule.bands)
        if any(k.call is not None or k.error for k in band.kernels)
    ]


def _may_share(
    x: Buffer,
    y: Buffer,
    readers: dict[Buffer, list[Kernel]],
    writers: dict[Buffer, list[Kernel]],
    home: dict[Kernel, Band],
) -> bool:
    if len(writers.get(y, [])) != 1:
        return False
    (writer,) = writers[y]
    if writer.loop is None:
        return False
    write = next(a for a in writer.writes if a.buffer is y)
    for reader in readers.get(x, []):
        if home[reader].phase < home[writer].phase:
            continue
        if reader is not writer:
            return False
        for access in reader.reads:
            if access.buffer is x and (access.offset, access.strides, access.anywhere) != (
                write.offset, write.strides, False
            ):  # fmt: skip
                return False
    return True


def _aligned(size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]


def text_of(executable: Executable) -> str:
    """The kernels as text, band by band."""
    lines: list[str] = []
    for band in executable.schedule.bands:
        lines.append(f"phase {band.phase}: {band.units} units, {executable.blocks[band]} at a time")
        for kernel in band.kernels:
            text = kernel.text() if kernel.call is None else kernel.title
            lines += ["  " + line for line in text.splitlines()]
    return "\n".join(lines)
