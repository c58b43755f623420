"""Reads tables of any format as cells of text: CSV, TSV, text lists, JSON, Excel, Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer.data.sources.cells import cell
from transfer.data.sources.columnar import read_records
from transfer.data.sources.exports import Export, records_of
from transfer.data.sources.markup import read_cvat
from transfer.errors import DataError
from transfer.system.csv import encoding_of, read_cells

Line = tuple[int, list[str]]
_JSON_LINES = (".jsonl", ".ndjson", ".manifest")
_MOST_JSON = 1_000_000_000  # bytes


class Unlike(DataError):
    """A file that may be a table by its name is none by its contents."""


@dataclass(frozen=True)
class Grid:
    """A table as cells of text.

    Attributes:
        file: Where it was read from.
        header: Names of the columns: the first line, which may be a row of a table without names.
        rows: (line, cells) of each row, from line 1; in a list of JSON objects, the number of the
            object.
        named: Whether the header cannot be a row.
        tool: What has exported it, such as ``COCO``; ``""`` where that is not known.
    """

    file: Path
    header: list[str]
    rows: list[Line]
    named: bool = False
    tool: str = ""


def read_grid(path: Path) -> Grid:
    """Read a table.

    Raises:
        DataError: It cannot be read, or needs a package that is not installed.
    """
    suffix = path.suffix.lower()
    if suffix in (*_JSON_LINES, ".json", ".labels"):
        return _from_json(path, suffix)
    if suffix == ".xml":
        return _from_export(path, read_cvat(path))
    if suffix == ".xlsx":
        return _from_excel(path)
    if suffix == ".parquet":
        return _from_parquet(path)
    if suffix == ".txt" and (lines := _plain_lines(path)):
        return Grid(path, lines[0][1], lines[1:])
    header, rows = read_cells(path)
    return Grid(path, header, rows)


def _plain_lines(path: Path) -> list[Line]:
    """Return the lines of a text file, ``path label``; none where it has another separator."""
    try:
        text = path.read_text(encoding=encoding_of(path))
    except OSError as error:
        raise DataError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    except UnicodeError as error:
        raise DataError(f"Expected {str(path)!r} in UTF-8. Received: {error}.") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [each for each in lines if not each[1].startswith("#")]
    if not lines or any(separator in lines[0][1] for separator in ",;\t|"):
        return []
    widths = {len(line.split()) for _, line in lines}
    if len(widths) == 1 and widths != {1}:
        return [(number, line.split()) for number, line in lines]
    return [(number, line.strip().rsplit(maxsplit=1)) for number, line in lines]


def _from_json(path: Path, suffix: str) -> Grid:
    try:
        if path.stat().st_size > _MOST_JSON:
            raise DataError(f"{str(path)!r} is too large for a table in JSON. Save it as CSV.")
        text = path.read_text(encoding="utf-8-sig")
        if suffix not in _JSON_LINES:
            value = json.loads(text)
        else:
            lines = text.splitlines()
            value = [json.loads(line) for line in lines if line.strip()]
    except OSError as error:
        raise DataError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise Unlike(f"{str(path)!r} cannot be read as JSON: {error}.") from error
    return _from_export(path, records_of(value))


def _from_export(path: Path, export: Export | None) -> Grid:
    """Return the grid of what a tool has exported. Raises Unlike where that is no table."""
    if export is None:
        raise Unlike(
            f'Expected a list of objects such as {{"file_name": "1.jpg", "label": "cat"}} in'
            f" {str(path)!r}, or an object of names and labels."
        )
    return _grid(path, export.records, export.tool)


def _grid(path: Path, records: Iterable[Mapping[str, Any]], tool: str = "") -> Grid:
    records = list(records)
    header = list(dict.fromkeys(str(key) for record in records for key in record))
    rows = [
        (number, [cell(record.get(name)) for name in header])
        for number, record in enumerate(records, 1)
    ]
    return Grid(path, header, rows, True, tool)


def _from_excel(path: Path) -> Grid:
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(
            f"Reading {path.name!r} needs openpyxl: pip install 'transfer-classifier[excel]'. Or"
            " save it as CSV."
        ) from error
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheet = book.worksheets[0]
        lines = [
            (number, [cell(value) for value in values])
            for number, values in enumerate(sheet.iter_rows(values_only=True), 1)
        ]
        book.close()
    except OSError as error:
        raise DataError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    except Exception as error:  # of many kinds, from zipfile and the XML in it
        raise DataError(f"{str(path)!r} cannot be read as an Excel file: {error}.") from error
    lines = [each for each in lines if any(each[1])]
    return Grid(path, lines[0][1] if lines else [], lines[1:])


def _from_parquet(path: Path) -> Grid:
    return _grid(path, read_records(path))
