"""Tables of labelled images: which file is of which class and split."""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from transfer.data.sources.columns import Columns, choose_columns
from transfer.data.sources.freenames import FreeNames
from transfer.data.sources.grids import read_grid
from transfer.data.sources.labelcells import label_in, several_advice, several_in
from transfer.data.sources.labelsets import SetReader
from transfer.data.sources.locate import Locator
from transfer.data.sources.onehot import is_hot
from transfer.errors import DataError, option
from transfer.images.layout.describe import Survey
from transfer.images.layout.splitnames import split_of
from transfer.images.listed import write_listing
from transfer.images.scan import is_junk
from transfer.recipe.reading import Reading
from transfer.system.files import is_file
from transfer.system.names import join_names, nfc, split_names
from transfer.system.progress import say, track

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".xlsx", ".parquet")
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


def is_table(path: Path) -> bool:
    """Return whether the name is that of a table."""
    return path.suffix.lower() in SUFFIXES


def read_table(
    file: Path, reading: Reading | None = None, split: str = "", survey: Survey | None = None
) -> Table:
    """Read and check a table with a path and a class and, where it has one, a split for each image.

    Columns are found by their names and contents, see docs/data.md. Paths are relative to the
    table's folder, or name files below it, and may not lead out of it.

    Args:
        file: The table, of any of `SUFFIXES`.
        reading: The columns, where the user names them; with `follow_links`, files outside the
            table's folder are accepted, by ``..``, absolute path or link.
        split: The split of all images where the table says none.
        survey: What lies in the table's folder, or in one that it is in, where that is known.

    Raises:
        DataError: It cannot be read, lacks a column, or a row has an unusable value; the message
            names line and value.
    """
    reading = reading or Reading()
    grid = read_grid(file)
    files = Locator(file.parent, split_of(file.stem), survey, reading.follow_links)
    columns = choose_columns(grid, files, reading)
    lines = [(1, grid.header)] * columns.headless + grid.rows
    files.search(row[columns.path].strip() for _, row in lines if len(row) > columns.path)
    sets = SetReader(columns, (row for _, row in lines)) if reading.multi_label else None
    rows = [_row(file, line, cells, columns, files, sets) for line, cells in lines]
    if sets is None:
        _refuse_several(file, rows, columns)
        _refuse_flawed(file, rows)
    if not reading.follow_links:
        for row in rows:
            check_inside(file, row, file.parent)
    _check(file, rows)
    if sets is not None:
        columns.notes.extend(filter(None, [sets.in_words()]))
    if split and not any(row.split for row in rows):
        rows = [row.at(split) for row in rows]
    rows = _without_repeats(file, _joined(rows) if reading.multi_label else rows)
    words = columns.in_words()
    return Table(rows, f"table {file.name} ({words})", words, reading.multi_label)


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


def _row(
    table: Path,
    line: int,
    cells: Sequence[str],
    columns: Columns,
    files: Locator,
    sets: SetReader | None,
) -> Row:
    def fail(text: str) -> DataError:
        return DataError(f"{str(table)!r}, line {line}: {text}")

    width = max(columns.path, *columns.labels) + 1
    if len(cells) < width:
        raise fail(f"expected {width} or more cells. Received: {len(cells)}")
    path = cells[columns.path].strip()
    if not path:
        raise fail("the path is empty.")
    if sets is not None:
        try:
            label = join_names(sets.read(cells))
        except ValueError as error:
            raise fail(f"the cell of the labels {error}") from error
    elif columns.hot:
        label = _hot(cells, columns, fail)
    else:
        column = columns.labels[0]
        try:
            label = nfc(label_in(cells[column].strip()))
        except ValueError as error:
            name = columns.names[column]
            raise fail(f"{cells[column]!r:.80} in the column {name!r} {error}") from error
    if "\0" in path:
        raise fail(f"the path {path!r} holds a NUL character.")
    file = files.find(path) or files.folder / path
    if several := files.candidates(path)[1:]:
        first = files.candidates(path)[0]
        raise fail(f"{path!r} may be {first!r} or {several[0]!r}. Write more of the path.")
    split = "" if columns.sides is None else columns.sides.of(cells)
    return Row(line, path, Path(os.path.normpath(file.absolute())), label, split)


def _hot(cells: Sequence[str], columns: Columns, fail: Callable[[str], DataError]) -> str:
    """Return the one class that a row has a 1 for."""
    found = [columns.names[n] for n in columns.labels if n < len(cells) and is_hot(cells[n])]
    if len(found) == 1:
        return nfc(found[0])
    other = f"Or name the column of the class with {option('label_column')}."
    if not found:
        raise fail(f"no class has a 1. Expected one for each image. {other}")
    several = ", ".join(found[:3])
    raise fail(f"{len(found)} classes have a 1 ({several}). {several_advice()} {other}")


def check_inside(table: Path, row: Row, folder: Path) -> None:
    """Raise DataError where a row of a table names a file outside a folder."""
    if not Path(os.path.realpath(row.file)).is_relative_to(os.path.realpath(folder)):
        raise DataError(
            f"{str(table)!r}, line {row.line}: {row.path!r} leads out of the table's folder. Copy"
            f" the image there, or allow it with {option('follow_links', True)}."
        )


def _refuse_several(table: Path, rows: Sequence[Row], columns: Columns) -> None:
    """Raise DataError where the labels of a row are several classes."""
    found = several_in(dict.fromkeys(row.label for row in rows), columns.hold_tags)
    for row in rows:
        if row.label == found:
            raise DataError(
                f"{str(table)!r}, line {row.line}: {found!r} are several labels."
                f" {several_advice()} If it is one name, join its words:"
                f" {'_'.join(re.findall(r'[^ ,;|]+', found))!r}."
            )


def _refuse_flawed(table: Path, rows: Sequence[Row]) -> None:
    """Raise DataError where a label cannot name a folder."""
    for row in rows:
        if flaw := label_flaw(row.label):
            raise DataError(
                f"{str(table)!r}, line {row.line}: the label {row.label!r} {flaw}. Expected a name"
                " that a folder can have."
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


def _joined(rows: Sequence[Row]) -> list[Row]:
    """Return rows of the same image with all labels that its rows have."""
    names: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        names[os.path.realpath(row.file)].update(split_names(row.label))
    return [row.of(join_names(sorted(names[os.path.realpath(row.file)]))) for row in rows]


def _common_folder(rows: Sequence[Row]) -> Path:
    return Path(os.path.commonpath([row.file.parent for row in rows]))
