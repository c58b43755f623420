"""A folder whose table says the classes of each image, of which it may have several."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from transfer.errors import DataError, UsageError, option
from transfer.images.folder import SPLITS, ImageFolder
from transfer.images.labels import number_sets
from transfer.images.layout.plan import Remark, in_words, readable
from transfer.recipe.reading import MULTI_LABEL, Reading
from transfer.system.csv import read_table, write_csv
from transfer.system.files import inside
from transfer.system.names import nfc, split_names
from transfer.system.progress import say, warn
from transfer.system.text import cut

TABLE = "labels.csv"
_HEADER = ("path", "labels", "split")
Listed = tuple[str, str, str]  # path, names of the classes joined by |, split


def write_listing(folder: Path, rows: Iterable[Listed]) -> None:
    """Write the table of a folder of images; paths are relative to it."""
    write_csv(folder / TABLE, _HEADER, rows)


def index_listed(
    root: Path, reading: Reading, *, classes: Sequence[str] | None = None, source: str = ""
) -> ImageFolder:
    """Index a folder by the table that `write_listing` wrote. No image is opened.

    Args:
        root: The folder.
        reading: How it is to be read: with `limit`, fewer images are taken.
        classes: Classes of a model in their order; None takes them from the table.
        source: What the folder was made from, for the line that says what it was read as.

    Raises:
        DataError: The folder has no table, or fewer than two classes.
        UsageError: The classes of a table cannot be renamed, and negatives not set apart.
    """
    task = option("task", MULTI_LABEL)
    if reading.class_names != "none":
        raise UsageError(f"{option('class_names')} has no meaning with {task}.")
    if reading.negatives != "none":
        raise UsageError(
            f"{option('negatives')} has no meaning with {task}: an image of none of the classes is"
            " one without labels in the table."
        )
    if not (root / TABLE).is_file():
        raise DataError(
            f"{str(root)!r} has no table of images and their labels, as {task} needs. Give one with"
            " the columns path and labels, such as 'cat|dog', or a column of 0 and 1 for each"
            " class; where each image has one label, leave the option out."
        )
    rows = _read(root / TABLE)
    found = sorted({name for _, names, _ in rows for name in names})
    known = {nfc(name): number for number, name in enumerate(classes or found)}
    if classes is None and len(found) < 2:
        raise DataError(
            f"Need at least 2 classes. Received: {', '.join(found) or 'none'}. For one label that"
            " an image has or not, make it two classes of one label each."
        )
    labels, sets = number_sets([known[n] for n in names if n in known] for _, names, _ in rows)
    index = ImageFolder(
        root.absolute(),
        tuple(classes or found),
        tuple(path for path, _, _ in rows),
        labels,
        tuple(split for _, _, split in rows),
        label_sets=sets,
        remarks=tuple(_remark_on(set(found) - known.keys())),
    ).limited(reading.limit)
    index = dataclasses.replace(index, read_as=_in_words(index, source))
    say(f"Read as: {index.read_as}")
    for remark in index.remarks:
        (warn if remark.serious else say)(remark.text)
    return index


def _read(table: Path) -> list[tuple[str, list[str], str]]:
    def parse(row: dict[str, str]) -> tuple[str, list[str], str]:
        if row["split"] not in (*SPLITS, ""):
            raise ValueError(f"{row['split']!r} is no split")
        return inside(row["path"]), split_names(row["labels"]), row["split"]

    try:
        return sorted(read_table(table, parse))
    except (OSError, ValueError) as error:
        raise DataError(f"{str(table)!r} is damaged: {cut(error)}. Prepare it again.") from error


def _remark_on(unknown: set[str]) -> Iterable[Remark]:
    if unknown:
        shown = in_words(sorted(map(readable, unknown)))
        text = f"Labels unknown to the model are not counted: {shown}."
        yield Remark("unknown-classes", text, serious=True)


def _in_words(index: ImageFolder, source: str) -> str:
    """Return what the folder was read as: the classes, and how many an image has."""
    numbers = index.targets().sum(axis=1)
    text = f"{len(index.classes)} classes, {numbers.mean():.2g} for each image on average"
    if without := int(np.sum(numbers == 0)):
        text += f"; {without:,} image(s) of none"
    if (numbers <= 1).all():
        text += "; no image has several"
    return f"{source}; {text}" if source else text
