"""The folder of explanations: a picture of each, and a list of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transfer.api.explanation import Explanation
from transfer.errors import DataError, UsageError, option
from transfer.system.files import check_writable, write_json

INDEX = "explanations.json"


def write_explanations(
    found: Iterator[Explanation], output: str | os.PathLike[str], bad: list[tuple[str, DataError]]
) -> Iterator[tuple[Explanation, Path]]:
    """Write explanations as they come, and yield each with its file.

    explanations.json lists them at the end, also where Ctrl-C or an error is the end: each file is
    complete or absent, and the list is of those that are there.

    Args:
        found: The explanations.
        output: The folder; it is made.
        bad: Names and errors of images that could not be read; may grow meanwhile.

    Raises:
        UsageError: The folder cannot be made or written.
    """
    folder = make_folder(output)
    rows: list[dict[str, Any]] = []
    try:
        for each in found:
            file = folder / file_name(each)
            each.save(file)
            rows.append(each.row() | {"map": file.name})
            yield each, file
    finally:
        failed = [{"path": name, "error": str(error)} for name, error in bad]
        if rows or failed:
            write_json(folder / INDEX, rows + failed)


def make_folder(output: str | os.PathLike[str]) -> Path:
    """Make and return a folder for pictures. Raises UsageError where that is impossible."""
    folder = Path(output).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"Expected a folder as {option('output')}. Received: {str(folder)!r}: {error.strerror}."
        ) from error
    check_writable(folder / INDEX)
    return folder


def file_name(each: Explanation) -> str:
    """Return a file name of letters, digits, ``-``, ``_`` and ``.``, different for each image."""
    several = each.classes.index(each.class_name)
    words = (
        f"{each.number + 1:03d}",
        plain(each.path),
        plain(each.class_name, several),
        each.method,
    )
    return f"{'-'.join(word for word in words if word)}.png"


def plain(name: str, number: int | None = None) -> str:
    """Return the stem of a path, or a numbered name, as a part of a file name.

    Where a name has to be altered, its number, after the only dot, tells it from all others.
    """
    stem = Path(name).stem if number is None else name
    text = re.sub(r"[^A-Za-z0-9_]+", "-", stem)[:40].strip("-")
    return text if number is None else f"{text or 'class'}{'' if text == name else f'.{number}'}"
