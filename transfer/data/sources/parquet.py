"""Parquet files with images in a column, such as those of Hugging Face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from transfer.data.sources.bytefiles import Labelled
from transfer.data.sources.cells import cell
from transfer.data.sources.columnar import class_names, damaged, named, open_parquet
from transfer.data.sources.labelcells import label_in
from transfer.data.sources.labelcolumns import label_names
from transfer.errors import DataError, option
from transfer.images.layout.splitnames import split_of

_BATCH = 64  # rows that are in memory at once


@dataclass(frozen=True)
class ImageColumns:
    """The columns of a Parquet file that hold images and classes, and the names of the classes."""

    image: str
    label: str
    names: Sequence[str] | None


def image_columns(path: Path, asked: str = "auto") -> ImageColumns | None:
    """Return where a Parquet file holds images and their classes; None where it holds no image.

    Args:
        path: The file.
        asked: Column of the classes; ``auto``: found.

    Raises:
        DataError: It cannot be read, pyarrow is not installed, or no or several columns may be the
            classes.
    """
    schema = open_parquet(path).schema_arrow
    import pyarrow.types as types

    images = [
        field.name
        for field in schema
        if types.is_binary(field.type)
        or types.is_large_binary(field.type)
        or (types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0)
    ]
    if not images:
        return None
    image = next((name for name in ("image", "img", "jpg") if name in images), images[0])
    names = class_names(schema)
    others = [field.name for field in schema if field.name not in images]
    if asked in others:
        return ImageColumns(image, asked, names.get(asked))
    likely = list(names) or label_names(others)
    label = "label" if "label" in likely else likely[0] if len(likely) == 1 else ""
    if not label or asked != "auto":
        raise DataError(
            f"Which column of {str(path)!r} is the class? Name it with"
            f" {option('label_column')}:"
            f" {', '.join(likely or others) or 'it has none'}."
        )
    return ImageColumns(image, label, names.get(label))


def images_of(paths: Sequence[Path], asked: str = "auto") -> Iterator[Labelled]:
    """Yield the images of Parquet files with their classes; the split is that of a file's name."""
    splits = {path: split_of(path.stem) or split_of(path.parent.name) or "" for path in paths}
    several = len(set(splits.values())) > 1
    for path in paths:
        columns = image_columns(path, asked)
        if columns is None:
            continue
        file = open_parquet(path)
        number = 0
        try:
            for batch in file.iter_batches(_BATCH, columns=[columns.image, columns.label]):
                for row in batch.to_pylist():
                    number += 1
                    split = splits[path] if several else ""
                    yield _labelled(path, number, row, columns, split)
        except DataError:
            raise
        except Exception as error:  # of many kinds, from Arrow
            raise damaged(path, error) from error


def _labelled(
    path: Path, number: int, row: Mapping[str, Any], columns: ImageColumns, split: str
) -> Labelled:
    value = row[columns.image]
    data = value.get("bytes") if isinstance(value, dict) else value
    given = (value.get("path") if isinstance(value, dict) else None) or ""
    where = f"{str(path)!r}, row {number}"
    if not isinstance(data, bytes) or not data:
        raise DataError(f"{where} holds no image{f', but the path {given!r}' if given else ''}.")
    text = cell(named(row[columns.label], columns.names))
    try:
        label = label_in(text)
    except ValueError as error:
        column = repr(columns.label)
        raise DataError(f"{where}: {text!r:.80} in the column {column} {error}") from error
    stem = PurePosixPath(given.replace("\\", "/")).stem or f"{path.stem}-{number:06d}"
    return Labelled(data, label, split, stem, where)
