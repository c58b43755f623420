"""Reads CSV files that users bring, and names the line where one is broken."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from transfer.errors import DataError, did_you_mean
from transfer.system.files import unguard

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
    """Return the rows of a CSV file as (line, cells by column).

    Args:
        path: See `read_cells`.
        columns: Columns that it must have; others are returned too.

    Raises:
        DataError: It cannot be read, lacks a column, or has a row with other than the header's
            number of cells.
    """
    header, rows = read_cells(path)
    header = [unguard(name).strip() for name in header]
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
    return [(line, dict(zip(header, map(unguard, cells), strict=True))) for line, cells in rows]
