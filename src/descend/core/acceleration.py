"""Where the compiler joins operations and optimizers that know nothing of it.

Called one by one, operations run in NumPy. On large arrays some of them, and the steps of
optimizers, run as native kernels instead, if there is an accelerator: `descend.compile.run.eager`
is one, and importing descend installs it. Whether a call is large enough is decided by its sizes
alone, never by how often it was made: training that is stopped and resumed goes on bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar, cast

from descend.core.arrays import Array
from descend.core.config import config

Composite = TypeVar("Composite", bound=Callable[..., Any])

LARGE = 1 << 16
"""The elements in an array from which on it is large: below, a program costs what it saves."""


class Accelerator(Protocol):
    """What an accelerator does. Each answers None for what it leaves to NumPy."""

    def forward(self, function: Any, arrays: Sequence[Array]) -> Any:
        """What ``function.forward(*arrays)`` answers, of a Function."""

    def backward(self, function: Any, gys: list[Array]) -> Any:
        """What ``function.backward(*gys, **function.kept)`` answers, of a Function."""

    def composite(self, function: Callable[..., Any], xs: Any, params: dict[str, Any]) -> Any:
        """What ``function(*xs, **params)`` answers, which has its derivatives."""

    def update(
        self,
        function: Callable[..., Any],
        key: Any,
        numbers: list[Array],
        arrays: list[Array],
        others: list[Array],
    ) -> Any:
        """Write what ``function(*numbers, *arrays, *others)`` answers into ``arrays``.

        ``key`` is what the function depends on besides.
        """


class Place:
    """Holds the accelerator, once one is installed and asked for."""

    def __init__(self) -> None:
        self._find: Callable[[], Accelerator | None] | None = None
        self._found: Accelerator | None = None

    def install(self, find: Callable[[], Accelerator | None]) -> None:
        """Let ``find`` be asked for the accelerator when first something is large enough."""
        self._find, self._found = find, None

    def now(self) -> Accelerator | None:
        """The accelerator for this call; None while recording, under `debug`, or without one."""
        settings = config()
        if settings.trace is not None or settings.debug:
            return None
        if self._find is not None:
            self._found, self._find = self._find(), None
        return self._found


ACCELERATOR = Place()
install = ACCELERATOR.install
accelerator = ACCELERATOR.now


def forward(function: Any, arrays: Sequence[Any]) -> Any:
    """The value of a Function whose ``forward`` may be native, for a call that is large."""
    if (native := accelerator()) is not None:
        y = native.forward(function, arrays)
        if y is not None:
            return y
    return function.forward(*arrays)


def backward(function: Any, gys: list[Any]) -> Any:
    """The gradients of a Function whose rule is native where an array is large."""
    if any_is_large(gys) and (native := accelerator()) is not None:
        gxs = native.backward(function, gys)
        if gxs is not None:
            return gxs
    return function.backward(*gys, **function.kept)


def fused(function: Composite) -> Composite:
    """A composite that is one native program where an array is large.

    It takes up to eight arrays, Variables or Nones by position, and settings by name. It depends on
    nothing else and changes nothing.
    """

    @functools.wraps(function)
    def call(*xs: Any, **params: Any) -> Any:
        if any_is_large(xs) and (native := accelerator()) is not None:
            return native.composite(function, xs, params)
        return function(*xs, **params)

    return cast(Composite, call)


def any_is_large(xs: Iterable[Any]) -> bool:
    """Whether one of the arrays is large."""
    for x in xs:  # in the hottest path: a generator costs as much as all the rest
        if getattr(x, "size", 0) >= LARGE:
            return True
    return False
