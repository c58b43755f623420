"""The folders that lie in a folder, as a tree with the images in each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass
class Folder:
    """A folder with what lies in it.

    Attributes:
        path: Relative to the root, with forward slashes; ``""`` for the root.
        folders: Its subfolders by name, in order, those without images included.
        images: Paths of the images directly in it, sorted.
        total: Number of images in it and below.
    """

    path: str
    folders: dict[str, Folder] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    total: int = 0

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path.rpartition("/")[2]

    @property
    def filled(self) -> dict[str, Folder]:
        """Its subfolders that hold images somewhere below."""
        return {name: folder for name, folder in self.folders.items() if folder.total}

    def below(self) -> Iterator[str]:
        """Yield the paths of all images in it and below."""
        yield from self.images
        for folder in self.folders.values():
            yield from folder.below()

    def paths(self) -> Iterator[str]:
        """Yield its path and those of all folders in it and below."""
        yield self.path
        for folder in self.folders.values():
            yield from folder.paths()


def tree_of(folders: Iterable[str], images: Iterable[str]) -> Folder:
    """Return the tree of all folders and images of a root, given by their relative paths."""
    top = Folder("")
    known = {"": top}

    def at(path: str) -> Folder:
        if path not in known:
            parent, _, name = path.rpartition("/")
            known[path] = at(parent).folders.setdefault(name, Folder(path))
        return known[path]

    for path in sorted(folders):
        at(path)
    for path in images:
        folder = path.rpartition("/")[0]
        at(folder).images.append(path)
    _count(top)
    return top


def _count(folder: Folder) -> int:
    folder.total = len(folder.images) + sum(map(_count, folder.folders.values()))
    return folder.total
