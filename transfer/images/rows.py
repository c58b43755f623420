"""Reads CSV files that users bring, and names the line where one is broken."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from transfer.errors import DataError, did_you_mean
from transfer.run import unguard

Row = tuple[int, dict[str, str]]


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a CSV file as (line, cells by column).

    Args:
        path: The file, UTF-8, with commas, semicolons or tabs between its cells.
        columns: Columns that it must have; others are returned too.

    Raises:
        DataError: It cannot be read, lacks a column, or has a row with other than the header's
            number of cells.
    """
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = max(",;\t", key=file.readline().count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = [unguard(cell).strip() for cell in next(reader, [])]
            rows = []
            for cells in reader:
                line = reader.line_num
                if cells:
                    rows.append((line, dict(zip(header, map(unguard, cells), strict=True))))
    except OSError as error:
        raise DataError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"Expected {str(path)!r} in UTF-8. Received: {error}.") from error
    except csv.Error as error:
        raise DataError(f"Line {line + 1} of {str(path)!r} cannot be read: {error}.") from error
    except ValueError as error:
        raise DataError(
            f"Expected {len(header)} cells, as in its header, in line {line} of {str(path)!r}."
            f" Received: {len(cells)}."
        ) from error
    for column in columns:
        if column not in header:
            raise DataError(
                f"{str(path)!r} has no column {column!r}.{did_you_mean(column, header)}"
                f" Received: {', '.join(header) or 'an empty file'}."
            )
    return rows
