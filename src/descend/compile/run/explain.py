"""`step.explain()`: what a compiled function runs, kernel by kernel, and how near to the limit.

The kernels are timed on copies of everything they touch, so nothing of the user changes. Host calls
are made as in any run.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from math import prod
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.compile.graph import Node
from descend.compile.kernels.kernel import Access, Kernel
from descend.compile.machine.loops import Expr, Loop
from descend.compile.passes.floats import FloatCall
from descend.compile.passes.realize import DEAR
from descend.compile.passes.schedule import Band
from descend.compile.run.limits import Limits, limits
from descend.compile.run.threads import BandTime

if TYPE_CHECKING:
    from descend.compile.compiled import Compiled
    from descend.compile.record.recording import Recording
    from descend.compile.run.runtime import Executable

WIDTH = 110
"""Columns of the table."""
RUNS = 20
SECONDS = 0.3
"""Runs for a minimum, and the time after which there are no more."""
PLUMBING = frozenset(("load", "constant", "index", "cast"))
"""What is no operation to a reader."""
CHOICES = frozenset("where isfinite isnan isinf equal not_equal less less_equal greater".split())
"""What says least of what a kernel is for."""


def explain(compiled: Compiled) -> str:
    """The kernels of a compiled function's last recording, as a table."""
    recording = compiled._made()
    with compiled._lock:
        return "\n".join(_report(compiled, recording))


def _report(compiled: Compiled, recording: Recording) -> list[str]:
    executable = recording.executable
    times = _measured(executable, recording.keep)
    _restore(recording)
    name = getattr(compiled, "__name__", "function")
    count = sum(len(found) for found in compiled.recordings.values())
    lines = [
        f"{name}: {_title(executable)}",
        f"{_number(count, 'recording')}, {compiled.seconds:.2f} s to record and compile; "
        f"{_bytes(executable.peak_bytes)} of memory beside the inputs",
        "",
        *_table(executable, times),
        "",
        *_written(recording),
    ]
    backward = recording._backward
    if backward is not None:
        lines += ["", f"its derivative: {_title(backward)}", ""]
        lines += _table(backward, _measured(backward, []))
    return lines + _advice(executable)


def _title(executable: Executable) -> str:
    bands = executable.schedule.bands
    calls = sum(kernel.call is not None for kernel in executable.kernels)
    return (
        f"{_number(len(executable.kernels) - calls, 'kernel')} in "
        f"{_number(len(bands) - calls, 'band')} and {_number(executable.schedule.phases, 'phase')} "
        f"on {_number(executable.threads, 'thread')}, {_number(calls, 'host call')}"
    )


# ---- measuring --------------------------------------------------------------------------------


@dataclass
class Times:
    """Nanoseconds of one run."""

    kernels: dict[Kernel, int] = field(default_factory=dict[Kernel, int])
    """On the calling thread, which does its share."""
    waited: int = 0
    """For the other threads, at the barriers."""
    run: int = 0
    """The whole run when nothing else is measured."""

    @property
    def total(self) -> int:
        """Kernels and waiting together."""
        return sum(self.kernels.values()) + self.waited


def _measured(executable: Executable, known: list[Any]) -> Times:
    """The times of the fastest of a few runs on copies of the inputs, or on ones."""
    xs = [
        np.array(known[i], order="C") if i < len(known) and known[i] is not None else _ones(x)
        for i, x in enumerate(executable.graph.inputs)
    ]
    ys = [
        np.empty(y.shape, y.dtype) if executable.shared[i] is None else None
        for i, y in enumerate(executable.graph.outputs)
    ]
    best, whole = Times(), 0
    with np.errstate(all="ignore"):
        start = perf_counter()
        for i in range(RUNS):
            begin = perf_counter()
            with suppress(np.linalg.LinAlgError):  # of the ones that stand for what is not known
                executable.run(xs, ys)
            seconds = perf_counter() - begin
            whole = min(whole or seconds, seconds)
            times = _profiled(executable, xs, ys)
            if not best.kernels or times.total < best.total:
                best = times
            if i and perf_counter() - start > SECONDS:
                break
    best.run = int(whole * 1e9)
    return best


def _ones(x: Node) -> Any:
    return np.ones(x.shape, x.dtype)


def _profiled(executable: Executable, xs: list[Any], ys: list[Any]) -> Times:
    times = Times()
    bands = iter(executable.schedule.bands)
    for segment in executable.segments:
        if segment.program is None:
            (kernel,) = next(bands).kernels
            begin = perf_counter()
            executable._call(kernel, xs, ys)
            times.kernels[kernel] = int((perf_counter() - begin) * 1e9)
            continue
        for found in segment.program.run_profiled():
            _note(times, next(bands), found)
    executable.status[:] = 0
    return times


def _note(times: Times, band: Band, found: BandTime) -> None:
    times.waited += found.waited
    times.kernels.update(zip(band.kernels, found.calls, strict=True))


def _restore(recording: Recording) -> None:
    """Let the program read again what the recording thinks it reads; outputs are given anew."""
    for i, array in enumerate(recording.keep):
        if array is not None:
            recording.executable.set_input(i, array)


# ---- the table --------------------------------------------------------------------------------


@dataclass
class Traffic:
    """Bytes that a kernel reads and writes, and how many of them come from outside of its band."""

    read: int = 0
    written: int = 0
    fetched: int = 0
    left: int = 0


HEAD = ("phase", "units", "kernel", "bytes", "operations", "time", "%", "of the limit")


def _table(executable: Executable, times: Times) -> list[str]:
    most = limits(executable.threads)
    total = times.total
    lines_of = {
        node.params["call"]: node.line for node in executable.graph.nodes if node.op == "host"
    }
    rows: list[tuple[str, ...]] = []
    moved = operations = 0
    for band in executable.schedule.bands:
        inside: set[Any] = set()
        units = f"{band.units} by {executable.blocks[band]}"
        for i, kernel in enumerate(band.kernels):
            traffic = _traffic(kernel, band, inside)
            took = times.kernels.get(kernel, 0)
            first = (str(band.phase), units) if i == 0 else ("", "")
            size = traffic.read + traffic.written
            name = summary(kernel)
            if kernel.call is not None:
                first = (str(band.phase), "")
                call = kernel.call.call if isinstance(kernel.call, FloatCall) else kernel.call
                name = f"{kernel.title} {_short(lines_of.get(call, ''))}"
            rows.append(
                (
                    *first,
                    name,
                    _bytes(size),
                    _count(kernel.operations),
                    _time(took),
                    f"{100 * took / max(total, 1):.0f}",
                    "" if kernel.call is not None else _share(kernel, traffic, took, most),
                )
            )
            moved += size
            operations += kernel.operations
    if times.waited:
        share = f"{100 * times.waited / max(total, 1):.0f}"
        rows.append(("", "", "waiting for other threads", "", "", _time(times.waited), share, ""))
    rate = f"{_count(int(operations / max(times.run, 1) * 1e9))}/s"
    foot = ("", "", "a run", _bytes(moved), _count(operations), _time(times.run), "", rate)
    return [
        *_aligned([HEAD, *rows, foot]),
        "",
        f"The limit of {_number(executable.threads, 'thread')}: "
        f"{_count(int(most.float32))}/s in float32, {_count(int(most.float64))}/s in float64; "
        f"{_bytes(int(most.reading))}/s read, {_bytes(int(most.writing))}/s written.",
        'An exp counts as one operation but takes about twenty; "cache" is faster than memory.',
    ]


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines: names to the left, numbers to the right, names cut where they are too long."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    widths[2] = min(widths[2], WIDTH - sum(widths) + widths[2] - 2 * (len(HEAD) - 1))
    lines: list[str] = []
    for row in rows:
        cells = [
            cut(cell, width).ljust(width) if i == 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    rule = "-" * max(map(len, lines))
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def cut(text: str, width: int) -> str:
    """The text in at most so many characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def summary(kernel: Kernel) -> str:
    """A kernel in a few words: the lengths of a loop, its reductions, its operations."""
    loop = kernel.loop
    if loop is None:
        return kernel.title
    shape = "x".join(map(str, loop.lengths))
    ends = [_end(kind) for kind in dict.fromkeys(s.kind for s in loop.stores) if kind != "store"]
    names = {e.op for e in loop.expressions if e.op not in PLUMBING and not _is_place(e, loop)}
    # what says most comes first: the rest may be cut off
    words = sorted(names, key=lambda name: (name not in DEAR, name in CHOICES, name))
    if any(view.moving for view in loop.reads):
        words.insert(0, "gather")
    return f"{' '.join([shape, *ends])}: {' '.join(words)}" if words else f"{shape} copy"


def _end(kind: str) -> str:
    return "scatter" if kind == "add" else kind


def _is_place(expr: Expr, loop: Loop) -> bool:
    """Whether a value only holds a place within its axis."""
    if expr.op not in ("minimum", "maximum"):
        return False
    places = [m for view in (*loop.reads, *loop.writes) for m, _ in view.moving]
    return any(expr is m or expr in m.inputs for m in places)


def _traffic(kernel: Kernel, band: Band, inside: set[Any]) -> Traffic:
    """What a kernel moves. ``inside`` are the buffers whose block an earlier one has brought in."""
    traffic = Traffic()
    most = prod(kernel.loop.lengths) if kernel.loop is not None else 0
    for accesses, reads in ((kernel.reads, True), (kernel.writes, False)):
        sizes: dict[Any, int] = {}
        for access in dict.fromkeys(accesses):
            size = _touched(access, most) * access.buffer.dtype.itemsize
            sizes[access.buffer] = sizes.get(access.buffer, 0) + size
        for buffer, size in sizes.items():
            size = min(size, buffer.nbytes)
            here = 0 if buffer in inside or buffer in band.local else size
            if reads:
                traffic.read += size
                traffic.fetched += here
            else:
                traffic.written += size
                traffic.left += here
    for access in (*kernel.reads, *kernel.writes):
        if access.strides[0]:
            inside.add(access.buffer)
    return traffic


def _touched(access: Access, most: int) -> int:
    """How many elements an access is to."""
    if access.anywhere:
        return most or access.buffer.size
    lengths = zip(access.strides, access.lengths, strict=True)
    elements = prod(n for stride, n in lengths if stride)
    return min(elements, most) if most else elements


def _share(kernel: Kernel, traffic: Traffic, took: int, most: Limits) -> str:
    """How near a kernel is to what the machine can do at most, and which limit that is."""
    if took < 2000:  # the clock takes as long
        return ""
    if kernel.loop is None and not kernel.operations:  # it works with integers
        return ""
    sizes = [a.buffer.dtype.itemsize for a in kernel.writes if a.buffer.dtype.kind == "f"]
    seconds = took / 1e9
    computing = most.computing_seconds(kernel.operations, max(sizes, default=4)) / seconds
    moving = most.moving_seconds(traffic.fetched, traffic.left) / seconds
    if moving > 1.05 and not kernel.product:  # faster than memory
        return "cache"
    if computing > moving or moving > 1.05:
        return f"{100 * min(computing, 1):.0f} % compute"
    return f"{100 * min(moving, 1):.0f} % memory"


# ---- the rest ---------------------------------------------------------------------------------


def _written(recording: Recording) -> list[str]:
    """What a call leaves behind, and what of it needs no copy."""
    executable = recording.executable
    data = [e for e in recording.effects if e.kind == "data" and e.output is not None]
    grads = [e for e in recording.effects if e.kind == "grad"]
    in_place = [e for e in data if executable.shared[e.output or 0] is not None]
    copied = [e for e in data if executable.shared[e.output or 0] is None]
    answers = recording.results - sum(e.output is not None for e in recording.effects)
    lines = [f"Answers {_number(answers, 'array')}."]
    for word, effects in (
        ("Written in place", in_place), ("Written, then copied", copied), ("Gradients set", grads)
    ):  # fmt: skip
        sizes = [executable.graph.outputs[e.output].nbytes for e in effects if e.output is not None]
        if effects:
            what = _number(len(effects), "Variable")
            lines.append(f"{word}: {what}, {_bytes(sum(sizes))}.")
    return lines


def _advice(executable: Executable) -> list[str]:
    calls = [kernel for kernel in executable.kernels if kernel.call is not None]
    if not calls:
        return []
    names = ", ".join(dict.fromkeys(kernel.title.removeprefix("host call ") for kernel in calls))
    return [
        "",
        f"Advice: all threads wait while Python does {names}. Take it out of the function,",
        "or write it in operations that are compiled.",
    ]


def _short(line: str) -> str:
    """ "train.py:12" of a whole path."""
    name = line.replace("\\", "/").rpartition("/")[2]
    return f"at {name}" if name else ""


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _count(number: int) -> str:
    return _scaled(number, 1000, ("", "K", "M", "G", "T"))


def _bytes(number: int) -> str:
    return _scaled(number, 1000, (" B", " KB", " MB", " GB", " TB"))


def _time(nanoseconds: int) -> str:
    return _scaled(nanoseconds, 1000, (" ns", " us", " ms", " s"))


def _scaled(number: float, step: int, units: tuple[str, ...]) -> str:
    """Three digits and a unit."""
    place = 0
    while number >= 999.5 and place < len(units) - 1:
        number /= step
        place += 1
    digits = 0 if place == 0 or number >= 99.95 else 1
    return f"{number:.{digits}f}{units[place]}"
