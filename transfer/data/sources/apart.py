"""Leaves the negatives out of a table."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from transfer.data.sources.rows import Table
from transfer.errors import DataError


def without_negatives(table: Table, negatives: str) -> Table:
    """Return the images of a table that do not lie in a folder of negatives, if that is one.

    Raises DataError where none is left.
    """
    folder = Path(negatives).expanduser()
    if negatives == "none" or not folder.is_dir():
        return table
    within = f"{os.path.realpath(folder).rstrip('/')}/"
    rows = [row for row in table.rows if not os.path.realpath(row.file).startswith(within)]
    if not rows:
        raise DataError(f"All images of the table lie in {negatives!r}, among the negatives.")
    return replace(table, rows=rows)
