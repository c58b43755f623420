"""transfer predict RUN PATH...: labels for images."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from transfer.cli.console import watched
from transfer.cli.options import prior_option, require_run
from transfer.cli.tables import PREDICTION_WRITERS, counted
from transfer.errors import DataError, UsageError
from transfer.system.files import atomic, check_writable
from transfer.system.progress import say, warn, warn_unused

if TYPE_CHECKING:
    from transfer.api.prediction import Prediction

SUFFIXES = {"": "table", ".txt": "table", ".csv": "csv", ".json": "json"}


@click.command(short_help="Classify images.")
@click.argument("run", type=click.Path())
@click.argument("paths", metavar="PATH...", nargs=-1, type=click.Path())
@click.option("--top", default=1, metavar="K", show_default=True, help="Classes per image.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(PREDICTION_WRITERS)),
    help="csv and json hold the probabilities of all classes; csv-bom is CSV that Excel reads as"
    " UTF-8.  [default: that of FILE's suffix, else table]",
)
@prior_option
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="Write to this file instead of stdout.",
)
@click.option(
    "--copy-to",
    type=click.Path(),
    metavar="FOLDER",
    help="Copy the photos, too, into folders below this one.",
)
@click.option(
    "--by",
    type=click.Choice(["label", "mistake"]),
    help="What the folders of --copy-to are: predicted classes, or, for photos that lie in folders"
    " named as their classes, only the mistakes.  [default: label]",
)
def predict(
    run: str,
    paths: tuple[str, ...],
    top: int,
    form: str | None,
    prior: Any,
    output: str | None,
    copy_to: str | None,
    by: str | None,
) -> None:
    """Classify the images PATH... with the model of RUN. Folders are searched recursively.

    Unreadable images are named on stderr and left out; the exit code is then 2. If none can be
    read, nothing is written.
    """
    from transfer import api
    from transfer.api.prediction import sorter as make_sorter
    from transfer.api.run import Run

    if top < 1:
        raise UsageError(f"Expected --top of 1 or more. Received: {top}")
    name = _check_output(output, form)
    require_run("predict", run, paths)
    if not paths:
        raise click.MissingParameter(param_type="argument", param_hint="PATH...")
    if copy_to is None and by is not None:
        raise UsageError("--by has no effect without --copy-to FOLDER.")
    sorter = None if copy_to is None else make_sorter(run, copy_to, by or "label", paths)
    bad: list[DataError] = []
    rows = 0

    def counting(found: Iterator[Prediction]) -> Iterator[Prediction]:
        nonlocal rows
        for each in found:
            rows += 1
            yield each

    def leave_out(error: DataError) -> None:
        bad.append(error)
        warn(f"Left out: {error}")
        if sorter is not None and error.source:
            sorter.take_unreadable(error.source)

    with watched():
        warn_unused(["top"] if top > 1 and "csv" in name else [], "in CSV, which has all classes")
        found = iter(api.iterate_predictions(run, paths, leave_out, prior=prior))
        found = found if sorter is None else sorter.through(found)
        first = list(itertools.islice(found, 1))
        if first:
            with _opened(output) as target:
                rows_of = counting(itertools.chain(first, found))
                PREDICTION_WRITERS[name](rows_of, top, target, Run(run).multi_label)
            if output is not None:
                say(f"Wrote {counted(rows, 'row')} to {output}")
        if sorter is not None:
            say(f"{sorter.told()} in {copy_to}")
    if bad and not first:
        raise DataError("None of the images could be read: nothing was written.")
    if bad:
        raise DataError(f"{len(bad)} of the images could not be read; the others were written.")


def _check_output(output: str | None, form: str | None) -> str:
    """Return the format to write; raise UsageError where that or the file is impossible."""
    path = Path(output or "")
    if output is not None:
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(
                f"Expected a file in an existing folder as --output. Received: {output!r}"
            )
        check_writable(path)
    known = SUFFIXES.get(path.suffix.lower())
    if form is None and known is None:
        excel = " For Excel: a .csv file with --format csv-bom." if "xls" in path.suffix else ""
        raise UsageError(
            "Expected a file .csv, .json or .txt as --output, or a --format with it."
            f" Received: {output!r}.{excel}"
        )
    return str(form or known)


@contextmanager
def _opened(output: str | None) -> Iterator[IO[str]]:
    """Yield the file for the predictions; if an error ends the block, an earlier file is kept."""
    if output is None:
        yield sys.stdout
        return
    with (
        atomic(Path(output)) as temporary,
        # file names need not be UTF-8
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file
