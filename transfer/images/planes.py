"""16-bit colours in the compressed planes of a TIFF file: each plane is decoded as a gray image."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import IO, Any

import numpy as np
from PIL.ExifTags import Base
from PIL.TiffImagePlugin import TiffImageFile

_COMPRESSION, _PREDICTOR = 259, 317
_GRAY = 1
_LONG = 4  # type of all fields


def read_planes(tags: Mapping[int, Any], order: str, stream: IO[bytes]) -> np.ndarray:
    """Return the values of the first three planes: uint16 (h, w, 3).

    Args:
        tags: Of the page, as Pillow has them.
        order: ``"<"`` or ``">"``, that of the file.
        stream: The file.
    """
    tiled = Base.TileOffsets in tags
    offsets = tags[Base.TileOffsets if tiled else Base.StripOffsets]
    counts = tags[Base.TileByteCounts if tiled else Base.StripByteCounts]
    each = len(offsets) // int(tags[Base.SamplesPerPixel])
    planes = []
    for first in range(0, 3 * each, each):
        parts = []
        for offset, count in zip(offsets[first:], counts[first : first + each], strict=False):
            stream.seek(offset)
            parts.append(stream.read(count))
        with TiffImageFile(BytesIO(_gray_file(tags, order, parts, tiled))) as plane:
            planes.append(np.asarray(plane).astype(np.uint16))
    return np.stack(planes, axis=-1)


def _gray_file(tags: Mapping[int, Any], order: str, parts: Sequence[bytes], tiled: bool) -> bytes:
    """Return a TIFF file of one gray plane, with its strips or tiles as they are compressed."""
    width, height = int(tags[Base.ImageWidth]), int(tags[Base.ImageLength])
    fields = {
        int(Base.ImageWidth): [width],
        int(Base.ImageLength): [height],
        int(Base.BitsPerSample): [16],
        _COMPRESSION: [int(tags[_COMPRESSION])],
        int(Base.PhotometricInterpretation): [_GRAY],
        int(Base.SamplesPerPixel): [1],
        _PREDICTOR: [int(tags.get(_PREDICTOR, 1))],
    }
    where = [int(Base.TileOffsets), int(Base.TileByteCounts)]
    if tiled:
        fields |= {int(n): [int(tags[n])] for n in (Base.TileWidth, Base.TileLength)}
    else:
        where = [int(Base.StripOffsets), int(Base.StripByteCounts)]
        fields[int(Base.RowsPerStrip)] = [int(tags.get(Base.RowsPerStrip, height))]
    start = 8 + 2 + 12 * (len(fields) + 2) + 4  # of the values that do not fit into their fields
    body = start + 8 * len(parts)
    places = [body + sum(map(len, parts[:n])) for n in range(len(parts))]
    fields |= {where[0]: places, where[1]: [len(part) for part in parts]}
    directory, more = b"", b""
    for tag, values in sorted(fields.items()):
        data = struct.pack(f"{order}{len(values)}I", *values)
        place = data if len(values) == 1 else struct.pack(f"{order}I", start + len(more))
        more += data if len(values) > 1 else b""
        directory += struct.pack(f"{order}HHI", tag, _LONG, len(values)) + place
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    table = struct.pack(f"{order}H", len(fields)) + directory + bytes(4)
    return head + table + more.ljust(8 * len(parts), b"\0") + b"".join(parts)
