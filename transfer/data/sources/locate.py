"""Finds the files that the paths in a table mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from transfer.images.layout.describe import describe
from transfer.images.layout.splitnames import split_of
from transfer.system.files import is_file


class Locator:
    """Finds files below the folder of a table.

    Paths are relative to the folder. Where none of a table's paths is, as with ids without
    extension, photos in a folder beside, or paths of another machine, files are looked for below
    the folder by as much of the path's end as possible; see `search`.
    """

    def __init__(self, folder: Path, hint: str | None = None) -> None:
        self.folder = folder
        self._hint = hint
        self._searching = False
        self._names: dict[str, list[str]] | None = None

    def search(self, paths: Iterable[str]) -> None:
        """Look for files by the ends of their paths from now on, if none of `paths` is a file."""
        self._searching = not any(self._direct(path) for path in paths)

    def find(self, path: str) -> Path | None:
        """Return the file that a path means; None where there is none, or more than one."""
        direct = self._direct(path)
        if direct is not None or not self._searching:
            return direct
        found = self._best(path)
        return self.folder / found[0] if len(found) == 1 else None

    def candidates(self, path: str) -> list[str]:
        """Return the files that a path may mean, relative to the folder, if there are several."""
        return self._best(path) if self._searching and self._direct(path) is None else []

    def resolves(self, path: str) -> bool:
        """Return whether a cell is the path or the id of a file."""
        return bool(path) and (self._direct(path) is not None or bool(self._best(path)))

    def _direct(self, path: str) -> Path | None:
        if not path or "\0" in path:
            return None
        for each in dict.fromkeys((path, path.replace("\\", "/"))):
            if is_file(self.folder / each):
                return self.folder / each
        return None

    def _best(self, path: str) -> list[str]:
        parts = [part for part in path.replace("\\", "/").lower().split("/") if part != "."]
        if not parts or not parts[-1]:
            return []
        found = self._index().get(parts[-1], [])
        scores = {each: _agreement(parts[:-1], each.lower().split("/")[:-1]) for each in found}
        best = [each for each in found if scores[each] == max(scores.values())]
        if len(best) > 1 and self._hint:
            hinted = [each for each in best if self._hint in map(split_of, each.split("/")[:-1])]
            best = hinted or best
        return best

    def _index(self) -> dict[str, list[str]]:
        """Return the files below the folder by their names, and by those without extension."""
        if self._names is None:
            names: dict[str, list[str]] = defaultdict(list)
            for relative in describe(self.folder, follow_links=True).top.below():
                path = PurePosixPath(relative)
                names[path.name.lower()].append(relative)
                names[path.stem.lower()].append(relative)
            self._names = dict(names)
        return self._names


def _agreement(wanted: Sequence[str], found: Sequence[str]) -> int:
    """Return how many folders agree, from the end."""
    count = 0
    for one, other in zip(reversed(wanted), reversed(found), strict=False):
        if one != other:
            break
        count += 1
    return count
