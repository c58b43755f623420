"""Opens Parquet files. Needs pyarrow, an extra."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transfer.errors import DataError


def read_records(path: Path) -> list[Mapping[str, Any]]:
    """Return the rows of a Parquet file without images, with the names of its classes.

    Raises:
        DataError: It cannot be read, or pyarrow is not installed.
    """
    file = open_parquet(path)
    names = class_names(file.schema_arrow)
    try:
        records = file.read().to_pylist()
    except Exception as error:  # of many kinds, from Arrow
        raise damaged(path, error) from error
    return [{key: named(value, names.get(key)) for key, value in each.items()} for each in records]


def named(value: Any, names: Sequence[str] | None) -> Any:
    """Return the name of a class that is stored as its number; other values as they are."""
    if names is not None and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return value


def class_names(schema: Any) -> dict[str, list[str]]:
    """Return the class names of the columns that Hugging Face's datasets have written as such."""
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        features = about["info"]["features"]
        return {
            name: [str(each) for each in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def open_parquet(path: Path) -> Any:
    """Return an open `pyarrow.parquet.ParquetFile`. Raises DataError where it cannot be read."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            f"Reading {path.name!r} needs pyarrow: pip install 'transfer-classifier[parquet]'."
        ) from error
    try:
        return pyarrow.parquet.ParquetFile(path)
    except OSError as error:
        raise damaged(path, error) from error
    except Exception as error:  # pyarrow.lib.ArrowInvalid and its like
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> DataError:
    """Return the error for a file that Arrow cannot read."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{str(path)!r} cannot be read as a Parquet file: {reason[:200]}.")
