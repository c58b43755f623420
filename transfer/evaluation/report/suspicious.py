"""The report's pictures of possible label errors, and of images unlike their class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transfer.evaluation.report.album import Album, Photo
from transfer.evaluation.report.words import isolate, percent
from transfer.runs.info import LabelErrors
from transfer.runs.run import Run
from transfer.system.csv import read_number, read_table
from transfer.system.files import damaged, inside

MOST = 18  # pictures of each kind
FEWEST, SHARE = 3, 0.05  # of the outliers, which are only a ranking: share of all images
Listed = tuple[str, str, str, float]  # path, given label, suggested label, score


@dataclass(frozen=True)
class SuspiciousImage:
    """An image that may not belong to its class.

    Attributes:
        photo: The image.
        given: Name of its class.
        suggested: Name of the class that the model suggests; "" for an outlier.
        score: Probability of the given label, 0..1, or an outlier's distance from its class, 0..2.
    """

    photo: Photo
    given: str
    suggested: str
    score: float


@dataclass(frozen=True)
class Suspicious:
    """The contents of a run's label_errors.csv and outliers.csv.

    Attributes:
        figures: How many labels are probably wrong.
        listed: Number of rows of label_errors.csv.
        file: Its name; older runs have a suspects.csv.
        label_errors: The first of these rows.
        outliers: The first rows of outliers.csv that are not in label_errors.csv.
    """

    figures: LabelErrors
    listed: int
    file: str
    label_errors: tuple[SuspiciousImage, ...]
    outliers: tuple[SuspiciousImage, ...]


def read_suspicious(run: Run, figures: LabelErrors, album: Album) -> Suspicious | None:
    """Return a run's possible label errors and outliers, or None where it has no such files.

    Args:
        run: The run.
        figures: What run.json says about label errors.
        album: Holds the photos of the page.

    Raises:
        RunError: A file is damaged.
    """
    name = "label_errors.csv"
    if not (run.path / name).is_file():
        name = "suspects.csv"

    def label_error(row: dict[str, str]) -> Listed:
        return inside(row["path"]), row["given"], row["suggested"], read_number(row["score"])

    def outlier(row: dict[str, str]) -> Listed:
        return inside(row["path"]), row["label"], "", read_number(row["distance"])

    listed, far = _read(run, name, label_error), _read(run, "outliers.csv", outlier)
    if listed is None or far is None:
        return None
    known = {row[0] for row in listed}
    others = [row for row in far if row[0] not in known]
    shown = min(MOST, max(FEWEST, int(SHARE * figures.images)))
    return Suspicious(
        figures,
        len(listed),
        name,
        tuple(_image(row, album) for row in listed[:MOST]),
        tuple(_image(row, album) for row in others[:shown]),
    )


def _image(row: Listed, album: Album) -> SuspiciousImage:
    path, given, suggested, score = row
    said = f"{isolate(given)} ({percent(score)})"
    facts = [("Label", isolate(given))]
    if suggested:
        facts.append(("Label check", f"{said}: {isolate(suggested)}?"))
    return SuspiciousImage(album.show(path, *facts), given, suggested, score)


def _read(run: Run, name: str, parse: Callable[[dict[str, str]], Listed]) -> list[Listed] | None:
    path = run.path / name
    try:
        return read_table(path, parse) if path.is_file() else None
    except (OSError, ValueError) as error:
        hint = "Remove it to write the report without it."
        raise damaged(path, error, hint) from error
