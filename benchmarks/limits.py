"""What the machine can do at best: matrix products and copies, to be timed beside the rest."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.peers import THREADS

SIDE = 1024


def product() -> tuple[Callable[[], object], float]:
    """A product of two square matrices by NumPy's BLAS, and its operations."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((SIDE, SIDE)).astype(np.float32) for _ in range(2))
    out = np.empty_like(x)
    return lambda: np.matmul(x, y, out=out), 2.0 * SIDE**3


def copies(footprint: int) -> tuple[Callable[[], object], float]:
    """Copies by all threads at once, and the bytes they move.

    Source and target together take ``footprint`` bytes: work whose data stay in the cache is
    held against the bandwidth of the cache.
    """
    threads = THREADS or 1
    # Less than this a thread, and handing out the copies would be what is timed.
    half = max(footprint // (8 * threads), 2**17)
    repeats = max(1, 2**23 // half)
    pairs = [(np.ones(half, np.float32), np.zeros(half, np.float32)) for _ in range(threads)]
    pool = ThreadPoolExecutor(threads)

    def copy(pair: tuple[np.ndarray, np.ndarray]) -> None:
        for _ in range(repeats):
            np.copyto(pair[1], pair[0])

    def step() -> None:
        list(pool.map(copy, pairs))

    return step, 8.0 * half * repeats * threads
