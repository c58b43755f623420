"""What the folders in a folder have in common: levels, names, splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from transfer.images.layout.build import inner
from transfer.images.layout.splitnames import splits_of
from transfer.images.layout.tree import Folder
from transfer.system.names import nfc


def holds_folders(folder: Folder) -> bool:
    """Return whether a folder holds folders of images, and hardly an image of its own."""
    return bool(inner(folder).filled) and 3 * len(folder.images) <= folder.total


def share_names(folders: Sequence[Folder]) -> bool:
    """Return whether folders hold folders of mostly the same names, two or more."""
    sets = [{nfc(name) for name in inner(folder).filled} for folder in folders]
    everything = set().union(*sets)
    shared = [name for name in everything if sum(name in each for each in sets) > 1]
    return len(sets) > 1 and len(everything) > 1 and 2 * len(shared) >= len(everything)


def are_splits(children: Mapping[str, Folder]) -> bool:
    """Return whether all of some folders, one or more, are named like splits."""
    return bool(children) and len(splits_of(children)) == len(children)


def number_divided(children: Mapping[str, Folder]) -> int:
    """Return how many class folders hold nothing but split folders."""
    return sum(not child.images and are_splits(child.filled) for child in children.values())
