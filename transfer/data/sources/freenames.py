"""Names for files that are written side by side."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from transfer.system.names import nfc


class FreeNames:
    """Gives each file a path of its own: a.jpg, a-2.jpg, a-3.jpg.

    Not every file system distinguishes A.jpg from a.jpg, so that these are numbered too.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}  # equal names are many: the search goes on where it ended

    def take(self, wanted: Path) -> Path:
        """Return the wanted path, or one with a number where it was returned before."""
        path, key = wanted, _key(wanted)
        if key in self._taken:
            for number in count(self._next.get(key, 2)):
                path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
                if _key(path) not in self._taken:
                    self._next[key] = number + 1
                    break
        self._taken.add(_key(path))
        return path


def _key(path: Path) -> str:
    return nfc(str(path)).casefold()
