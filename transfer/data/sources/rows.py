"""The rows of a table of labelled images: checks on them, and the folder that they make."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from transfer.data.sources.freenames import FreeNames
from transfer.errors import DataError, option
from transfer.images.junk import is_junk
from transfer.images.listed import write_listing
from transfer.system.files import is_file
from transfer.system.names import join_names, split_names
from transfer.system.progress import say, track

_SHOWN = 5


@dataclass(frozen=True)
class Row:
    """One image of a table.

    Attributes:
        line: Line in the table, from 1; the header is line 1.
        path: As written.
        file: The file itself.
        label: Class name; of several, see `join_names`.
        split: ``train``, ``val``, ``test`` or ``""``.
    """

    line: int
    path: str
    file: Path
    label: str
    split: str

    def of(self, label: str) -> Row:
        """Return the same image with another class."""
        return replace(self, label=label)

    def at(self, split: str) -> Row:
        """Return the same image in another split."""
        return replace(self, split=split)


@dataclass(frozen=True)
class Table:
    """The images of one or several tables.

    Attributes:
        rows: Each image once.
        read_as: What was taken for what.
        columns: The same for the columns alone; ``""`` for what has none.
        multi_label: Whether an image may have several labels.
    """

    rows: list[Row]
    read_as: str
    columns: str = ""
    multi_label: bool = False

    @property
    def layout(self) -> str:
        """The layout of the folder that `copy_table` writes, see `Reading.layout`."""
        if self.multi_label:
            return "flat"
        return "splits" if any(row.split for row in self.rows) else "classes"


def copy_table(table: Table, target: Path) -> None:
    """Copy the images of a table to ``target/[split/]label/name``.

    Where an image may have several labels, to ``target/images/name``, with a table beside.
    """
    top = _common_folder(table.rows)
    names = FreeNames()
    listed = []
    for row in track(table.rows, "Copying images", len(table.rows)):
        parts = PurePosixPath(row.file.as_posix()).relative_to(top.as_posix()).parts
        # a/1.jpg and b/1.jpg are two images; truncation may leave a leading dot, which hides files
        name = "-".join(parts).encode(errors="surrogateescape")[-200:].decode(errors="ignore")
        folder = Path("images") if table.multi_label else Path(row.split, row.label)
        path = names.take(target / folder / name.lstrip("."))
        listed.append((path.relative_to(target).as_posix(), row.label, row.split))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(row.file, path)
    if table.multi_label:
        write_listing(target, listed)


def check_inside(table: Path, row: Row, folder: Path) -> None:
    """Raise DataError where a row of a table names a file outside a folder."""
    if not Path(os.path.realpath(row.file)).is_relative_to(os.path.realpath(folder)):
        raise DataError(
            f"{str(table)!r}, line {row.line}: {row.path!r} leads out of the table's folder. Copy"
            f" the image there, or allow it with {option('follow_links', True)}."
        )


def label_flaw(label: str) -> str:
    """Return why a label cannot name a class folder; empty where it can."""
    if not label:
        return "is empty"
    if set(label) & set("/\\\0") or label in (".", ".."):
        return "is a path"
    if is_junk(label):
        return "is the name of a hidden or system folder"
    return "is too long" if len(label.encode(errors="surrogateescape")) > 200 else ""


def check_files(table: Path, rows: Sequence[Row], folder: Path) -> None:
    """Raise DataError where a table lists no image, files are missing, or a split is empty.

    Paths are relative to `folder`.
    """
    if not rows:
        raise DataError(f"The table {str(table)!r} lists no image.")
    missing = [row for row in rows if not is_file(row.file)]
    if missing:
        shown = ", ".join(f"{row.path!r:.100} (line {row.line})" for row in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"{len(missing)} of {len(rows)} files of the table {str(table)!r} are missing: {shown}"
            f"{more}. Paths are relative to {str(folder)!r}."
        )
    if any(row.split for row in rows) and not all(row.split for row in rows):
        line = next(row.line for row in rows if not row.split)
        raise DataError(
            f"{str(table)!r}, line {line}: the split is empty. Expected train, val or test in"
            " every line, or in none."
        )


def without_repeats(table: Path, rows: Sequence[Row]) -> list[Row]:
    """Return each image once. Raises DataError where two rows of it disagree."""
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(os.path.realpath(row.file), row)
        if (other.label, other.split) != (row.label, row.split):
            raise DataError(
                f"{str(table)!r}, line {row.line}: {row.path!r} is {row.label!r} {row.split} here"
                f" and {other.label!r} {other.split} in line {other.line}. Expected one label and"
                " one split for each image."
            )
    if len(first) < len(rows):
        say(f"{len(rows) - len(first)} line(s) of {table.name} repeat another one.")
    return list(first.values())


def joined(rows: Sequence[Row]) -> list[Row]:
    """Return rows of the same image with all labels that its rows have."""
    names: dict[str, set[str]] = defaultdict(set)
    files = [os.path.realpath(row.file) for row in rows]
    for row, file in zip(rows, files, strict=True):
        names[file].update(split_names(row.label))
    return [row.of(join_names(sorted(names[f]))) for row, f in zip(rows, files, strict=True)]


def _common_folder(rows: Sequence[Row]) -> Path:
    return Path(os.path.commonpath([row.file.parent for row in rows]))
