"""Counts the images that lie beside a table and are not in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from transfer.data.sources.tables import Table
from transfer.errors import DataError
from transfer.images.layout.describe import Survey, describe

_SHOWN = 3


def unlisted(table: Table, survey: Survey | None) -> str:
    """Return how many images are not in a table, and some of them; ``""`` where all are.

    Args:
        table: The table, with one row or more.
        survey: What lies in the folder that the user gives; None: in that of all listed images,
            since a table that is given alone may lie beside other data.
    """
    listed = {os.fspath(row.file) for row in table.rows}
    if survey is None:
        try:
            survey = describe(os.path.commonpath(map(os.path.dirname, listed)), follow_links=True)
        except DataError:  # a folder that cannot be walked does not matter to the table
            return ""
    others = [path for path in survey.top.below() if _absolute(survey.root, path) not in listed]
    if not others:
        return ""
    verb = "image is" if len(others) == 1 else "images are"
    return f"{len(others):,} {verb} not listed in {_name(table)}, such as {_some(others)}"


def _absolute(root: Path, path: str) -> str:
    return os.path.normpath(root / path)


def _name(table: Table) -> str:
    """Return what a table is called: its file, or several of what."""
    kind, _, rest = table.read_as.partition(" ")
    return rest.removesuffix(f" ({table.columns})") if kind == "table" else f"the {kind}"


def _some(paths: Iterable[str]) -> str:
    return ", ".join(sorted(paths)[:_SHOWN])
