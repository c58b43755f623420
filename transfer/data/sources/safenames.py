"""Names of files from elsewhere: only those that lead into the folder, each once."""

from __future__ import annotations

import re
import unicodedata

_LONGEST_NAME = 255  # bytes, of one part of a path
_LONGEST_PATH = 1024


class Refused(Exception):
    """Something holds what is not written; the message says what."""


class Names:
    """The files and folders that are written to one folder."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, ...], str] = {}
        self._folders: set[tuple[str, ...]] = set()

    def take(self, name: str, folder: bool = False) -> tuple[str, ...]:
        """Return the parts of a path; none where it is the folder itself.

        Args:
            name: The path, with slashes or, as in zip files from Windows, backslashes.
            folder: Whether it is that of a folder.

        Raises:
            Refused: It leads out, is too long, or would be one file with another that was taken,
                on this or another file system.
        """
        parts = _checked_parts(name)
        if parts:
            self._claim(parts, name, folder)
        return parts

    def _claim(self, parts: tuple[str, ...], name: str, folder: bool) -> None:
        key = tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)
        parents = [key[:end] for end in range(1, len(key))]
        for each in (key, *parents):
            if each in self._files:
                raise Refused(f"{self._files[each]!r} and {name!r} would be the same file")
        if folder:
            self._folders.add(key)
        elif key in self._folders:
            raise Refused(f"{name!r} would be both a file and a folder")
        else:
            self._files[key] = name
        self._folders.update(parents)


def _checked_parts(name: str) -> tuple[str, ...]:
    if "\0" in name:
        raise Refused(f"the name {name!r} holds a NUL character")
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        raise Refused(f"{name!r} is an absolute path")
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
    if ".." in parts:
        raise Refused(f"{name!r} leads out of it")
    try:
        sizes = [len(part.encode(errors="surrogateescape")) for part in parts]
    except UnicodeEncodeError as error:
        raise Refused(f"the name {name!r} is not Unicode") from error
    if max(sizes, default=0) > _LONGEST_NAME or sum(sizes) + len(sizes) > _LONGEST_PATH:
        raise Refused(f"the name {name[:60] + '...'!r} is too long ({len(name)} characters)")
    return tuple(parts)
