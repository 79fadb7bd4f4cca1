"""Where each buffer lies: one arena for what lives between bands, a block a thread for the rest.

A buffer of the arena is needed from the phase that writes it to the last one that reads it; after
that its place is free for others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from descend.compile.kernels.kernel import Buffer, Kernel
from descend.compile.passes.schedule import Band, Schedule

ALIGNMENT = 64


@dataclass
class Plan:
    """Places, in bytes from the start of the arena or of a thread's own memory."""

    arena: dict[Buffer, int] = field(default_factory=dict[Buffer, int])
    arena_bytes: int = 0
    local: dict[Buffer, int] = field(default_factory=dict[Buffer, int])
    scratch: dict[Kernel, int] = field(default_factory=dict[Kernel, int])
    thread_bytes: int = 0


def plan(schedule: Schedule, blocks: dict[Band, int], threads: int) -> Plan:
    """Places for everything that the caller does not own."""
    result = Plan()
    lives: dict[Buffer, tuple[int, int]] = {}
    for band in schedule.bands:
        own = set(band.local)
        for kernel in band.kernels:
            for access in (*kernel.reads, *kernel.writes):
                buffer = access.buffer
                if buffer.kind not in ("inner", "partial") or buffer in own:
                    continue
                first, last = lives.get(buffer, (band.phase, band.phase))
                lives[buffer] = (min(first, band.phase), max(last, band.phase))
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first and last phase
    for buffer, (first, last) in sorted(lives.items(), key=lambda item: -item[0].nbytes):
        size = _round_up(max(buffer.nbytes, 1))
        taken = _taken(placed, first, last)
        offset = _first_gap(taken, size)
        placed.append((offset, offset + size, first, last))
        result.arena[buffer] = offset
        result.arena_bytes = max(result.arena_bytes, offset + size)
    for band in schedule.bands:
        _plan_band(band, blocks[band], threads, result)
    return result


def _plan_band(band: Band, block: int, threads: int, result: Plan) -> None:
    """The local buffers and the scratch of one band; the next band uses the same memory."""
    last_use: dict[Buffer | Kernel, int] = {}
    first_use: dict[Buffer | Kernel, int] = {}
    local = set(band.local)
    for i, kernel in enumerate(band.kernels):
        used: list[Buffer | Kernel] = [
            access.buffer for access in (*kernel.reads, *kernel.writes) if access.buffer in local
        ]
        if kernel.scratch:
            used.append(kernel.packed_by or kernel)
        for user in used:
            first_use.setdefault(user, i)
            last_use[user] = i
    if block * threads < band.units:  # the next block reads what the first one packed
        for kernel in band.kernels:
            if kernel.packing is not None and kernel.packed_by is None:
                first_use[kernel], last_use[kernel] = 0, len(band.kernels)
    placed: list[tuple[int, int, int, int]] = []
    for user, first in first_use.items():
        last = last_use[user]
        size = user.scratch if isinstance(user, Kernel) else user.nbytes // band.units * block
        taken = _taken(placed, first, last)
        offset = _first_gap(taken, _round_up(size))
        placed.append((offset, offset + _round_up(size), first, last))
        if isinstance(user, Kernel):
            result.scratch[user] = offset
        else:
            result.local[user] = offset
    for kernel in band.kernels:
        if kernel.packed_by is not None:
            result.scratch[kernel] = result.scratch[kernel.packed_by]
    result.thread_bytes = max([result.thread_bytes, *(end for _, end, _, _ in placed)])


def _taken(placed: list[tuple[int, int, int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """The places of those whose lives (their last two numbers) overlap one from first to last."""
    return sorted(
        (begin, end) for begin, end, born, dies in placed if born <= last and first <= dies
    )


def _first_gap(taken: list[tuple[int, int]], size: int, start: int = 0) -> int:
    """The first place where so many bytes are free."""
    place = start
    for begin, end in taken:
        if begin - place >= size:
            return place
        place = max(place, end)
    return place


def _round_up(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
