"""transfer predict RUN PATH...: labels for images."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from transfer.cli.console import watched
from transfer.cli.options import prior_option, refuse_swapped
from transfer.cli.tables import PREDICTION_WRITERS
from transfer.errors import DataError, UsageError
from transfer.system.progress import warn


@click.command(short_help="Classify images.")
@click.argument("run", type=click.Path())
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--top", default=1, metavar="K", show_default=True, help="Classes per image.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(PREDICTION_WRITERS)),
    help="csv and json hold the probabilities of all classes."
    "  [default: that of FILE's suffix, else table]",
)
@prior_option
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="Write to this file instead of stdout.",
)
def predict(
    run: str,
    paths: tuple[str, ...],
    top: int,
    form: str | None,
    prior: str | None,
    output: str | None,
) -> None:
    """Classify the images PATH... with the model of RUN. Folders are searched recursively.

    Unreadable images are named on stderr and left out; the exit code is then 2. If none can be
    read, nothing is written.
    """
    from transfer import api

    if output is not None and (Path(output).is_dir() or not Path(output).parent.is_dir()):
        raise UsageError(f"Expected a file in an existing folder as --output. Received: {output!r}")
    if top < 1:
        raise UsageError(f"Expected --top of 1 or more. Received: {top}")
    refuse_swapped("predict", run, paths)
    suffix = Path(output or "").suffix.lower().removeprefix(".")
    write = PREDICTION_WRITERS[form or (suffix if suffix in PREDICTION_WRITERS else "table")]
    bad: list[DataError] = []

    def leave_out(error: DataError) -> None:
        bad.append(error)
        warn(f"Left out: {error}")

    with watched():
        found = iter(api.iterate_predictions(run, paths, leave_out, prior=prior))
        first = list(itertools.islice(found, 1))
        if first:
            with _opened(output) as target:
                write(itertools.chain(first, found), top, target)
    if bad and not first:
        raise DataError("None of the images could be read: nothing was written.")
    if bad:
        raise DataError(f"{len(bad)} of the images could not be read; the others were written.")


@contextmanager
def _opened(output: str | None) -> Iterator[IO[str]]:
    """Yield the file for the predictions; if an error ends the block, an earlier file is kept."""
    from transfer.system.files import atomic

    if output is None:
        yield sys.stdout
        return
    with (
        atomic(Path(output)) as temporary,
        # file names need not be UTF-8
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file
