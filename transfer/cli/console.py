"""What the commands show: results on stdout, lines and bars of progress on stderr."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from transfer.system import progress
from transfer.system.terminal import one_line, visible_lines


def tell(text: str) -> None:
    """Print a result for people: lines in which nothing can act on the terminal."""
    click.echo(visible_lines(text))


def tell_json(value: Any, indent: int | None = None) -> None:
    """Print a result for programs: JSON in ASCII, its strings as they are."""
    click.echo(json.dumps(value, indent=indent))


@contextmanager
def watched(quiet: bool = False) -> Iterator[None]:
    """Show the library's messages on stderr while the block runs; `quiet` shows only warnings."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, highlight=False, soft_wrap=True)

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warning = record.levelno >= logging.WARNING
            text = one_line(record.getMessage())
            console.print(
                f"Warning: {text}" if warning else text,
                style="yellow" if warning else None,
                markup=False,
            )

    @contextmanager
    def draw(label: str, total: int) -> Iterator[progress.Advance]:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
        )
        with Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as bars:
            task = bars.add_task(label, total=total)
            yield lambda steps: bars.advance(task, steps)

    handler, logger = Lines(), progress.logger
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False
    if not quiet:
        progress.set_drawer(draw)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
        progress.set_drawer(None)
