"""A list of what to do with images: the table that a user edits before images are copied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from transfer.data.sources.grids import read_grid
from transfer.errors import DataError, did_you_mean
from transfer.images.folder import ImageFolder
from transfer.system.csv import unguard
from transfer.system.names import nfc
from transfer.system.text import cut

KEEP, REMOVE = "keep", "remove"


def read_actions(file: Path, index: ImageFolder) -> Mapping[str, str]:
    """Return the images to leave out, as ``""``, and the right class of those that have another.

    Args:
        file: A table with columns ``path`` and ``action``: ``keep`` or nothing, ``remove``, or the
            name of a class. ``transfer check --fix-list`` writes one; the lists of a run, such as
            label_errors.csv, are others once they have a column ``action``.
        index: The images; paths in the table are relative to their folder.

    Raises:
        DataError: It cannot be read, or names an image or a class that is not there.
    """
    grid = read_grid(file)
    columns = {name.strip().lower(): number for number, name in enumerate(grid.header)}
    missing = [name for name in ("path", "action") if name not in columns]
    if missing:
        raise DataError(
            f"Expected the columns path and action in {str(file)!r}."
            f" Received: {cut(', '.join(grid.header))}"
        )
    known = {nfc(path): path for path in index.paths}
    left_out = {nfc(path) for path, _ in index.left_out}
    classes = {nfc(name): name for name in index.classes}
    actions: dict[str, str] = {}
    for line, cells in grid.rows:
        path, action = (nfc(cells[columns[name]].strip()) for name in ("path", "action"))
        path = path if path in known else unguard(path)
        action = action if action in classes else unguard(action)
        place = f"Line {line} of {str(file)!r}"
        if path in left_out and action in ("", KEEP, REMOVE):
            continue  # not an image anyway
        if path not in known:
            raise DataError(f"{place}: {cut(path)!r} is no image of {str(index.root)!r}.")
        if action in ("", KEEP):
            continue
        if action != REMOVE and action not in classes:
            raise DataError(
                f"{place}: expected keep, remove or the name of a class as action."
                f"{did_you_mean(action, [KEEP, REMOVE, *classes])} Received: {cut(action)!r}"
            )
        wanted = "" if action == REMOVE else classes[action]
        if actions.setdefault(known[path], wanted) != wanted:
            raise DataError(f"{place}: {cut(path)!r} is there twice, with different actions.")
    return actions
