import os
import signal

import pytest

from descend.train import Interrupt

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows sends processes no signals")


def test_the_first_signal_stops_the_second_raises():
    stops = []
    with pytest.raises(KeyboardInterrupt), Interrupt(lambda: stops.append(1)) as interrupt:
        assert interrupt.signal is None
        signal.raise_signal(signal.SIGINT)
        assert stops == [1] and interrupt.signal == signal.SIGINT
        signal.raise_signal(signal.SIGINT)
    assert stops == [1]


def test_sigterm_counts_as_a_first_one():
    stops = []
    with Interrupt(lambda: stops.append(1)) as interrupt:
        signal.raise_signal(signal.SIGTERM)
    assert stops == [1] and interrupt.signal == signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_afterwards_all_is_as_before(number):
    before = signal.getsignal(number)
    with Interrupt(lambda: None):
        assert signal.getsignal(number) != before
    assert signal.getsignal(number) == before
