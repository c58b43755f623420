"""Counts the images that lie beside a table and are not in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from transfer.data.sources.rows import Table
from transfer.images.junk import is_junk
from transfer.images.layout.describe import Survey
from transfer.images.layout.filenames import masks_among
from transfer.images.scan import reason_left_out

_SHOWN = 3


def unlisted(table: Table, survey: Survey | None) -> str:
    """Return how many images are not in a table, and some of them; ``""`` where all are.

    Args:
        table: The table, with one row or more.
        survey: What lies in the folder that the user gives; None: only the folders of the listed
            images are looked into, since a table that is given alone may lie beside anything.
    """
    listed = {os.fspath(row.file) for row in table.rows}
    if survey is None:
        folders = {row.file.parent for row in table.rows}
        root = os.path.commonpath(folders)
        others = [os.path.relpath(path, root) for path in _images_in(folders) if path not in listed]
    else:
        root = os.fspath(survey.root)
        others = [p for p in survey.top.below() if os.path.normpath(f"{root}/{p}") not in listed]
    if not others:
        return ""
    verb = "image is" if len(others) == 1 else "images are"
    return f"{len(others):,} {verb} not listed in {_name(table)}, such as {_some(others)}"


def _images_in(folders: Iterable[Path]) -> Iterator[str]:
    """Yield the images directly in some folders."""
    for folder in folders:
        try:
            with os.scandir(folder) as found:
                names = [each.name for each in found if each.is_file() and not is_junk(each.name)]
        except OSError:  # a folder that cannot be listed does not matter to the table
            continue
        masks = masks_among(names)
        for name in names:
            path = f"{folder}/{name}"
            if name not in masks and not reason_left_out(path, name):
                yield path


def _name(table: Table) -> str:
    """Return what a table is called: its file, or several of what."""
    kind, _, rest = table.read_as.partition(" ")
    return rest.removesuffix(f" ({table.columns})") if kind == "table" else f"the {kind}"


def _some(paths: Iterable[str]) -> str:
    return ", ".join(sorted(paths)[:_SHOWN])
