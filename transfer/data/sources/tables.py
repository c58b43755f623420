"""Tables of labelled images: which file is of which class and split."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from transfer.data.sources.columns import Columns, choose_columns
from transfer.data.sources.grids import Grid, read_grid
from transfer.data.sources.labelcells import label_in, several_advice, several_in
from transfer.data.sources.labelsets import SetReader
from transfer.data.sources.locate import Locator
from transfer.data.sources.onehot import is_hot
from transfer.data.sources.rows import (
    Row,
    Table,
    check_files,
    check_inside,
    joined,
    label_flaw,
    without_repeats,
)
from transfer.errors import DataError, option
from transfer.images.layout.describe import Survey
from transfer.images.layout.splitnames import split_of
from transfer.recipe.reading import Reading
from transfer.system.names import join_names, nfc

SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".xlsx", ".parquet"),
    *(".xml", ".manifest", ".labels", ".lst", ".list"),
)
_SHOWN = 5


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
    grid = read_grid(file)
    try:
        return _read(file, grid, reading or Reading(), split, survey)
    except DataError as error:
        if not grid.tool:
            raise
        raise DataError(
            f"{error} The file is an export of {grid.tool}: if its images have several objects, cut"
            " these out, one image for each."
        ) from error


def _read(file: Path, grid: Grid, reading: Reading, split: str, survey: Survey | None) -> Table:
    files = locator(file, survey, reading.follow_links)
    columns = choose_columns(grid, files, reading)
    lines = [(1, grid.header)] * columns.headless + grid.rows
    files.search(columns.path_of(row) for _, row in lines)
    sets = SetReader(columns, (row for _, row in lines)) if reading.multi_label else None
    rows = [_row(file, line, cells, columns, files, sets) for line, cells in lines]
    if sets is None:
        _refuse_several(file, rows, columns)
        _refuse_flawed(file, rows)
    if not reading.follow_links:
        for row in rows:
            check_inside(file, row, files.folder)
    check_files(file, rows, files.folder)
    if sets is not None:
        columns.notes.extend(filter(None, [sets.in_words()]))
    if split and not any(row.split for row in rows):
        rows = [row.at(split) for row in rows]
    rows = without_repeats(file, joined(rows) if reading.multi_label else rows)
    words = columns.in_words()
    name = f"{file.name} of {grid.tool}" if grid.tool else file.name
    return Table(rows, f"table {name} ({words})", words, reading.multi_label)


def locator(file: Path, survey: Survey | None = None, follow_links: bool = False) -> Locator:
    """Return what finds the files of a table: below its folder, or the next one with images."""
    folder = file.parent
    if survey is not None:
        while folder != survey.root and not survey.holds_images(folder):
            folder = folder.parent
    return Locator(folder, split_of(file.stem), survey, follow_links)


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
    path = columns.path_of(cells)
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
                f" that a folder can have. Or name another column: {option('label_column')}."
            )
