"""Running a compiled program: bands of kernels, on one thread or on several at once.

A `Program` is a list of `Band`s; a band is a list of kernel calls whose leading axes are cut the
same way into units. Each thread takes an even share of a band's units, a block of them at a time,
and calls the kernels one after the other for that block, so that what one of them leaves for the
next is still in the cache. All bands with as many units are shared out in the same way.

No Python runs inside: native code (interpreter.ll) walks over an array of integers, the tape.
The workers are daemon threads of Python that sit inside one native call. They are started when
the first program needs them, are awake for a moment after each run, then sleep.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import importlib.resources
import os
import platform
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from descend.compile.machine import native

Words = npt.NDArray[np.int64]

_PROFILE, _BUSY = 8, 9
"""Words of the tape: see %program."""

MOST_THREADS = 1024
PATIENCE = 50_000
"""Nanoseconds that a worker without work stays awake: waking a sleeping one takes about as long."""


@dataclass(frozen=True, slots=True)
class Call:
    """A kernel's call: its address, its arguments, and the rows of its axis that are one unit.

    The arguments are a buffer and a byte offset for each operand, then whatever numbers follow.
    """

    kernel: int
    arguments: tuple[int, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Local:
    """A buffer of which each thread has the current block only, ``offset`` into its own memory."""

    buffer: int
    offset: int
    unit_bytes: int


@dataclass(frozen=True, slots=True)
class Partial:
    """A buffer of which each thread has a copy, zero at the band's start.

    Thread t's copy begins t * stride bytes behind the address of the buffer ``first``.
    """

    buffer: int
    first: int
    stride: int


@dataclass(frozen=True, slots=True)
class Scratch:
    """A buffer for one kernel's own use, ``offset`` into the thread's own memory."""

    buffer: int
    offset: int


@dataclass(frozen=True, slots=True)
class Band:
    """Kernel calls whose units are shared out together.

    With ``barrier``, no thread begins before all have ended the bands before it. With
    ``threads=1``, thread 0 does all units.
    """

    units: int
    block: int
    calls: tuple[Call, ...]
    locals: tuple[Local, ...] = ()
    partials: tuple[Partial, ...] = ()
    scratch: tuple[Scratch, ...] = ()
    barrier: bool = False
    threads: int = 0


@dataclass(frozen=True, slots=True)
class BandTime:
    """Nanoseconds that thread 0 waited before a band, and spent in each of its calls."""

    waited: int
    calls: tuple[int, ...]


class Program:
    """Bands, ready to run. Write the addresses of the buffers into ``table``, then call ``run``.

    Several threads may run one program; they take turns. Those that write different addresses
    need a lock of their own around that and the run. ``keep`` is held on to as long as the
    program lives: the `native.Code` of its kernels.
    """

    def __init__(
        self,
        bands: Sequence[Band],
        buffer_count: int,
        threads: int,
        thread_bytes: int = 0,
        keep: object = None,
    ) -> None:
        assert 1 <= threads <= MOST_THREADS
        self.bands = tuple(bands)
        self.threads = threads if any(band.threads != 1 for band in self.bands) else 1
        """Threads that take part in a run: the calling one alone if no band is shared out."""
        self.table: Words = np.zeros(max(buffer_count, 1), np.int64)
        self.keep = keep
        table_bytes = _round_up(self.table.nbytes, 64)
        stride = _round_up(table_bytes + thread_bytes, 128)
        # Not touched here: a thread's pages are to lie where the thread runs.
        self._memory = _aligned(stride * self.threads, 128)
        header = (
            len(self.bands),
            self.threads,
            threads,
            buffer_count,
            self.table.ctypes.data,
            self._memory.ctypes.data,
            stride,
            table_bytes,
            0,
            0,
        )
        words = [word for band in self.bands for word in _words(band, threads)]
        self._tape: Words = np.array([*header, *words], np.int64)
        self._address = ctypes.c_size_t(self._tape.ctypes.data)
        self._times: Words = np.zeros(sum(1 + len(band.calls) for band in self.bands), np.int64)
        self._run_alone = interpreter().run_alone
        _programs.add(self)

    def run(self) -> None:
        """Run all bands once. Returns when every thread is done."""
        if self.threads == 1:
            self._run_alone(self._address)
        else:
            _pool.run(self._address, self.threads)

    def run_profiled(self) -> list[BandTime]:
        """Run all bands once, reading the clock around each call on thread 0."""
        self._times[:] = 0
        self._tape[_PROFILE] = self._times.ctypes.data
        try:
            self.run()
        finally:
            self._tape[_PROFILE] = 0
        rest = iter(self._times.tolist())
        return [BandTime(next(rest), tuple(next(rest) for _ in band.calls)) for band in self.bands]

    def free(self) -> None:
        """Forget that a thread runs it: in a forked process that thread does not exist."""
        self._tape[_BUSY] = 0


@functools.cache
def thread_count() -> int:
    """The number of threads that programs are made for.

    It is ``DESCEND_THREADS``, else the first number of ``OMP_NUM_THREADS``, else the number of
    cores that this process may use.
    """
    own = os.environ.get("DESCEND_THREADS", "")
    if own and not (own.isdecimal() and 1 <= int(own) <= MOST_THREADS):
        raise ValueError(
            f"DESCEND_THREADS is {own!r}, but must be a number from 1 to {MOST_THREADS}"
        )
    others = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    given = own or others
    count = int(given) if given.isdecimal() else 0
    return min(count or native.available_cores(), MOST_THREADS)


# ----------------------------------------------------------------------------------- the tape


def _words(band: Band, threads: int) -> list[int]:
    """A band as interpreter.ll reads it."""
    assert band.block > 0 and band.threads in (0, 1)
    words = [
        band.units,
        band.block,
        band.units // threads,
        band.units % threads,
        int(band.threads == 1),
        int(band.barrier),
        len(band.partials),
        len(band.scratch),
        len(band.locals),
        len(band.calls),
    ]
    for partial in band.partials:
        words += (partial.buffer, partial.first, partial.stride)
    for scratch in band.scratch:
        words += (scratch.buffer, scratch.offset)
    for local in band.locals:
        words += (local.buffer, local.offset, local.unit_bytes)
    for call in band.calls:
        words += (call.kernel, call.rows, len(call.arguments), *call.arguments)
    return [len(words) + 1, *words]


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _aligned(size: int, alignment: int) -> npt.NDArray[np.uint8]:
    """Zeros at an address that is a multiple of the alignment."""
    memory = np.zeros(size + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + size]


# ---------------------------------------------------------------------------- the native code


class Interpreter:
    """The functions of interpreter.ll."""

    def __init__(self) -> None:
        # A fifth of the time of a small program is spent between its kernels: worth level 2 once.
        self._code = native.load(_platform_text() + _text(), level=2)
        self.run_alone = self._function("run_alone", 1)
        self.run_together = self._function("run_together", 2)
        self.serve = self._function("serve", 3)
        self.dismiss = self._function("dismiss", 2)
        # A worker that is still at it when Python ends must not lose the code that it runs.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._code))

    def _function(self, name: str, arguments: int) -> Callable[..., None]:
        prototype = ctypes.CFUNCTYPE(None, *(ctypes.c_size_t,) * arguments)
        return prototype(self._code[name])


@functools.cache
def interpreter() -> Interpreter:
    """The interpreter of this process."""
    return Interpreter()


def _text() -> str:
    file = importlib.resources.files("descend.compile.run").joinpath("interpreter.ll")
    clock_monotonic = "6" if sys.platform == "darwin" else "1"
    return file.read_text(encoding="utf-8").replace("@clock@", clock_monotonic)


def _platform_text() -> str:
    """The definition of @pause: the processor's word for "I am waiting for another thread"."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64", "i686"):
        declaration, call = "declare void @llvm.x86.sse2.pause()", "@llvm.x86.sse2.pause()"
    elif machine in ("arm64", "aarch64"):
        # Its "yield" takes no time at all.
        declaration, call = "declare void @llvm.aarch64.isb(i32)", "@llvm.aarch64.isb(i32 15)"
    else:
        return "define internal void @pause() {\n  ret void\n}\n"
    return f"{declaration}\ndefine internal void @pause() {{\n  call void {call}\n  ret void\n}}\n"


# -------------------------------------------------------------------------------- the workers


class _Pool:
    """The workers. One program at a time has them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held while native code of several threads runs, not while Python is called by it."""
        self.workers: dict[int, threading.Thread] = {}
        self._memory: npt.NDArray[np.uint8] | None = None
        self._address = 0
        self._full = False

    def run(self, program: ctypes.c_size_t, threads: int) -> None:
        """Run a program with workers 1, 2, ..., or alone if there are not enough of them."""
        with self.lock:
            if len(self.workers) < threads - 1 and not self._full:
                self._start(threads - 1)
            if len(self.workers) < threads - 1:
                interpreter().run_alone(program)
            else:
                interpreter().run_together(self._address, program)

    def _start(self, count: int) -> None:
        native_code = interpreter()
        if self._memory is None:
            # Two lines, then 1 KB for each worker: see %pool. Pages nobody touches cost nothing.
            self._memory = _aligned(256 + 1024 * MOST_THREADS, 128)
            self._address = int(self._memory.ctypes.data)
        for number in range(len(self.workers) + 1, count + 1):
            worker = threading.Thread(
                target=native_code.serve,
                args=(self._address, number, PATIENCE),
                name=f"descend-{number}",
                daemon=True,
            )
            try:
                # A signal may come in between, so that the thread runs and is not listed. Then
                # another one is started for its place, finds the place taken and ends.
                worker.start()
            except RuntimeError:  # no more threads for this process
                self._full = True
                return
            self.workers[number] = worker

    def close(self) -> None:
        """Let the workers end. Programs run on the calling thread from then on."""
        if not self.lock.acquire(timeout=1):
            return  # a daemon thread runs a program to the last: so be it
        try:
            self._full = True
            for number in self.workers:
                interpreter().dismiss(self._address, number)
            for worker in self.workers.values():
                worker.join(timeout=1)
            self.workers.clear()
        finally:
            self.lock.release()


_pool = _Pool()
_programs: weakref.WeakSet[Program] = weakref.WeakSet()


def _after_fork() -> None:
    """A forked process has none of the threads, and perhaps their locks."""
    global _pool
    _pool = _Pool()
    for program in _programs:
        program.free()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(lambda: _pool.close())
