"""Settings are of a thread or an asyncio task, and come back after errors."""

import asyncio
import threading

import numpy as np
import pytest

from descend import Variable, no_grad, test_mode, using_config
from descend.core.config import config


def test_settings_come_back_even_after_an_error():
    with pytest.raises(KeyError), no_grad():
        assert not config().enable_backprop
        raise KeyError
    assert config().enable_backprop
    with test_mode():
        assert not config().train
        with using_config("train", True):
            assert config().train
        assert not config().train
    assert config().train


def test_as_a_decorator_of_a_recursive_function():
    @no_grad()
    def depth(n):
        assert not config().enable_backprop
        return n and 1 + depth(n - 1)

    assert depth(3) == 3
    assert config().enable_backprop


def test_no_grad_is_per_thread():
    seen = []
    inside, outside = threading.Event(), threading.Event()

    def other():
        inside.wait(10)
        seen.append((Variable(np.ones(1)) * 2).requires_grad)
        outside.set()

    thread = threading.Thread(target=other)
    thread.start()
    with no_grad():
        inside.set()
        assert outside.wait(10)
        assert not (Variable(np.ones(1)) * 2).requires_grad
    thread.join()
    assert seen == [True]


def test_settings_are_per_asyncio_task():
    async def quiet(started, go):
        with no_grad():
            started.set()
            await go.wait()
            return config().enable_backprop

    async def main():
        started, go = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(quiet(started, go))
        await started.wait()
        mine = config().enable_backprop
        go.set()
        return mine, await task

    assert asyncio.run(main()) == (True, False)
