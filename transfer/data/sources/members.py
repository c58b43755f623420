"""Reads archives member by member, within limits. Writes nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, Protocol

from transfer.errors import DataError, UsageError, call, option
from transfer.images.formats import guess_kind

CHUNK = 1 << 20
_SMALL = 50_000_000  # bytes that may be unpacked whatever the ratio
_LONGEST_HEADER = 1 << 20
_HEADERS = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}
_TAR_KINDS = {
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.FIFOTYPE: "pipe",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
}
_IS_UTF8 = 0x800
_ZIP_KINDS = {stat.S_IFLNK: "symbolic link", stat.S_IFIFO: "pipe"}


@dataclass(frozen=True)
class Limits:
    """Limits on what an archive unpacks to.

    Attributes:
        size: Maximum number of bytes, unpacked.
        files: Maximum number of members.
        ratio: Maximum factor by which it may grow; checked above 50 MB.
    """

    size: int = 50_000_000_000
    files: int = 500_000
    ratio: int = 100

    def __post_init__(self) -> None:
        for name in ("size", "files", "ratio"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise UsageError(
                    f"Expected {option(f'max_{name}')} of 1 or more. Received: {value!r}"
                )


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class Member:
    """An entry of an archive.

    Attributes:
        name: Path in the archive, as it is written there.
        stream: The bytes of a regular file, until the next member is requested; else None.
        flaw: Why it cannot be written, such as ``it holds the pipe 'x'``; empty where it can.
    """

    name: str
    stream: Readable | None = None
    flaw: str = ""


def read_members(path: Path, file: IO[bytes], limits: Limits) -> Iterator[Member]:
    """Yield the members of an archive: tar (plain, gzip, bzip2 or xz) or zip, by its first bytes.

    Args:
        path: Names the archive in messages.
        file: The same, open.
        limits: Limits on what it unpacks to.

    Raises:
        DataError: It is not an archive, or exceeds `limits`.
        Exception: What the standard library raises for a damaged one.
    """
    meter = _Meter(path, limits)
    head = file.read(512)
    file.seek(0)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_members(file, meter)
    openers: dict[bytes, Callable[[IO[bytes]], Readable]] = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ\0": lzma.open,
    }
    for magic, opener in openers.items():
        if head.startswith(magic):
            return _tar_members(_Metered(opener(file), meter), meter)
    if _is_tar(head):
        return _tar_members(_Metered(file, meter), meter)
    kind = guess_kind(head[:256]) if head else "an empty file"
    raise DataError(
        f"{str(path)!r} is not a tar or zip archive (found {kind}). Download or copy it again."
    )


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
        return True  # an empty one
    except tarfile.HeaderError:
        return False
    return True


def _zip_members(file: IO[bytes], meter: _Meter) -> Iterator[Member]:
    meter.check_count(_announced(file))
    with zipfile.ZipFile(file) as archive:
        meter.count(len(archive.infolist()))
        for info in archive.infolist():
            name, mode = _name_of(info), stat.S_IFMT(info.external_attr >> 16)
            if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                kind = _ZIP_KINDS.get(mode, "special file")
                yield Member(name, flaw=f"it holds the {kind} {name!r}")
            elif info.flag_bits & 1:
                yield Member(name, flaw=f"{name!r} is protected by a password")
            elif info.is_dir():
                yield Member(name)
            else:
                with archive.open(info) as stream:
                    yield Member(name, _Metered(stream, meter))


def _name_of(info: zipfile.ZipInfo) -> str:
    """Return the name of a member of a zip that may not say how it is encoded.

    Without a flag for UTF-8 the standard takes names for code page 437. Programs on a Mac write
    UTF-8 all the same, and Windows in Korea EUC-KR.
    """
    name = info.orig_filename
    if info.flag_bits & _IS_UTF8 or name.isascii():
        return name
    raw = name.encode("cp437")
    for encoding in ("utf-8", "euc_kr"):
        try:
            other = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or re.fullmatch(r"[\0-\x7f\uac00-\ud7a3]*", other):
            return other
    return name


def _announced(file: IO[bytes]) -> int:
    """Return how many members a zip says it has: zipfile needs 600 bytes of memory for each."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - (1 << 16) - 200))
    tail = file.read()
    end, end64 = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    if end64 >= 0 and len(tail) >= end64 + 40:
        return int.from_bytes(tail[end64 + 32 : end64 + 40], "little")
    return int.from_bytes(tail[end + 10 : end + 12], "little") if end >= 0 else 0


def _tar_members(stream: Readable, meter: _Meter) -> Iterator[Member]:
    source: Any = stream  # whose read() is all that "r|" needs
    with tarfile.open(fileobj=source, mode="r|", tarinfo=_TarInfo) as archive:
        for info in archive:
            meter.count(1)
            if info.issparse():
                yield Member(info.name, flaw=f"it holds the sparse file {info.name!r}")
            elif info.isdir():
                yield Member(info.name)
            elif info.isreg():
                yield Member(info.name, archive.extractfile(info))
            else:
                kind = _TAR_KINDS.get(info.type, "special file")
                yield Member(info.name, flaw=f"it holds the {kind} {info.name!r}")
            archive.members.clear()  # type: ignore[attr-defined]  # or it keeps them all
    while stream.read(CHUNK):  # to the end, for the checksum of gzip
        pass


class _TarInfo(tarfile.TarInfo):
    """Raises where tarfile takes damage for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _TarInfo:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        # CVE-2025-8194: a negative size sends tarfile backwards forever
        if self.size < 0 or (self.type in _HEADERS and self.size > _LONGEST_HEADER):
            raise tarfile.ReadError(f"a header says {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]


class _Meter:
    """Counts what comes out of an archive and stops it at the limits."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path, self._limits = path, limits
        self._grown = max(_SMALL, limits.ratio * path.stat().st_size)
        self._size = self._files = 0

    def count(self, files: int) -> None:
        self._files += files
        self.check_count(self._files)

    def check_count(self, files: int) -> None:
        if files > self._limits.files:
            self._stop(f"more than {self._limits.files:,} files", "files")

    def add(self, size: int) -> None:
        self._size += size
        if self._size > self._limits.size:
            self._stop(f"more than {self._limits.size / 1e6:,.0f} MB", "size")
        if self._size > self._grown:
            self._stop(f"more than {self._limits.ratio} times its own size", "ratio")

    def _stop(self, what: str, name: str) -> NoReturn:
        raise DataError(
            f"The archive {str(self._path)!r} is refused: it unpacks to {what}."
            f" If you trust it, raise {option(f'max_{name}')} of"
            f" {call('prepare', 'SOURCE', 'DEST')}"
        )


class _Metered:
    """A stream whose bytes are counted."""

    def __init__(self, stream: Readable, meter: _Meter) -> None:
        self._stream, self._meter = stream, meter

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._meter.add(len(data))
        return data
