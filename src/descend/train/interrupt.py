"""Ctrl-C that lets the step finish."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any


class Interrupt:
    """In this block the first Ctrl-C calls ``stop``, the second one raises KeyboardInterrupt.

    The signal by which a machine shuts processes down (SIGTERM) counts as a first Ctrl-C. `signal`
    is the number of the one that came, or None. Signals reach the main thread only; the block must
    be run there.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.signal: int | None = None
        self._stop = stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._first)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()

    def _first(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._restore()
        self._stop()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
