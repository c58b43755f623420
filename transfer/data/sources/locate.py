"""Finds the files that the paths in a table mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from transfer.images.layout.describe import Survey, describe, is_table_name
from transfer.images.layout.splitnames import split_of
from transfer.system.files import is_file


class Locator:
    """Finds files below the folder of a table.

    Paths are relative to the folder. Where none of a table's paths is, as with ids without
    extension, photos in a folder beside, or paths of another machine, files are looked for below
    the folder by as much of the path's end as possible; see `search`.

    Args:
        folder: Absolute path, or relative to the working directory.
        hint: Split of the files to prefer where several fit.
        survey: What lies in the folder, or in one that it is in; None: the folder is walked when
            the first file is looked for, without what cannot be listed.
        follow_links: Whether that walk follows links that lead out of the folder.
    """

    def __init__(
        self,
        folder: Path,
        hint: str | None = None,
        survey: Survey | None = None,
        follow_links: bool = False,
    ) -> None:
        self.folder = folder
        self._hint = hint
        self._survey = survey
        self._follow_links = follow_links
        self._searching = False

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

    def lies_at(self, path: str) -> bool:
        """Return whether a cell is the path of a file, and not of a table."""
        return self._direct(path) is not None and not is_table_name(path)

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
        start = self._start
        found = [each[len(start) :] for each in self._names(parts[-1]) if each.startswith(start)]
        scores = {each: _agreement(parts[:-1], each.lower().split("/")[:-1]) for each in found}
        best = [each for each in found if scores[each] == max(scores.values())]
        if len(best) > 1 and self._hint:
            hinted = [each for each in best if self._hint in map(split_of, each.split("/")[:-1])]
            best = hinted or best
        return best

    def _names(self, name: str) -> Sequence[str]:
        """Return the files of a name, as the survey has them."""
        if self._survey is None:
            self._survey = describe(self.folder, self._follow_links, lenient=True)
        return self._survey.by_name.get(name, ())

    @cached_property
    def _start(self) -> str:
        """What the paths of files below the folder begin with in the survey."""
        if self._survey is None or self.folder == self._survey.root:
            return ""
        return f"{self.folder.relative_to(self._survey.root).as_posix()}/"


def _agreement(wanted: Sequence[str], found: Sequence[str]) -> int:
    """Return how many folders agree, from the end."""
    count = 0
    for one, other in zip(reversed(wanted), reversed(found), strict=False):
        if one != other:
            break
        count += 1
    return count
