"""CSV and TSV tables of labelled images: path, label and perhaps split."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

from transfer.errors import DataError, did_you_mean, option
from transfer.images.folder import SPLIT_NAMES
from transfer.images.scan import is_junk
from transfer.system.csv import read_cells
from transfer.system.files import is_file
from transfer.system.progress import say, track

SUFFIXES = (".csv", ".tsv")
_COLUMNS = {
    "path": ("path", "file", "filename", "image"),
    "label": ("label", "class"),
    "split": ("split", "set"),
}
_SHOWN = 5


@dataclass(frozen=True)
class Row:
    """One image of a table.

    Attributes:
        line: Line in the table, from 1; the header is line 1.
        path: As written.
        file: The file itself.
        label: Class name.
        split: ``train``, ``val``, ``test`` or ``""``.
    """

    line: int
    path: str
    file: Path
    label: str
    split: str


def is_table(path: Path) -> bool:
    """Return whether the name is that of a CSV or TSV file."""
    return path.suffix.lower() in SUFFIXES


def read_table(table: Path, follow_links: bool = False) -> list[Row]:
    """Read and check a table with the columns path, label and, where it has one, split.

    Columns are found by their names in the first line. Paths are relative to the table's folder
    and may not lead out of it.

    Args:
        table: A CSV file (comma, semicolon or tab) or TSV file, UTF-8.
        follow_links: Accept files outside the table's folder, by ``..``, absolute path or link.

    Raises:
        DataError: It cannot be read, lacks a column, or a row has an unusable value; the message
            names line and value.
    """
    names, cells = read_cells(table)
    columns = _columns(table, names)
    rows = [_row(table, line, row, columns, follow_links) for line, row in cells]
    _check(table, rows)
    return _without_repeats(table, rows)


def copy_table(rows: Sequence[Row], target: Path) -> None:
    """Copy the images of a table to ``target/[split/]label/name``."""
    top = _common_folder(rows)
    taken: set[Path] = set()
    for row in track(rows, "Copying images", len(rows)):
        parts = PurePosixPath(row.file.as_posix()).relative_to(top.as_posix()).parts
        # a/1.jpg and b/1.jpg are two images; truncation may leave a leading dot, which hides files
        name = "-".join(parts).encode(errors="surrogateescape")[-200:].decode(errors="ignore")
        path = wanted = target / row.split / row.label / name.lstrip(".")
        for number in count(2):
            if path not in taken:
                break
            path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        taken.add(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(row.file, path)


def _columns(table: Path, names: Sequence[str]) -> dict[str, int]:
    found = [name.strip().lower() for name in names]
    columns = {}
    for column, known in _COLUMNS.items():
        matches = [found.index(name) for name in known if name in found]
        if matches:
            columns[column] = matches[0]
        elif column != "split":
            raise DataError(
                f"The table {str(table)!r} has no column {column!r}"
                f" (or {', '.join(known[1:])}). Its first line says: {', '.join(names)[:100]!r}"
            )
    return columns


def _row(
    table: Path, line: int, cells: Sequence[str], columns: dict[str, int], follow_links: bool
) -> Row:
    def fail(text: str) -> DataError:
        return DataError(f"{str(table)!r}, line {line}: {text}")

    if len(cells) <= max(columns.values()):
        raise fail(f"expected {max(columns.values()) + 1} or more cells. Received: {len(cells)}")
    path, label = cells[columns["path"]].strip(), cells[columns["label"]].strip()
    split = cells[columns["split"]].strip() if "split" in columns else ""
    if not path:
        raise fail("the path is empty.")
    flaw = label_flaw(label)
    if flaw:
        raise fail(f"the label {label!r} {flaw}. Expected a name that a folder can have.")
    if split and split.lower() not in SPLIT_NAMES:
        near = did_you_mean(split.lower(), SPLIT_NAMES)
        raise fail(f"unknown split {split!r}.{near} Expected train, val or test.")
    if "\0" in path:
        raise fail(f"the path {path!r} holds a NUL character.")
    folder = table.parent
    file = folder / path
    if not is_file(file) and "\\" in path:
        file = folder / path.replace("\\", "/")
    inside = Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))
    if not inside and not follow_links:
        raise fail(
            f"{path!r} leads out of the table's folder. Copy the image there, or allow it with"
            f" {option('follow_links', True)}."
        )
    return Row(
        line,
        path,
        Path(os.path.normpath(file.absolute())),
        label,
        SPLIT_NAMES.get(split.lower(), ""),
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


def _check(table: Path, rows: Sequence[Row]) -> None:
    if not rows:
        raise DataError(f"The table {str(table)!r} lists no image.")
    missing = [row for row in rows if not is_file(row.file)]
    if missing:
        shown = ", ".join(f"{row.path!r:.100} (line {row.line})" for row in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"{len(missing)} of {len(rows)} files of the table {str(table)!r} are missing: {shown}"
            f"{more}. Paths are relative to {str(table.parent)!r}."
        )
    if any(row.split for row in rows) and not all(row.split for row in rows):
        line = next(row.line for row in rows if not row.split)
        raise DataError(
            f"{str(table)!r}, line {line}: the split is empty. Expected train, val or test in"
            " every line, or in none."
        )


def _without_repeats(table: Path, rows: Sequence[Row]) -> list[Row]:
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


def _common_folder(rows: Sequence[Row]) -> Path:
    return Path(os.path.commonpath([row.file.parent for row in rows]))
