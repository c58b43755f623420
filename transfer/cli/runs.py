"""transfer runs [DIR]: all runs, best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from transfer.cli.console import tell, tell_json
from transfer.cli.tables import table
from transfer.system.terminal import one_line
from transfer.system.text import cut

if TYPE_CHECKING:
    from transfer.api.listing import ListedRun

HEADER = (
    *("RUN", "BACKBONE", "ACCURACY", "95 % INTERVAL", "MACRO-F1", "ON", "PHOTOS", "TIME"),
    *("MB", "STATUS"),
)


@click.command(short_help="List all runs, the best first.")
@click.argument("folder", metavar="[DIR]", default="runs", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def runs(folder: str, as_json: bool) -> None:
    """List all runs below DIR (runs/ by default), the most accurate first.

    Runs with the same letter under PHOTOS were evaluated on the same photos and classes; with
    another letter they cannot be compared. Runs that are unfinished or damaged are listed, too.
    """
    from transfer.api.listing import list_runs

    found = list_runs(folder)
    if as_json:
        tell_json([each.to_dict() for each in found], indent=2)
    elif not found:
        tell(f"No runs below {folder}. Runs are made by: transfer finetune DATA")
    else:
        tell(table(HEADER, map(_row, found), right=(2, 4, 7, 8)))
        tell("\n".join(_remarks(found)))


def _row(listed: ListedRun) -> list[str]:
    interval = listed.accuracy_ci95
    known = listed.accuracy is not None
    wrong = listed.status in ("damaged", "failed") and listed.error
    return [
        listed.path,
        listed.backbone or "-",
        f"{listed.accuracy:.3f}" if known else "-",
        f"{interval[0]:.3f}-{interval[1]:.3f}" if known and interval else "-",
        f"{listed.macro_f1:.3f}" if known and listed.macro_f1 is not None else "-",
        f"{listed.n:,} {listed.split}" if known else "-",
        listed.photos or ("?" if known else "-"),
        "-" if listed.seconds is None else _duration(listed.seconds),
        f"{listed.bytes / 1e6:,.1f}",
        f"{listed.status}: {cut(one_line(listed.error), 120)}" if wrong else listed.status,
    ]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, hours = round(seconds / 60), round(seconds / 3600, 1)
    return f"{minutes} min" if minutes < 90 else f"{hours:g} h"


def _remarks(found: Sequence[ListedRun]) -> Iterator[str]:
    letters = {each.photos for each in found if each.photos}
    unknown = any(each.accuracy is not None and not each.photos for each in found)
    if len(letters) > 1 or unknown:
        yield "Only runs with the same letter were evaluated on the same photos and classes."
    if any(each.caveat == "chose_the_model" for each in found):
        yield "Where validation photos also chose the model, val figures are slightly optimistic."
    first = [each.path for each in found if each.photos and each.photos == found[0].photos]
    if len(first) > 1:
        yield "Whether two of them really differ: transfer diff RUN1 RUN2"
