"""The classes of the images that lists name: from the lists, the folders or the file names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from transfer.data.sources.rows import Row
from transfer.images.layout.filenames import propose_regex
from transfer.images.layout.names import is_general
from transfer.images.layout.splitnames import split_of
from transfer.system.names import nfc


def labelled(root: Path, rows: Sequence[Row]) -> list[Row]:
    """Return rows with their classes; with ``""`` for all where nothing says these.

    The class is what a list says after a path if that is no number; else the folder of the image;
    else what its name begins with, if that divides the images as the numbers do; else the number,
    by the name that it has in folders of other lists. A number that no two images of a list share
    is none of a class.

    Args:
        root: The folder in which the lists are.
        rows: Images with what the lists say after their paths; ``""`` for nothing.
    """
    said = [row.label for row in rows]
    if all(said) and not any(map(_is_number, said)):
        return list(rows)
    folders = [_folder(root, row) for row in rows]
    if all(folders) and len(set(folders)) > 1:
        return _of(rows, folders)
    if all(said) and (names := _mapped(said, folders)):
        return _of(rows, names)
    names = _from_names([row.file.name for row in rows])
    if names and (not all(said) or _alike(names, said)):
        return _of(rows, names)
    if all(said) and not any(folders) and _repeat(rows):
        return list(rows)
    return _of(rows, [""] * len(rows))


def _of(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    return [row.of(nfc(name)) for row, name in zip(rows, names, strict=True)]


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _folder(root: Path, row: Row) -> str:
    """Return the folder of an image, as its list or the disk has it; ``""`` if it says no class."""
    name = PurePosixPath(row.path.replace("\\", "/")).parent.name
    if not name and row.file.parent != root:
        name = row.file.parent.name
    return "" if is_general(name) or split_of(name) else name


def _mapped(numbers: Sequence[str], folders: Sequence[str]) -> list[str]:
    """Return the names of numbers, where some images are in folders that these stand for."""
    pairs = {(n, name) for n, name in zip(numbers, folders, strict=True) if name}
    names = dict(pairs)
    if not len(pairs) == len(names) == len(set(names.values())) or not names.keys() >= set(numbers):
        return []
    return [names[number] for number in numbers]


def _from_names(files: Sequence[str]) -> list[str]:
    pattern = propose_regex(files)
    if pattern is None:
        return []
    matches = [re.search(pattern, name) for name in files]
    return [match[1] for match in matches if match] if all(matches) else []


def _alike(names: Sequence[str], numbers: Sequence[str]) -> bool:
    """Return whether names and numbers divide images alike."""
    pairs = Counter(zip(names, numbers, strict=True))
    return len(pairs) == len(set(names)) == len(set(numbers))


def _repeat(rows: Sequence[Row]) -> bool:
    """Return whether some number stands for several images of a list."""
    counts = Counter((row.split, row.label) for row in rows)
    return len(rows) < 4 or max(counts.values()) > 1
