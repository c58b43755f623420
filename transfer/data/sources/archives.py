"""Extracts the images of untrusted archives, and the tables that may say their classes.

The extractors of the standard library and of Keras can be led outside their folder by links that
an archive creates first (CVE-2025-4517, CVE-2025-12638), so members are written here one by one:
regular files only, under checked names, into a folder without links. An archive with anything else
in it is refused as a whole.
"""

from __future__ import annotations

import lzma
import re
import shutil
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections import Counter
from pathlib import Path

from transfer.data.sources.members import CHUNK, Limits, Member, read_members
from transfer.errors import DataError
from transfer.images.formats import HEAD, IMAGE_SUFFIXES, UNSUPPORTED_SUFFIXES, format_of
from transfer.images.junk import is_junk
from transfer.images.layout.describe import is_table_name
from transfer.images.scan import NOT_IMAGE
from transfer.system.progress import bar

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
UNPACKERS = {".7z": "7z x", ".rar": "unrar x"}

_LONGEST_NAME = 255  # bytes, of one part of a path
_LONGEST_PATH = 1024
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
)


def is_archive(path: Path) -> bool:
    """Return whether the name is that of an archive, readable here or not."""
    return path.name.lower().endswith((*SUFFIXES, *UNPACKERS))


def stem(name: str) -> str:
    """Return the name of an archive without its extensions."""
    ends = [end for end in (*SUFFIXES, *UNPACKERS) if name.lower().endswith(end)]
    return name[: -len(max(ends, key=len))] if ends else name


def extract(archive: Path, target: Path, limits: Limits | None = None) -> Counter[str]:
    """Write the images and tables of an archive below `target`, without modes, owners and times.

    Args:
        archive: A tar (plain, gzip, bzip2 or xz) or zip file, recognised by its bytes.
        target: An empty folder. Remove it after an error.
        limits: Limits on the unpacked content; `Limits()` by default.

    Returns:
        Reason to number of members that were left out because they are neither. Leftovers of
        other systems, such as ``._x.jpg``, are not counted.

    Raises:
        DataError: It is not an archive, or damaged; it holds anything but regular files and
            folders, a path that leads out of it or two members of one name; or it exceeds `limits`.
        OSError: It cannot be read, or `target` cannot be written.
    """
    writer = _Writer(target)
    try:
        with (
            archive.open("rb") as file,
            bar(f"Unpacking {archive.name}", archive.stat().st_size) as advance,
        ):
            done = 0
            for member in read_members(archive, file, limits or Limits()):
                writer.write(member)
                advance(max(0, file.tell() - done))
                done = max(done, file.tell())
    except _Refused as error:
        raise DataError(f"The archive {str(archive)!r} is refused: {error}.") from error
    except NotImplementedError as error:  # a compression that zipfile does not support
        raise DataError(
            f"The archive {str(archive)!r} cannot be read here ({error}). Repack it as .tar.gz."
        ) from error
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(
            f"The archive {str(archive)!r} is damaged or cut off: {str(error).rstrip('.')}."
            " Download or copy it again."
        ) from error
    return writer.skipped


def unwrap(inner: Path, target: Path) -> None:
    """Move what lies in `inner` to `target`, without the folders that only wrap it.

    A wrapper is a folder that is alone and holds folders.
    """
    entries = list(inner.iterdir())
    while len(entries) == 1 and entries[0].is_dir():
        below = list(entries[0].iterdir())
        if not any(each.is_dir() for each in below):
            break
        entries = below
    for each in entries:
        each.rename(target / each.name)
    shutil.rmtree(inner)


class _Refused(Exception):
    """The archive holds something that is not extracted; the message says what."""


class _Writer:
    """Writes members below a folder, under checked names."""

    def __init__(self, target: Path) -> None:
        self.skipped: Counter[str] = Counter()
        self._target = target
        self._files: dict[tuple[str, ...], str] = {}
        self._folders: set[tuple[str, ...]] = set()

    def write(self, member: Member) -> None:
        if member.flaw:
            raise _Refused(member.flaw)
        parts = _checked_parts(member.name)
        if not parts:
            return
        self._claim(parts, member)
        path = self._target.joinpath(*parts)
        if any(is_junk(part) for part in parts):
            return
        if member.stream is None:
            path.mkdir(parents=True, exist_ok=True)
            return
        head = member.stream.read(HEAD)
        if not (is_image_name(path) or is_table_name(path.name) or format_of(head)):
            self.skipped[NOT_IMAGE] += 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(head)
                while chunk := member.stream.read(CHUNK):
                    file.write(chunk)

    def _claim(self, parts: tuple[str, ...], member: Member) -> None:
        """Refuse two members that would be one file, on this or another file system."""
        key = tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)
        parents = [key[:end] for end in range(1, len(key))]
        for each in (key, *parents):
            if each in self._files:
                raise _Refused(f"{self._files[each]!r} and {member.name!r} would be the same file")
        if member.stream is None:
            self._folders.add(key)
        elif key in self._folders:
            raise _Refused(f"{member.name!r} would be both a file and a folder")
        else:
            self._files[key] = member.name
        self._folders.update(parents)


def is_image_name(path: Path) -> bool:
    """Return whether a file is an image by its name, readable here or not."""
    return path.suffix.lower() in IMAGE_SUFFIXES | UNSUPPORTED_SUFFIXES


def _checked_parts(name: str) -> tuple[str, ...]:
    """Return the parts of a member's path; backslashes separate too, as in zips from Windows."""
    if "\0" in name:
        raise _Refused(f"the name {name!r} holds a NUL character")
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        raise _Refused(f"{name!r} is an absolute path")
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
    if ".." in parts:
        raise _Refused(f"{name!r} leads out of it")
    sizes = [len(part.encode(errors="surrogateescape")) for part in parts]
    if max(sizes, default=0) > _LONGEST_NAME or sum(sizes) + len(sizes) > _LONGEST_PATH:
        raise _Refused(f"the name {name[:60] + '...'!r} is too long ({len(name)} characters)")
    return tuple(parts)
