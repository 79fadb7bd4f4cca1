"""Times of several functions that take turns, so that a noisy moment hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

PAUSE = 0.15
"""Seconds: OpenBLAS's threads spin for about 30 ms after a product, OpenMP's for less."""


def alternate(
    functions: dict[str, Callable[[], object]], rounds: int = 25, seconds: float = 0.02
) -> dict[str, float]:
    """The median time of one call of each, in seconds.

    In each round every function runs once in a row until about ``seconds`` have gone by; the
    first, unmeasured round warms up and finds out how many calls that takes. Each turn begins with
    a pause, in which the threads of the one before, which wait by spinning, fall asleep, and with
    a tenth more calls that go unmeasured: the caches hold the data of the one before.
    """
    calls = {name: _calls_in(function, seconds) for name, function in functions.items()}
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            time.sleep(PAUSE)
            for _ in range(-(-calls[name] // 10)):
                function()
            start = time.perf_counter()
            for _ in range(calls[name]):
                function()
            times[name].append((time.perf_counter() - start) / calls[name])
    return {name: statistics.median(rows) for name, rows in times.items()}


def _calls_in(function: Callable[[], object], seconds: float) -> int:
    for _ in range(3):
        function()
    start = time.perf_counter()
    function()
    return max(1, round(seconds / max(time.perf_counter() - start, 1e-9)))
