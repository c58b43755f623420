"""CSV: our own tables, safe from formula injection, and tables that users bring."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from transfer.errors import DataError, did_you_mean
from transfer.system.files import write_text

Row = tuple[int, dict[str, str]]

# The header of a run's split.csv: a table of ours that users pass back as `split` or `group_by`.
# `read_rows` unguards only tables with exactly this header.
SPLIT_HEADER = ("path", "label", "split", "sha256", "leak", "group")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def csv_line(cells: Iterable[Any]) -> str:
    r"""Return one row of our own CSV, with its line end ``"\n"``, for a file that grows by rows.

    Text that a spreadsheet would run as a formula is preceded by an apostrophe. A row with a
    carriage return is quoted throughout: the csv module would leave it bare, and readers would
    end the row there.
    """
    guarded = [guard(cell) for cell in cells]
    bare = any("\r" in str(cell) for cell in guarded)
    buffer = io.StringIO()
    if bare:
        writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL)
    else:
        writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(guarded)
    return buffer.getvalue()


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file of our own, atomically; see `csv_line`."""
    write_text(path, "".join(map(csv_line, (header, *rows))))


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read what `write_csv` wrote, as one dict per row. Raises OSError, ValueError, csv.Error."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = [unguard(cell) for cell in next(reader, [])]
        return [dict(zip(header, map(unguard, row), strict=True)) for row in reader]


def guard(cell: Any) -> Any:
    """Return a cell that a spreadsheet shows instead of running; see `unguard`."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def unguard(cell: str) -> str:
    """Return a cell as it was before `guard`; one that `guard` cannot have made is unchanged."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def read_cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a user's CSV or TSV file, and its rows as (line, cells).

    Empty rows are left out.

    Args:
        path: The file, UTF-8 or, with its mark at the beginning, UTF-16; separated by commas,
            semicolons, tabs or vertical bars; a .tsv by tabs.

    Raises:
        DataError: It cannot be read.
    """
    line = 0
    rows = []
    try:
        with path.open(encoding=encoding_of(path), newline="") as file:
            candidates = "\t" if path.suffix.lower() == ".tsv" else ",;\t|"
            delimiter = max(candidates, key=file.readline().count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = next(reader, [])
            line = reader.line_num
            for cells in reader:
                line = reader.line_num
                if any(cells):
                    rows.append((line, cells))
    except OSError as error:
        raise DataError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    except UnicodeError as error:
        raise DataError(f"Expected {str(path)!r} in UTF-8. Received: {error}.") from error
    except csv.Error as error:
        raise DataError(f"Line {line + 1} of {str(path)!r} cannot be read: {error}.") from error
    return header, rows


def encoding_of(path: Path) -> str:
    """Return the encoding of a user's text file: UTF-16 where its mark says so, else UTF-8."""
    with path.open("rb") as file:
        head = file.read(4)
    return "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a CSV file that a user names, as (line, cells by column).

    Cells are taken literally, apostrophes included. The exception is a run's split.csv, known by
    its header (`SPLIT_HEADER`): its cells are returned as they were before `write_csv`.

    Args:
        path: See `read_cells`.
        columns: Required columns; others are returned too.

    Raises:
        DataError: It cannot be read, lacks a column, or has a row whose number of cells is not
            that of the header.
    """
    header, rows = read_cells(path)
    header = [name.strip() for name in header]
    for column in columns:
        if column not in header:
            raise DataError(
                f"{str(path)!r} has no column {column!r}.{did_you_mean(column, header)}"
                f" Received: {', '.join(header) or 'an empty file'}."
            )
    for line, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"Expected {len(header)} cells, as in its header, in line {line} of {str(path)!r}."
                f" Received: {len(cells)}."
            )
    if tuple(header) == SPLIT_HEADER:
        rows = [(line, list(map(unguard, cells))) for line, cells in rows]
    return [(line, dict(zip(header, cells, strict=True))) for line, cells in rows]
