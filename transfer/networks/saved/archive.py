"""The archive of a saved model: a ZIP of three stored members, read without Keras."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from transfer.system.files import open_regular

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
LARGEST = {CONFIG: 8 << 20, METADATA: 64 << 10, WEIGHTS: 1 << 40}  # bytes; NASNetLarge: 1.1 MB
_HEADER = struct.Struct("<4s22xHH")  # a member's own: signature, lengths of name and extra field


@dataclass(frozen=True)
class Archive:
    """The members of a saved model.

    Attributes:
        config: config.json.
        weights: model.weights.h5, open for reading.
        size: Of `weights` in bytes.
    """

    config: bytes
    weights: io.RawIOBase
    size: int


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a saved model. Nothing is unpacked, since Keras stores members as they are.

    Args:
        path: The ``.keras`` file.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is no regular file, or no archive of these members.
    """
    with open_regular(path) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                members = {info.filename: info for info in _checked(archive.infolist())}
                config = archive.read(CONFIG)
                archive.read(METADATA)  # whose checksum counts
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise ValueError("it is cut off, or not in Keras' format") from error
        weights = members[WEIGHTS]
        start = _start(stream, weights)
        yield Archive(config, _Part(stream, start, weights.file_size), weights.file_size)


def _checked(members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    names = sorted(member.filename for member in members)
    if names != sorted(LARGEST):
        found = ", ".join(repr(name[:40]) for name in names[:5]) or "none"
        raise ValueError(f"expected the members {', '.join(LARGEST)}, each once; it has {found}")
    for member in members:
        name, size = member.filename, member.file_size
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != size:
            raise ValueError(f"its {name} is compressed, or not of the size that it states")
        if member.flag_bits & 1:
            raise ValueError(f"its {name} is encrypted")
        if size > LARGEST[name]:
            raise ValueError(f"its {name} has {size:,} bytes; at most {LARGEST[name]:,} are read")
    return members


def _start(stream: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Return where the bytes of a member begin."""
    stream.seek(member.header_offset)
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise ValueError(f"its {member.filename} is not where it should be")
    _, name, extra = _HEADER.unpack(header)
    start: int = member.header_offset + _HEADER.size + name + extra
    if start + member.file_size > stream.seek(0, io.SEEK_END):
        raise ValueError(f"its {member.filename} is cut off")
    return start


class _Part(io.RawIOBase):
    """A part of a file, as a file of its own."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self._stream, self._start, self._size, self._at = stream, start, size, 0

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), max(0, self._size - self._at))
        self._stream.seek(self._start + self._at)
        found = self._stream.read(wanted)
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
