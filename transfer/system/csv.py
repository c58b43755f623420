"""CSV: ours, safe from formula injection, and the files that users bring, read line by line.

Spreadsheets run cells that begin with ``=`` and the like. In files of ours such cells are preceded
by an apostrophe, which reading removes again. Users' files are read as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from transfer.errors import DataError, did_you_mean
from transfer.system.files import write_text

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_OURS = ("path", "label", "split", "sha256")  # how the split.csv of a run begins

Row = tuple[int, dict[str, str]]


def read_cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a CSV or TSV file, and its rows as (line, cells) without empty ones.

    Args:
        path: The file, UTF-8, with commas, semicolons or tabs between its cells; tabs in a .tsv.

    Raises:
        DataError: It cannot be read.
    """
    line = 0
    rows = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            candidates = "\t" if path.suffix.lower() == ".tsv" else ",;\t"
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
    except UnicodeDecodeError as error:
        raise DataError(f"Expected {str(path)!r} in UTF-8. Received: {error}.") from error
    except csv.Error as error:
        raise DataError(f"Line {line + 1} of {str(path)!r} cannot be read: {error}.") from error
    return header, rows


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a CSV file that a user names, as (line, cells by column).

    The split.csv of a run is recognised by its header, and its guarded cells are restored.

    Args:
        path: See `read_cells`.
        columns: Columns that it must have; others are returned too.

    Raises:
        DataError: It cannot be read, lacks a column, or has a row with other than the header's
            number of cells.
    """
    header, rows = read_cells(path)
    ours = tuple(header[: len(_OURS)]) == _OURS
    plain = unguard if ours else str
    header = [plain(name).strip() for name in header]
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
    return [(line, dict(zip(header, map(plain, cells), strict=True))) for line, cells in rows]


def csv_line(cells: Iterable[Any]) -> str:
    """Return a row of a CSV file, guarded, with its line end."""
    row = [guard(cell) for cell in cells]
    buffer = io.StringIO()
    if any("\r" in str(cell) for cell in row):  # which ends a row, and which the writer leaves bare
        csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(row)
    else:
        csv.writer(buffer, lineterminator="\n").writerow(row)
    return buffer.getvalue()


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file, atomically, with its cells guarded."""
    write_text(path, "".join(map(csv_line, (header, *rows))))


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read what `write_csv` wrote, as one dict per row.

    Raises:
        OSError, ValueError, csv.Error: It cannot be read, or is not of that form.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = [unguard(cell) for cell in next(reader, [])]
        return [dict(zip(header, map(unguard, row), strict=True)) for row in reader]


def guard(cell: Any) -> Any:
    """Return a cell that a spreadsheet shows and does not run; `unguard` restores it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def unguard(cell: str) -> str:
    """Return a cell as it was before `guard`."""
    return cell[1:] if cell.startswith("'") else cell
