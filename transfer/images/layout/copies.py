"""Finds second copies of folders, as some archives hold their set twice, one in the other."""

from __future__ import annotations

import filecmp
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from transfer.images.layout.tree import Folder
from transfer.system.names import nfc

COPY = "in a second copy of the same folders"
_SAMPLE = 64  # images that are compared byte by byte


def find_copies(root: Path, top: Folder) -> Iterator[str]:
    """Yield the folders whose images are all there a second time.

    In ``set/cat``, ``set/dog`` and ``set/set/cat``, ``set/set/dog`` the inner set is a copy if its
    images have the paths and sizes of those outside and, in a sample, their bytes. Where it holds
    more than is outside, the outer folders are the copies. Otherwise neither is one.
    """
    names = {nfc(name): name for name in top.filled}
    for child in top.filled.values():
        copied = _repeated_in(child, names)
        if not copied:
            continue
        inside = _relative([child], child.path)
        outside = _relative([top.folders[each] for each in copied], top.path)
        if _are_there(root, inside, outside):
            yield child.path
            return
        if len(copied) == len(top.filled) - 1 and _are_there(root, outside, inside):
            yield from (top.folders[each].path for each in copied)
            return
    for child in top.filled.values():
        yield from find_copies(root, child)


def _repeated_in(folder: Folder, beside: Mapping[str, str]) -> list[str]:
    """Return which folders beside a folder have a namesake in it.

    Args:
        folder: The folder.
        beside: Those where it lies: name in the form NFC to name.
    """
    found = [beside[nfc(name)] for name in folder.filled if nfc(name) in beside]
    return [name for name in found if name != folder.name]


def _relative(folders: Iterable[Folder], base: str) -> dict[str, str]:
    """Return the images in folders: path relative to `base`, in the form NFC, to path."""
    start = len(base) + 1 if base else 0
    return {nfc(path[start:]): path for folder in folders for path in folder.below()}


def _are_there(root: Path, copies: Mapping[str, str], others: Mapping[str, str]) -> bool:
    """Return whether images are also among others of the same relative paths."""
    if not copies.keys() <= others.keys():
        return False
    pairs = [(root / path, root / others[name]) for name, path in sorted(copies.items())]
    sample = pairs[:: max(1, len(pairs) // _SAMPLE)]
    alike = all(one.stat().st_size == other.stat().st_size for one, other in pairs)
    return alike and all(filecmp.cmp(one, other, shallow=False) for one, other in sample)
