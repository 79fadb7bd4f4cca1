"""Which kernels run together: a list of kernels becomes bands in phases.

The kernels of a *band* cut their rows into the same number of units, and what one reads of another
lies in the same unit: so a thread can take a few units through all kernels of the band, one block
after the other, while they are in its cache, and meets no other thread. A *phase* is what lies
between two barriers: whatever reads what another thread wrote is in a later phase.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, gcd, prod

from descend.compile.kernels.kernel import Access, Buffer, Kernel

CACHE = 160 * 1024
"""Bytes that the blocks of a band should not exceed, so that they stay in a core's own cache."""
ROWS_OF_PRODUCTS = 48
"""Rows that a matrix product should get at once."""

SUMMED = 4096
"""Elements that are added to one sum in a row: longer sums in float32 would lose digits."""
TINY = 10_000
"""Operations that are rather left to one thread than shared."""


@dataclass(eq=False)
class Band:
    """Kernels that run block by block, their rows cut into the same number of units."""

    phase: int
    units: int
    kernels: list[Kernel] = field(default_factory=list[Kernel])
    local: list[Buffer] = field(default_factory=list[Buffer])
    """The buffers of which each thread has one block only."""

    def rows(self, kernel: Kernel) -> int:
        """The rows of a kernel that are one unit."""
        return kernel.rows // self.units

    def block(self, threads: int) -> int:
        """How many units at a time."""
        share = max(1, ceil(self.units / threads))
        share = min(share, self._summed_at_once(share))
        if len(self.kernels) == 1:
            return share
        seen: set[Buffer] = set()
        held = 0
        for kernel in self.kernels:
            for access in (*kernel.reads, *kernel.writes):
                if access.buffer not in seen and access.strides[0]:
                    seen.add(access.buffer)
                    held += access.buffer.nbytes // max(self.units, 1)
        block = max(1, CACHE // max(held, 1))
        for kernel in self.kernels:
            block = max(block, ceil(kernel.block / self.rows(kernel)))
            if kernel.product:
                block = max(block, ceil(ROWS_OF_PRODUCTS / self.rows(kernel)))
        if block >= share:
            return share
        return ceil(share / ceil(share / block))  # even blocks

    def _summed_at_once(self, share: int) -> int:
        """Units of which a loop that sums over its rows adds up no more than is exact enough."""
        for kernel in self.kernels:
            if kernel.adds and kernel.loop is not None:
                row = prod(kernel.loop.lengths[1:]) if 1 in _reduced(kernel) else 1
                share = min(share, max(1, SUMMED // (row * self.rows(kernel))))
        return share


def _reduced(kernel: Kernel) -> set[int]:
    """The axes that the sums of a loop go over."""
    assert kernel.loop is not None
    return {axis for store in kernel.loop.stores for axis in store.axes}


@dataclass
class Schedule:
    """The bands in the order in which they run."""

    bands: list[Band]
    phases: int


def schedule(kernels: list[Kernel], threads: int) -> Schedule:
    """The kernels as bands, each kernel in the earliest phase in which it can run."""
    writers: dict[Buffer, list[Kernel]] = {}
    home: dict[Kernel, Band] = {}
    bands: list[Band] = []
    for kernel in kernels:
        before = _needed(kernel, writers)
        phase = max((home[k].phase for k in before), default=-1)
        last = [home[k] for k in before if home[k].phase == phase]
        band = last[0] if last and all(b is last[0] for b in last) else None
        units = _common_units(band, kernel, threads) if band is not None else 0
        if band is None or not units or not _aligned(kernel, band, units):
            band = Band(phase + 1, kernel.rows)
            bands.append(band)
        else:
            band.units = units
        band.kernels.append(kernel)
        home[kernel] = band
        for access in kernel.writes:
            writers.setdefault(access.buffer, []).append(kernel)
    bands.sort(key=lambda band: band.phase)
    _find_locals(bands)
    return Schedule(bands, max((band.phase for band in bands), default=-1) + 1)


def _needed(kernel: Kernel, writers: dict[Buffer, list[Kernel]]) -> list[Kernel]:
    """The kernels that must have run before: those that write what this one reads or writes."""
    found: dict[Kernel, None] = {}
    for access in (*kernel.reads, *kernel.writes):
        for other in writers.get(access.buffer, []):
            if access.buffer not in kernel.adds:  # each thread adds to its own copy, in any order
                found.setdefault(other)
    return list(found)


def _common_units(band: Band, kernel: Kernel, threads: int) -> int:
    """The units of a band with this kernel in it; 0 if they would leave threads without work."""
    if kernel.call is not None or any(k.call is not None for k in band.kernels):
        return 0
    units = gcd(band.units, kernel.rows)
    few = min(band.units, kernel.rows)
    enough = units >= threads if units == few else units >= 2 * threads
    work = sum(k.operations for k in band.kernels) + kernel.operations
    return units if enough or work < TINY else 0


def _aligned(kernel: Kernel, band: Band, units: int) -> bool:
    """Whether what a unit of this kernel touches of the band's buffers is its own unit's."""
    written: dict[Buffer, list[tuple[Kernel, Access]]] = {}
    for other in band.kernels:
        for access in other.writes:
            written.setdefault(access.buffer, []).append((other, access))
    for access in (*kernel.reads, *kernel.writes):
        others = written.get(access.buffer)
        if others is None:
            continue
        if not _within_unit(access, kernel.rows, units):
            return False
        if not all(_within_unit(a, k.rows, units) for k, a in others):
            return False
    return True


def _within_unit(access: Access, rows: int, units: int) -> bool:
    """Whether unit u touches only the u-th of ``units`` equal parts of a buffer."""
    if units == 1:
        return access.buffer.kind != "partial"
    buffer = access.buffer
    if access.anywhere or buffer.kind == "partial" or buffer.size % units:
        return False
    part = buffer.size // units
    own = rows // units
    if access.strides[0] * own != part:
        return False
    low = high = access.offset
    for stride, length in zip(access.strides, (own, *access.lengths[1:]), strict=True):
        reach = stride * (length - 1)
        low, high = (low + reach, high) if reach < 0 else (low, high + reach)
    return low >= 0 and high < part


def _find_locals(bands: list[Band]) -> None:
    """Note the buffers that no other band touches."""
    users: dict[Buffer, set[Band]] = {}
    for band in bands:
        for kernel in band.kernels:
            for access in (*kernel.reads, *kernel.writes):
                users.setdefault(access.buffer, set()).add(band)
    for buffer, where in users.items():
        if buffer.kind == "inner" and len(where) == 1:
            (band,) = where
            if band.units > 1 and _only_by_units(buffer, band):
                band.local.append(buffer)


def _only_by_units(buffer: Buffer, band: Band) -> bool:
    accesses = [
        (kernel, access)
        for kernel in band.kernels
        for access in (*kernel.reads, *kernel.writes)
        if access.buffer is buffer
    ]
    return all(_within_unit(access, kernel.rows, band.units) for kernel, access in accesses)
