"""The pages of a TIFF file, each as a file of its own with the same bytes of picture.

Nothing is decoded: the directory of a page and the strips or tiles that it names are copied. So
every kind of number and compression is kept as it is.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, NoReturn

MOST = 10_000  # pages of a file
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # types of unsigned whole numbers
_STRIPS, _TILES = (273, 279), (324, 325)  # where they are, and how long
_SUBFILE, _OLD_SUBFILE, _COMPRESSION, _OLD_JPEG = 254, 255, 259, 6
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2
# Pointers to free space and to further directories, and descriptions of the whole file.
_LEFT_OUT = {288, 289, 330, 34665, 34853, 40965, 270, 50838, 50839}
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Page:
    """A page of a TIFF file: tag to type, number of values, and their bytes."""

    tags: Mapping[int, tuple[int, int, bytes]]


class TiffPages:
    """A TIFF file taken apart into pages; smaller versions and masks of pages are none.

    Attributes:
        pages: In their order.

    Args:
        stream: The file, open in binary mode.

    Raises:
        ValueError: It is damaged, or of a kind that cannot be taken apart.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._size = stream.seek(0, os.SEEK_END)
        self._left = 4 * self._size  # bytes that may be read again: pages share little
        head = self._read(0, 8)
        self._order = {b"II": "<", b"MM": ">"}.get(head[:2]) or _fail("it is no TIFF file")
        version = struct.unpack(f"{self._order}H", head[2:4])[0]
        self._big = version == 43
        if version not in (42, 43):
            _fail("it is no TIFF file")
        start = self._read(8, 8) if self._big else head[4:]
        self.pages = [
            page for page in self._chain(self._number(start)) if not self._is_version(page)
        ]

    def write(self, page: Page, target: IO[bytes]) -> None:
        """Write a page as a TIFF file.

        Args:
            page: One of `pages`.
            target: An empty file, open in binary mode.

        Raises:
            ValueError: A part of it lies outside of the file, or pages share their parts.
        """
        offsets, counts = _TILES if _TILES[0] in page.tags else _STRIPS
        target.write(bytes(16 if self._big else 8))
        places = []
        for start, length in zip(
            self._values(page, offsets), self._values(page, counts), strict=True
        ):
            places.append(target.tell())
            self._copy(start, length, target)
        tags = {tag: each for tag, each in page.tags.items() if tag not in _LEFT_OUT}
        tags[offsets] = 16 if self._big else 4, len(places), self._pack(places)
        self._write_directory(tags, target)

    def _chain(self, at: int) -> list[Page]:
        found: list[Page] = []
        seen: set[int] = set()
        while at:
            if at in seen:
                _fail("its pages go round in a circle")
            if len(seen) == MOST:
                _fail(f"it has more than {MOST:,} pages")
            seen.add(at)
            page, at = self._directory(at)
            found.append(page)
        return found

    def _directory(self, at: int) -> tuple[Page, int]:
        """Return the page at a place, and the place of the next one; 0 after the last."""
        wide, narrow = (8, 20) if self._big else (2, 12)
        number = struct.unpack(f"{self._order}{'Q' if self._big else 'H'}", self._read(at, wide))[0]
        data = self._read(at + wide, number * narrow + (8 if self._big else 4))
        tags = {}
        for start in range(0, number * narrow, narrow):
            entry = data[start : start + narrow]
            tag, kind = struct.unpack(f"{self._order}HH", entry[:4])
            count, value = self._number(entry[4 : narrow // 2 + 2]), entry[narrow // 2 + 2 :]
            length = count * _SIZES.get(kind, 0)
            if not length:
                continue  # of a type that no reader knows
            if length > len(value):
                value = self._read(self._number(value), length)
                self._spend(length)
            tags[tag] = kind, count, value[:length]
        page = Page(tags)
        self._check(page)
        return page, self._number(data[number * narrow :])

    def _check(self, page: Page) -> None:
        if self._one(page, _COMPRESSION) == _OLD_JPEG:
            _fail("its compression is that of old JPEG")
        pair = _TILES if _TILES[0] in page.tags else _STRIPS
        lengths = [len(self._values(page, tag)) for tag in pair]
        if not lengths[0] or lengths[0] != lengths[1]:
            _fail("a page does not say where its picture is")

    def _is_version(self, page: Page) -> bool:
        """Return whether a page is a smaller version or a mask of another."""
        flags = self._one(page, _SUBFILE) & (_REDUCED | _MASK)
        return bool(flags) or self._one(page, _OLD_SUBFILE) == _OLD_REDUCED

    def _one(self, page: Page, tag: int) -> int:
        return next(iter(self._values(page, tag)), 0)

    def _values(self, page: Page, tag: int) -> tuple[int, ...]:
        kind, count, data = page.tags.get(tag, (0, 0, b""))
        return struct.unpack(f"{self._order}{count}{_WHOLE[kind]}", data) if kind in _WHOLE else ()

    def _write_directory(
        self, tags: Mapping[int, tuple[int, int, bytes]], target: IO[bytes]
    ) -> None:
        inside = 8 if self._big else 4
        rows = []
        for tag, (kind, count, data) in sorted(tags.items()):
            if len(data) <= inside:
                value = data.ljust(inside, b"\0")
            else:
                value = self._pack([self._align(target)])
                target.write(data)
            rows.append(struct.pack(f"{self._order}HH", tag, kind) + self._pack([count]) + value)
        at = self._align(target)
        form = "Q" if self._big else "H"
        target.write(struct.pack(f"{self._order}{form}", len(rows)) + b"".join(rows))
        target.write(bytes(inside))
        target.seek(0)
        mark = b"II" if self._order == "<" else b"MM"
        version = struct.pack(f"{self._order}H", 43 if self._big else 42)
        more = struct.pack(f"{self._order}HH", 8, 0) if self._big else b""
        target.write(mark + version + more + self._pack([at]))

    def _copy(self, start: int, length: int, target: IO[bytes]) -> None:
        self._check_inside(start, length)
        self._spend(length)
        for at in range(start, start + length, _CHUNK):
            target.write(self._read(at, min(_CHUNK, start + length - at)))
        self._align(target)

    def _align(self, target: IO[bytes]) -> int:
        """Go on at an even place, and return it."""
        target.write(bytes(target.tell() % 2))
        return target.tell()

    def _spend(self, length: int) -> None:
        self._left -= length
        if self._left < 0:
            _fail("its pages share their bytes")

    def _read(self, at: int, length: int) -> bytes:
        self._check_inside(at, length)
        self._stream.seek(at)
        return self._stream.read(length)

    def _check_inside(self, at: int, length: int) -> None:
        if at + length > self._size:
            _fail("it is cut off")

    def _number(self, data: bytes) -> int:
        """Return a place or a number of values, of as many bytes as the file uses."""
        form = "Q" if self._big else "I"
        return int(struct.unpack(f"{self._order}{form}", data)[0])

    def _pack(self, numbers: list[int]) -> bytes:
        return struct.pack(f"{self._order}{len(numbers)}{'Q' if self._big else 'I'}", *numbers)


def _fail(why: str) -> NoReturn:
    raise ValueError(why)
