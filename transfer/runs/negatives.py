"""negatives.csv: the images of none of the classes, and what the model takes them for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from transfer.errors import call_to_train_again
from transfer.runs.run import Run
from transfer.system.csv import only_once, read_number, read_table, write_csv
from transfer.system.files import damaged, inside

NAME = "negatives.csv"
_HEADER = ("path", "sha256", "predicted", "confidence", "refused")


@dataclass(frozen=True)
class Negative:
    """An image of none of the classes.

    Attributes:
        path: Relative to the folder of the negatives.
        sha256: Hex digest of the file.
        predicted: Name of the most probable class; ``""`` before the model is there.
        confidence: Its probability, 0..1.
        refused: Whether the rule of the run refuses the prediction.
    """

    path: str
    sha256: str
    predicted: str = ""
    confidence: float = 0.0
    refused: bool = False


def write_negatives(directory: Path, negatives: Iterable[Negative]) -> None:
    """Write negatives.csv to a run directory."""
    rows = [
        [each.path, each.sha256, each.predicted, f"{each.confidence:.9g}", int(each.refused)]
        for each in negatives
    ]
    write_csv(directory / NAME, _HEADER, rows)


def read_negatives(run: Run) -> list[Negative]:
    """Read the negatives.csv of a run.

    Raises:
        RunError: It is missing or damaged, names other classes, or a path leads out of the folder.
    """
    path = run.path / NAME

    def parse(row: dict[str, str]) -> Negative:
        if row["predicted"] not in ("", *run.classes):
            raise ValueError(f"{row['predicted']!r} is no class of this run")
        refused, confidence = row["refused"], read_number(row["confidence"])
        if refused not in ("0", "1"):
            raise ValueError(f"{refused!r} is neither 0 nor 1")
        where = inside(row["path"])
        return Negative(where, row["sha256"], row["predicted"], confidence, refused == "1")

    try:
        negatives = read_table(path, parse)
        only_once([each.path for each in negatives])
        if not negatives:
            raise ValueError("It lists no image")
    except FileNotFoundError as error:
        raise run.lacks(NAME) from error
    except (ValueError, OSError) as error:
        hint = f"Restore it, or train again with: {call_to_train_again(run.path)}"
        raise damaged(path, error, hint) from error
    return negatives
