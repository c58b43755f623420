"""Downloads and unpacks archives, and remembers their digests."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from pathlib import Path

from transfer.data.sources import archives
from transfer.data.sources.members import Limits
from transfer.errors import DataError, TransferError
from transfer.images.formats import guess_kind
from transfer.system.cachedir import cache_dir
from transfer.system.digests import RACY, sha256_of
from transfer.system.download import download
from transfer.system.files import write_text
from transfer.system.progress import say


def download_and_unpack(url: str, digest: str, file: Path, target: Path, limits: Limits) -> None:
    """Download an archive, and unpack it if it has the expected digest.

    Args:
        url: Its address.
        digest: The expected SHA-256, 64 hex digits.
        file: Temporary file for it.
        target: The folder to fill.
        limits: Limits on the unpacked content.

    Raises:
        DataError, TransferError: The download fails, has another digest or holds no image.
    """
    from http.client import HTTPException

    without = f"Download it by other means and give the file in place of {url}."
    say(f"Downloading {url}")
    try:
        download(url, file, file.name, most=limits.size)
        found = sha256_of(file)
        with file.open("rb") as stream:
            kind = guess_kind(stream.read(256))
    except (OSError, HTTPException, ValueError) as error:
        reason = " ".join(str(error).split())
        raise TransferError(f"Cannot download {url}: {reason}. {without}") from error
    if found != digest:
        page = " (it is a web page)" if kind == "HTML" else ""
        raise TransferError(
            f"The download from {url} is not the expected file{page}: its sha256 is {found} instead"
            f" of {digest}. It was not kept. {without}"
        )
    try:
        unpack(file, target, limits)
    except DataError as error:
        raise DataError(str(error).replace(repr(str(file)), url)) from error
    file.unlink()


def unpack(archive: Path, target: Path, limits: Limits) -> None:
    """Unpack the images and tables of an archive into a folder.

    Raises DataError where it holds no image.
    """
    inner = target / ".unpacked"
    inner.mkdir()
    skipped = archives.extract(archive, inner, limits)
    if not any(map(archives.is_image_name, inner.rglob("*"))):
        raise DataError(f"The archive {str(archive)!r} holds no image.")
    archives.unwrap(inner, target)
    for reason, number in skipped.items():
        say(f"Left out {number} file(s) of {archive.name}: {reason}.")


def digest_of(path: Path, remembered: bool) -> str:
    """Return the sha256 of a file, which is remembered for as long as the file is unchanged.

    That of a file written just now is not: it may change within the clock's resolution.
    """
    file = path.resolve()
    state = file.stat()
    state_of = [*stamp(file), state.st_ctime_ns, state.st_ino]
    note = cache_dir() / "digests" / hashlib.sha256(repr(state_of).encode()).hexdigest()
    if remembered:
        with suppress(OSError):
            return note.read_text("utf-8")
    try:
        found = sha256_of(file)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    if time.time() - max(state.st_mtime, state.st_ctime) > RACY:
        with suppress(OSError):  # it is computed again the next time
            note.parent.mkdir(parents=True, exist_ok=True)
            write_text(note, found)
    return found


def stamp(path: Path) -> list[str | int]:
    """Return what changes with a file: its path, size and time, without reading it."""
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns]
