"""Packing shared: what one product of a band has packed, others with the same matrix read.

Each step of a sequence multiplies by the same weight, and a product of few rows takes less time
than to pack it.
"""

from __future__ import annotations

from collections.abc import Iterable

from descend.compile.kernels.kernel import Kernel, Packing
from descend.compile.passes.schedule import Band


def share_packing(bands: Iterable[Band]) -> None:
    """Let kernels read what an earlier one of their band has packed."""
    for band in bands:
        first: dict[Packing, Kernel] = {}
        for kernel in band.kernels:
            packing = kernel.packing
            if packing is not None:
                earlier = first.setdefault(packing, kernel)
                if earlier is not kernel:
                    kernel.text, kernel.emit = packing.text, packing.emit
                    kernel.packed_by = earlier
            written = {access.buffer for access in kernel.writes}
            first = {packing: k for packing, k in first.items() if packing.buffer not in written}
