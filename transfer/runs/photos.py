"""photos.csv: what is measured of the photos of an evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from transfer.system.csv import read_number, read_table, write_csv
from transfer.system.files import damaged, inside

PHOTOS = "photos.csv"
HEADER = ["path", "width", "height", "brightness", "contrast"]


@dataclass(frozen=True)
class PhotoFigures:
    """One photo, upright.

    Attributes:
        width: Pixels.
        height: Pixels.
        brightness: Mean of its grey values, 0..1.
        contrast: Their standard deviation, 0..0.5.
        folder: Its folder, relative to the data folder.
    """

    width: float
    height: float
    brightness: float
    contrast: float
    folder: str = ""


def write_photos(directory: Path, rows: Iterable[tuple[str, PhotoFigures]]) -> None:
    """Write photos.csv."""
    write_csv(
        directory / PHOTOS,
        HEADER,
        (
            [path, int(p.width), int(p.height), f"{p.brightness:.4f}", f"{p.contrast:.4f}"]
            for path, p in rows
        ),
    )


def read_photos(directory: Path) -> dict[str, PhotoFigures]:
    """Return the photos of photos.csv by their path; none where there is no such file.

    Raises:
        RunError: It is damaged.
    """
    path = directory / PHOTOS

    def parse(row: dict[str, str]) -> tuple[str, PhotoFigures]:
        name = inside(row["path"])
        width, height, brightness, contrast = (read_number(row[key]) for key in HEADER[1:])
        if not (width > 0 and height > 0):
            raise ValueError("A side is not above 0")
        folder = name.rpartition("/")[0]
        return name, PhotoFigures(width, height, brightness, contrast, folder)

    if not path.is_file():
        return {}
    try:
        return dict(read_table(path, parse))
    except (OSError, ValueError) as error:
        raise damaged(path, error, "Remove it to write the report without it.") from error
