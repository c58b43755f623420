"""Ctrl-C and SIGTERM: a training finishes its step first, everything else stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_received: int | None = None
_patient = False


@contextmanager
def handled() -> Iterator[None]:
    """Handle both signals while the block runs: KeyboardInterrupt, or SystemExit(143) for SIGTERM.

    For programs; a library must leave the signals of its host alone. Does nothing outside the main
    thread, and keeps ignoring a signal that the parent process had ignored.
    """
    global _received
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    _received = None
    before = [signal.signal(number, _receive) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler or signal.SIG_DFL)


@contextmanager
def patiently() -> Iterator[None]:
    """Delay the first signal inside the block until the block calls `check` or ends.

    A second signal takes effect at once.
    """
    global _patient
    _patient = True
    try:
        yield
    finally:
        _patient = False
    check()


def check() -> None:
    """Raise KeyboardInterrupt or SystemExit where a signal was received."""
    if _received == signal.SIGINT:
        raise KeyboardInterrupt
    if _received is not None:
        raise SystemExit(128 + _received)


def _receive(number: int, frame: FrameType | None) -> None:
    global _received
    again, _received = _received is not None, number
    if again or not _patient:
        check()
