"""transfer predict RUN PATH...: labels for pictures."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import click

from transfer.cli.console import watched
from transfer.cli.options import prior_option
from transfer.cli.tables import PREDICTION_WRITERS
from transfer.errors import DataError, UsageError
from transfer.progress import warn


@click.command(short_help="Say what is on pictures.")
@click.argument("run", type=click.Path())
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option(
    "--top",
    default=1,
    metavar="K",
    type=click.IntRange(1),
    show_default=True,
    help="Classes per image.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(PREDICTION_WRITERS)),
    default="table",
    help="csv and json hold the probabilities of all classes.  [default: table]",
)
@prior_option
@click.option("-o", "--output", type=click.Path(), help="Write to this file instead of stdout.")
def predict(
    run: str,
    paths: tuple[str, ...],
    top: int,
    form: str,
    prior: str | None,
    output: str | None,
) -> None:
    """Say what is on the pictures PATH..., by the model of RUN. Folders are searched through.

    Pictures that cannot be read are named on stderr and left out; the exit code is then 2.
    """
    from transfer import api
    from transfer.run import atomic

    if output is not None and (Path(output).is_dir() or not Path(output).parent.is_dir()):
        raise UsageError(f"Expected a file in an existing folder as --output. Received: {output!r}")
    bad: list[DataError] = []

    def leave_out(error: DataError) -> None:
        bad.append(error)
        warn(f"Left out: {error}")

    with ExitStack() as stack:
        stack.enter_context(watched())
        target: IO[str] = sys.stdout
        if output is not None:
            temporary = stack.enter_context(atomic(Path(output)))
            target = stack.enter_context(
                # file names need not be UTF-8
                temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            )
        found = api.iterate_predictions(run, paths, leave_out, prior=prior)
        PREDICTION_WRITERS[form](found, top, target)
    if bad:
        raise DataError(f"{len(bad)} of the pictures could not be read; the others are written.")
