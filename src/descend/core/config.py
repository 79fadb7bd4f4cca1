"""Settings that hold for a block of code, in this thread or asyncio task only."""

from __future__ import annotations

from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import Any

enable_backprop = ContextVar("enable_backprop", default=True)
"""Are calls remembered, so that backward() can walk them?"""

train = ContextVar("train", default=True)
"""Do dropout and batch normalization behave as in training?"""

debugging = ContextVar("debug", default=False)
"""Is every value and gradient checked, and every array that the graph keeps watched?"""

SETTINGS: dict[str, ContextVar[Any]] = {
    "enable_backprop": enable_backprop,
    "train": train,
    "debug": debugging,
}


class using_config(ContextDecorator):  # noqa: N801  the notebook's name; used like a function
    """Set one setting for a block: ``with using_config("enable_backprop", False): ...``.

    The settings are ``enable_backprop``, ``train`` and ``debug``. A new thread starts from the
    defaults, whatever the thread that started it had set.

    Raises AttributeError for a name that is no setting.
    """

    def __init__(self, name: str, value: Any) -> None:
        if name not in SETTINGS:
            raise AttributeError(
                f"using_config: {name!r} is no setting; there are {', '.join(SETTINGS)}"
            )
        self._setting = SETTINGS[name]
        self._value = value
        self._tokens: list[Any] = []  # several, when used as the decorator of a recursive function

    def __enter__(self) -> None:
        self._tokens.append(self._setting.set(self._value))

    def __exit__(self, *exception: object) -> None:
        self._setting.reset(self._tokens.pop())


def no_grad() -> using_config:
    """Remember no calls in this block: values only, less memory."""
    return using_config("enable_backprop", False)


def test_mode() -> using_config:
    """Let dropout and batch normalization behave as in use, not as in training."""
    return using_config("train", False)


test_mode.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]  pytest collects by name


def debug() -> using_config:
    """Stop at the first operation whose value or gradient is not finite, and name it.

    Inside, each call remembers the line of the caller's source that made it, and each array that
    the graph keeps is fingerprinted: one that was changed in place before backward() used it is
    an error too, instead of a wrong gradient. Slow; for finding a fault.
    """
    return using_config("debug", True)
