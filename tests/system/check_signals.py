"""Signals that a process sends to itself."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from transfer.system import signals
from transfer.system.progress import bar


def test_outside_of_a_training_a_signal_stops_at_once() -> None:
    with signals.handled(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    with signals.handled():
        with pytest.raises(SystemExit) as stopped:
            os.kill(os.getpid(), signal.SIGTERM)
        assert stopped.value.code == 143
        with pytest.raises(SystemExit), bar("x", 1) as advance:
            advance(1)  # where the first was swallowed: in a __del__, in a callback of C


@pytest.mark.case("T05")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_sees_the_first_when_it_looks_and_the_second_at_once(number: int) -> None:
    error = KeyboardInterrupt if number == signal.SIGINT else SystemExit
    reached: list[object] = []

    def train(times: int, look: bool) -> None:
        reached.clear()
        with signals.handled(), signals.patiently():
            for time in range(times):
                os.kill(os.getpid(), number)
                reached.append(time)
            if look:
                signals.check()
                reached.append("looked")
        reached.append("gone on")

    for times, look in ((1, True), (2, False), (1, False)):
        with pytest.raises(error):
            train(times, look)
        assert reached == [0]


def test_the_host_gets_its_handlers_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with signals.handled():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals.handled():
            os.kill(os.getpid(), signal.SIGINT)  # as under nohup
    finally:
        signal.signal(signal.SIGINT, ignored)


def test_other_threads_leave_signals_alone() -> None:
    seen = []

    def work() -> None:
        with signals.handled():
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
