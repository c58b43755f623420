"""16-bit colours and declared depths in files that Pillow opens.

Pillow keeps only the high byte of 16-bit colours. Read with the bytes of each sample swapped, a
file gives the low ones, so that no second decoder is needed.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from transfer.images.planes import read_planes

_WHITE_IS_ZERO = 0
_SEPARATE = 2
_BITS_PER_SAMPLE, _PHOTOMETRIC, _MAX_SAMPLE_VALUE, _PLANAR = 258, 262, 281, 284  # tags of TIFF
_NODATA = 42113
_SWAPPED = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


def is_wide(image: Image.Image) -> bool:
    """Return whether the colours of a file that is not yet decoded have 16 bits."""
    tiles = getattr(image, "tile", ())[:1]
    return image.mode in ("RGB", "RGBA") and any(";16" in _raw_mode(tile) for tile in tiles)


def wide_values(image: ImageFile) -> tuple[int, Callable[[], np.ndarray]]:
    """Decode a file for which `is_wide` holds.

    Returns:
        The highest of the high bytes, and what returns all values as uint16 (h, w, 3).
    """
    stream, tags = image.fp, dict(getattr(image, "tag_v2", {}))
    order = getattr(getattr(image, "tag_v2", None), "_endian", "<")
    image.load()
    colours = image.getchannel("R"), image.getchannel("G"), image.getchannel("B")
    highest = max(int(channel.getextrema()[1]) for channel in colours)  # type: ignore[arg-type]

    @cache
    def read() -> np.ndarray:
        high = np.asarray(image)[..., :3].astype(np.uint16) << 8
        if stream is None:
            return high
        if tags.get(_PLANAR) == _SEPARATE:
            with _again(image, stream) as file:
                return read_planes(tags, order, file)
        with _again(image, stream) as file:
            high |= np.asarray(_low_bytes(type(image), file))[..., :3]
        return high

    return highest, read


def has_planes(image: Image.Image) -> bool:
    """Return whether the colours of a TIFF file with 16 bits lie in planes."""
    return getattr(image, "tag_v2", {}).get(_PLANAR) == _SEPARATE and is_wide(image)


def declared_bits(image: Image.Image) -> int:
    """Return the depth that a file declares, in bits; 0 where it declares none."""
    kind = getattr(image, "format", "")
    if kind == "PNG":
        return _significant_bits(getattr(image, "fp", None))
    if kind == "PPM":  # which Pillow scales to 16 bits where the file declares less
        return 16 if any(tile[0] == "ppm" for tile in getattr(image, "tile", ())) else 0
    tags = getattr(image, "tag_v2", {})
    stored = max(np.ravel(tags.get(_BITS_PER_SAMPLE, 0)))
    most = max(np.ravel(tags.get(_MAX_SAMPLE_VALUE, 0)))
    bits = int(most).bit_length() if most else 0
    return int(stored) if 8 < stored < 16 else bits if 8 <= bits < stored else 0


def missing_value(image: Image.Image) -> float | None:
    """Return the number that marks places without a value, by the tag of GDAL; None without."""
    try:
        return float(str(getattr(image, "tag_v2", {}).get(_NODATA, "")).strip("\0 "))
    except ValueError:
        return None


def is_inverse(image: Image.Image) -> bool:
    """Return whether 0 is white: Pillow inverts only the TIFF files of 8 bits and less."""
    tags = getattr(image, "tag_v2", {})
    return bool(tags) and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO


def _raw_mode(tile: Sequence[object]) -> str:
    args = tile[3]
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _again(image: ImageFile, stream: IO[bytes]) -> AbstractContextManager[IO[bytes]]:
    """Return the file of a decoded image, open: Pillow closes those that it opened."""
    return Path(os.fsdecode(image.filename)).open("rb") if stream.closed else nullcontext(stream)


def _low_bytes(opener: type[ImageFile], stream: IO[bytes]) -> Image.Image:
    """Return the low bytes of 16-bit colours, in the channels of the high ones."""
    stream.seek(0)
    twin = opener(stream)
    gray = _raw_mode(twin.tile[0]).startswith("LA;")
    swapped = []
    for tile in twin.tile:
        mode = _raw_mode(tile)
        mode = "RGBA" if gray else mode[:-1] + _SWAPPED[mode[-1]]
        args = (mode, *tile.args[1:]) if isinstance(tile.args, tuple) else mode
        swapped.append(tile._replace(args=args))
    twin.tile = swapped
    twin.load()
    if gray:  # its bytes: gray high and low, alpha high and low
        low = twin.getchannel("G")
        return Image.merge("RGB", (low, low, low))
    return twin


def _significant_bits(stream: IO[bytes] | None) -> int:
    """Return the largest number in the sBIT chunk of a PNG file; 0 where there is none."""
    if stream is None or stream.closed:
        return 0
    place = stream.tell()
    try:
        stream.seek(8)
        for _ in range(64):
            length, kind = struct.unpack(">I4s", stream.read(8))
            if kind == b"sBIT" and length <= 4:
                return max(stream.read(length), default=0)
            if kind == b"IDAT":
                return 0
            stream.seek(length + 4, 1)
    except struct.error:  # cut off: decoding says so
        pass
    finally:
        stream.seek(place)
    return 0
