"""Settings that hold for a block of code, in this thread or asyncio task only."""

from __future__ import annotations

from contextlib import ContextDecorator
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Config:
    """What holds now: ``config()`` answers it, `using_config` changes it for a block."""

    enable_backprop: bool = True
    """Are calls remembered, so that backward() can walk them?"""
    train: bool = True
    """Do dropout and batch normalization behave as in training?"""
    debug: bool = False
    """Is every value and gradient checked, and every array that the graph keeps watched?"""


SETTINGS = tuple(field.name for field in fields(Config))
_current = ContextVar("descend.config", default=Config())  # noqa: B039  it is frozen
config = _current.get


class using_config(ContextDecorator):
    """Set one setting for a block: ``with using_config("enable_backprop", False): ...``.

    The settings are those of `Config`. A new thread starts from the defaults, whatever the thread
    that started it had set.

    Raises AttributeError for a name that is no setting.
    """

    def __init__(self, name: str, value: Any) -> None:
        if name not in SETTINGS:
            raise AttributeError(
                f"using_config: {name!r} is no setting; there are {', '.join(SETTINGS)}"
            )
        self._name = name
        self._value = value
        self._tokens: list[Any] = []  # several, when used as the decorator of a recursive function

    def __enter__(self) -> None:
        now = config()
        if getattr(now, self._name) != self._value:
            now = replace(now, **{self._name: self._value})
        self._tokens.append(_current.set(now))

    def __exit__(self, *exception: object) -> None:
        _current.reset(self._tokens.pop())


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
