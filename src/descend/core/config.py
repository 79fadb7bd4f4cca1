"""Settings that hold for a block of code, in this thread or asyncio task only."""

from __future__ import annotations

from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import Any


class Config:
    """What holds now: ``config()`` answers it, `using_config` replaces it for a block.

    ``enable_backprop``: are calls remembered, so that backward() can walk them?
    ``train``: do dropout and batch normalization behave as in training?
    ``debug``: is every value and gradient checked, and every array that the graph keeps watched?
    ``trace``: what records the calls instead of computing them (the compiler's Trace), or None.
    """

    __slots__ = ("debug", "enable_backprop", "trace", "train")

    def __init__(
        self,
        enable_backprop: bool = True,
        train: bool = True,
        debug: bool = False,
        trace: Any = None,
    ) -> None:
        self.enable_backprop = enable_backprop
        self.train = train
        self.debug = debug
        self.trace = trace


_current = ContextVar("descend.config", default=Config())  # noqa: B039  it is never changed
config = _current.get


class using_config(ContextDecorator):
    """Set one setting for a block: ``with using_config("enable_backprop", False): ...``.

    The settings are those of `Config`. A new thread starts from the defaults, whatever the thread
    that started it had set.

    Raises AttributeError for a name that is no setting.
    """

    def __init__(self, name: str, value: Any) -> None:
        if name not in Config.__slots__:
            settings = "enable_backprop, train, debug"
            raise AttributeError(f"using_config: {name!r} is no setting; there are {settings}")
        self._name = name
        self._value = value
        self._tokens: list[Any] = []  # several, when used as the decorator of a recursive function

    def __enter__(self) -> None:
        now = config()
        settings = Config(now.enable_backprop, now.train, now.debug, now.trace)
        setattr(settings, self._name, self._value)
        self._tokens.append(_current.set(settings))

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
