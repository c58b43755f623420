"""transfer diff RUN1 RUN2...: whether runs differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from transfer.cli.console import tell, tell_json, watched
from transfer.cli.tables import table
from transfer.system.terminal import visible

if TYPE_CHECKING:
    from transfer.api.difference import ConfusionChange, Difference, Flip

_SHOWN = 10


@click.command(short_help="Compare runs photo by photo: do they really differ?")
@click.argument("first", metavar="RUN1", type=click.Path())
@click.argument("others", metavar="RUN2...", nargs=-1, type=click.Path(), required=True)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
@click.option(
    "-o", "--output", type=click.Path(), metavar="FILE", help="Write the photos to this HTML page."
)
def diff(first: str, others: tuple[str, ...], as_json: bool, output: str | None) -> None:
    """Compare the predictions of RUN2 with those of RUN1, on the photos that both predicted and
    neither was trained on: what was wrong and is right, what was right and is wrong, and whether
    that is more than chance. With several, each is compared with RUN1.

    A folder below a run's evaluations/ may take the place of a run, so that runs with other splits
    can be compared on the same new photos.

    The test is McNemar's, exact; with several runs, its p-values are adjusted by Holm. Intervals
    are of the paired bootstrap.
    """
    from transfer import api

    with watched():
        found = api.diff(first, *others, output=output)
    if as_json:
        tell_json([each.to_dict() for each in found], indent=2)
    else:
        tell("\n\n".join("\n".join(_describe(each)) for each in found))
        if output is not None:
            tell(f"Page: {output}")


def _describe(found: Difference) -> Iterator[str]:
    photos = "photo" if found.photos == 1 else "photos"
    yield f"{found.photos:,} {found.split} {photos} that both predicted"
    rows = [
        [
            name,
            f"{figure.first:.3f}",
            f"{figure.second:.3f}",
            f"{figure.difference:+.3f}",
            f"{figure.ci95[0]:+.3f} to {figure.ci95[1]:+.3f}",
        ]
        for name, figure in (("accuracy", found.accuracy), ("macro-F1", found.macro_f1))
    ]
    header = ["", visible(found.first), visible(found.second), "DIFFERENCE", "95 % INTERVAL"]
    yield table(header, rows, right=(1, 2, 3, 4))
    yield from map(visible, found.notes)
    yield from _flips("Wrong to right", found.wrong_to_right)
    yield from _flips("Right to wrong", found.right_to_wrong)
    yield from _confusions("New confusions", found.new_confusions)
    yield from _confusions("Confusions that have ended", found.ended_confusions)
    yield visible(found.verdict)


def _flips(title: str, flips: Sequence[Flip]) -> Iterator[str]:
    yield f"{title}: {len(flips):,}"
    for each in flips[:_SHOWN]:
        yield visible(
            f"  {each.path}: {each.before} {each.before_confidence:.3f} -> {each.after}"
            f" {each.after_confidence:.3f}"
        )
    if len(flips) > _SHOWN:
        yield f"  and {len(flips) - _SHOWN:,} more"


def _confusions(title: str, changes: Sequence[ConfusionChange]) -> Iterator[str]:
    if changes:
        yield f"{title}: {len(changes):,}"
    for each in changes[:_SHOWN]:
        told = f"{each.true} predicted as {each.predicted}: {each.before} -> {each.after}"
        yield f"  {visible(told)}"
    if len(changes) > _SHOWN:
        yield f"  and {len(changes) - _SHOWN:,} more"
