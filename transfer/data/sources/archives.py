"""Extracts the images of untrusted archives, and the tables that may say their classes.

The extractors of the standard library and of Keras can be led outside their folder by links that
an archive creates first (CVE-2025-4517, CVE-2025-12638), so members are written here one by one:
regular files only, under checked names, into a folder without links. An archive with anything else
in it is refused as a whole.
"""

from __future__ import annotations

import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path

from transfer.data.sources.members import CHUNK, Limits, Member, read_members
from transfer.data.sources.safenames import Names, Refused
from transfer.errors import DataError
from transfer.images.formats import HEAD, IMAGE_SUFFIXES, UNSUPPORTED_SUFFIXES, format_of
from transfer.images.junk import is_junk
from transfer.images.layout.describe import is_table_name
from transfer.images.scan import NOT_IMAGE
from transfer.system.progress import bar

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
UNPACKERS = {".7z": "7z x", ".rar": "unrar x"}

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


def refuse_foreign(path: Path) -> None:
    """Raise DataError for an archive that is not read here."""
    unpacker = UNPACKERS.get(path.suffix.lower())
    if unpacker:
        raise DataError(
            f"{path.suffix} archives cannot be read here. Unpack it with"
            f" {unpacker} {path.name!r} and give the folder, or repack it as .zip or .tar.gz."
        )


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
    except Refused as error:
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


class _Writer:
    """Writes members below a folder, under checked names."""

    def __init__(self, target: Path) -> None:
        self.skipped: Counter[str] = Counter()
        self._target = target
        self._names = Names()

    def write(self, member: Member) -> None:
        if member.flaw:
            raise Refused(member.flaw)
        parts = self._names.take(member.name, folder=member.stream is None)
        if not parts:
            return
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


def is_image_name(path: Path) -> bool:
    """Return whether a file is an image by its name, readable here or not."""
    return path.suffix.lower() in IMAGE_SUFFIXES | UNSUPPORTED_SUFFIXES
