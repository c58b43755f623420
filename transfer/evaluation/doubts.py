"""The report's pictures of labels that look wrong, and of images unlike their class."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from transfer.errors import RunError
from transfer.evaluation.gallery import Thumbnailer
from transfer.runs.run import Run
from transfer.system.csv import read_csv

MOST = 18  # pictures of each kind
FEWEST, SHARE = 3, 0.05  # of the outliers, which are but a ranking: share of all images
T = TypeVar("T")


@dataclass(frozen=True)
class Doubt:
    """An image whose place in its class is doubtful.

    Attributes:
        path: Relative to the data folder.
        image: JPEG as a ``data:`` URI; None where there is none to show.
        given: Name of the class that the image stands in.
        suggested: Name of the class that the others suggest; "" for an outlier.
        score: Probability of the given label, 0..1, or an outlier's distance from its class, 0..2.
    """

    path: str
    image: str | None
    given: str
    suggested: str
    score: float


@dataclass(frozen=True)
class Doubts:
    """What suspects.csv and outliers.csv of a run say.

    Attributes:
        likely: About how many labels are wrong.
        listed: Rows of suspects.csv.
        suspects: The first of them.
        outliers: The first of outliers.csv that are no suspects.
    """

    likely: int
    listed: int
    suspects: tuple[Doubt, ...]
    outliers: tuple[Doubt, ...]


def read_doubts(run: Run, likely: int, images: int, thumbnail: Thumbnailer) -> Doubts | None:
    """Return the doubts about a run's images, or None where the run has no such files.

    Args:
        run: The run.
        likely: About how many labels are wrong, as run.json says.
        images: Of how many images, as run.json says; 0 where it does not.
        thumbnail: What turns a relative path into a ``data:`` URI or None.

    Raises:
        RunError: A file is damaged.
    """
    listed = _read(
        run,
        "suspects.csv",
        lambda row: (row["path"], row["given"], row["suggested"], float(row["score"])),
    )
    far = _read(
        run, "outliers.csv", lambda row: (row["path"], row["label"], "", float(row["distance"]))
    )
    if listed is None or far is None:
        return None
    suspicious = {row[0] for row in listed}
    unlike = [row for row in far if row[0] not in suspicious]
    shown = min(MOST, max(FEWEST, int(SHARE * images)))
    return Doubts(
        likely,
        len(listed),
        tuple(Doubt(row[0], thumbnail(row[0]), *row[1:]) for row in listed[:MOST]),
        tuple(Doubt(row[0], thumbnail(row[0]), *row[1:]) for row in unlike[:shown]),
    )


def _read(run: Run, name: str, parse: Callable[[dict[str, str]], T]) -> list[T] | None:
    path = run.path / name
    try:
        return [parse(row) for row in read_csv(path)] if path.is_file() else None
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise RunError(
            f"{path} cannot be read: {error!r}. The report goes without it where it is removed."
        ) from error
