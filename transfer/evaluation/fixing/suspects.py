"""The images that a page shows for a choice: those that a check found, and those of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from transfer.data.audit.fixes import Fix, action_of
from transfer.errors import DataError
from transfer.runs.run import Run
from transfer.system.csv import read_table
from transfer.system.files import inside

_WRONG = "the label looks wrong"
_FAR = "unlike the rest of its class"


@dataclass(frozen=True)
class Suspect:
    """An image that may need a fix.

    Attributes:
        path: Relative to the data folder.
        given: Its class.
        suggested: The class that it may be of; ``""`` where none is suggested.
        reason: What is wrong, in a few words.
        suggestion: What to do.
        action: ``remove`` where nothing else comes into question, else ``""``.
    """

    path: str
    given: str
    suggested: str
    reason: str
    suggestion: str
    action: str


def of_check(fixes: Iterable[Fix], labels: Mapping[str, str]) -> list[Suspect]:
    """Return the images among some fixes, each once.

    Args:
        fixes: From `transfer.data.audit.fixes`.
        labels: Path to class of all images.
    """
    found: dict[str, Suspect] = {}
    for path, reason, suggestion in fixes:
        if path not in labels:  # a file that is no image of a class
            continue
        other = reason.removeprefix("identical to ").removeprefix("near duplicate of ")
        suggested = labels.get(other, "") if other != reason else ""
        suggested = suggested if suggested != labels[path] else ""
        new = Suspect(
            path, labels[path], suggested, reason, suggestion, action_of((path, reason, suggestion))
        )
        found[path] = _joined(found[path], new) if path in found else new
    return list(found.values())


def of_run(run: Run, labels: Mapping[str, str]) -> list[Suspect]:
    """Return the images whose labels look wrong to a run, and those unlike the rest of their class.

    Raises:
        DataError: The run has no such lists, they are damaged, or they are of other images.
    """
    rows = _rows(run, "label_errors.csv", "suggested") + _rows(run, "outliers.csv", "")
    if not rows:
        raise DataError(
            f"{str(run.path)!r} lists no label errors. Expected a run of a pretrained network that"
            " has label_errors.csv or outliers.csv."
        )
    found: dict[str, Suspect] = {}
    for path, suggested in rows:
        if path in labels and path not in found:
            reason, advice = (_WRONG, f"relabel it to {suggested}") if suggested else (_FAR, "look")
            found[path] = Suspect(path, labels[path], suggested, reason, advice, "")
    if not found:
        raise DataError(
            f"The label errors of {str(run.path)!r} are of other images, such as {rows[0][0]!r}."
            " Expected those of the folder that the run was trained on."
        )
    return list(found.values())


def joined(*lists: Sequence[Suspect]) -> list[Suspect]:
    """Return the images of several lists, each once, with what all of them say."""
    found: dict[str, Suspect] = {}
    for each in (suspect for suspects in lists for suspect in suspects):
        found[each.path] = _joined(found[each.path], each) if each.path in found else each
    return list(found.values())


def _joined(one: Suspect, other: Suspect) -> Suspect:
    return replace(
        one,
        suggested=one.suggested or other.suggested,
        reason="; ".join(dict.fromkeys((one.reason, other.reason))),
        suggestion="; ".join(dict.fromkeys((one.suggestion, other.suggestion))),
        action=one.action or other.action,
    )


def _rows(run: Run, name: str, column: str) -> list[tuple[str, str]]:
    """Return path and suggested class of the rows of a list; none where the run has none."""

    def parse(row: dict[str, str]) -> tuple[str, str]:
        return inside(row["path"]), row[column] if column else ""

    try:
        return read_table(run.path / name, parse) if (run.path / name).is_file() else []
    except (OSError, ValueError) as error:
        raise DataError(f"{str(run.path / name)!r} is damaged: {error}.") from error
