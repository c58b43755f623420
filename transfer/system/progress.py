"""Messages and progress bars of long jobs.

Messages go through the standard library's logging (logger ``"transfer"``): a program, a test or the
command line can show or silence them. If logging is not set up, as in most notebooks, they go to
stderr. What a terminal would obey in a name is escaped (`transfer.system.terminal`). Bars go
through `track` and `bar`, which draw nothing until the command line installs a drawer.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from transfer.errors import option
from transfer.system import signals
from transfer.system.terminal import visible, visible_lines

logger = logging.getLogger("transfer")

T = TypeVar("T")
Advance = Callable[[int], None]
Drawer = Callable[[str, int], AbstractContextManager[Advance]]

_drawer: Drawer | None = None


def say(message: str) -> None:
    """Tell the user what happens next, or a result."""
    text = visible_lines(message)
    if logger.hasHandlers():
        logger.info(text)
    elif logger.level <= logging.INFO and not logger.disabled:
        print(text, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Warn the user about something that they may want to change."""
    logger.warning(visible_lines(message))


def warn_unused(names: Sequence[str], why: str) -> None:
    """Warn of options that have no effect here, if there are any.

    Args:
        names: As the library names them.
        why: Ends the sentence "--views has no effect ..."
    """
    if names:
        options = " and ".join(option(name) for name in names)
        warn(f"{options} {'has' if len(names) == 1 else 'have'} no effect {why}.")


@contextmanager
def silenced() -> Iterator[None]:
    """Suppress all messages while the block runs; its caller reports in another form."""
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def bar(label: str, total: int) -> Iterator[Advance]:
    """Show a bar named `label` while the block runs; the block calls ``advance(steps)``."""
    drawn = nullcontext(lambda steps: None) if _drawer is None else _drawer(visible(label), total)
    with drawn as draw:

        def advance(steps: int) -> None:
            signals.check()
            draw(steps)

        yield advance


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield `items`, one step of a bar named `label` each."""
    with bar(label, total) as advance:
        for item in items:
            yield item
            advance(1)


def set_drawer(drawer: Drawer | None) -> None:
    """Install what draws the bars (None: nothing is drawn)."""
    global _drawer
    _drawer = drawer
