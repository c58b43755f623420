"""TIFF files: Pillow decodes those of 8 and 16 bits, tifffile what Pillow has no mode for.

Pillow knows more compressions, tifffile more kinds of numbers: floating-point colours, 64 bits,
big-endian BigTIFF and 16-bit colours in planes.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from importlib.util import find_spec
from io import BytesIO
from itertools import product
from typing import IO, Any

import numpy as np
from PIL import Image
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from transfer.images.levels import DeepFile

_PLANAR, _BITS_PER_SAMPLE, _COMPRESSION = 284, 258, 259
_WEBP = 50001
_PLAIN = (1, 8, 32946)  # none and deflate: tifffile leaves others to further packages
_SEPARATE = 2
_BIG_ENDIAN_BIG_TIFF = b"MM\0\x2b"  # of which Pillow takes the lengths for something else
_NATIVE = {"I;16BS": "I;16S", "I;32BS": "I;32S", "F;32BF": "F;32F"}  # on little-endian machines
_GRAYS, _COLOURS = (0, 1), 2  # photometric interpretations
_MOST_CHANNELS = 4
_FOREIGN = re.compile("unknown|samples per pixel")  # in the words of Pillow
for each in ("PIL.TiffImagePlugin", "tifffile"):
    logging.getLogger(each).setLevel(logging.CRITICAL)  # what is wrong is in the error


def open_tiff(stream: IO[bytes]) -> ImageFile:
    """Open a TIFF file with what reads it right.

    Raises:
        SyntaxError: Neither does, or tifffile is missing.
    """
    reason = "its kind of numbers"
    if stream.read(4) != _BIG_ENDIAN_BIG_TIFF:
        stream.seek(0)
        try:
            image = TiffImageFile(stream)
        except SyntaxError as error:
            if not _FOREIGN.search(str(error)):  # it is damaged, for tifffile too
                raise
            reason = str(error)
        else:
            if image.tag_v2.get(_COMPRESSION) == _WEBP:
                stream.seek(0)
                return WebpTiffFile(stream)
            if not _is_misread(image):
                _mend(image)
                return image
    if find_spec("tifffile") is None:
        raise SyntaxError(f'unsupported without: pip install "transfer-classifier[tiff]"; {reason}')
    stream.seek(0)
    return SampleFile(stream)


def _is_misread(image: TiffImageFile) -> bool:
    """Return whether Pillow would take the bytes of planes for something else."""
    tags = image.tag_v2
    bits = max(np.ravel(tags.get(_BITS_PER_SAMPLE, 1)))
    planes = tags.get(_PLANAR) == _SEPARATE and bits > 8
    return bool(planes and tags.get(_COMPRESSION, 1) in _PLAIN)


def _mend(image: TiffImageFile) -> None:
    """Read what libtiff hands over in the machine's byte order, whatever that of the file."""
    if sys.byteorder == "little":
        image.tile = [
            tile._replace(args=(_NATIVE.get(tile.args[0], tile.args[0]), *tile.args[1:]))
            if tile.codec_name == "libtiff" and isinstance(tile.args, tuple)
            else tile
            for tile in image.tile
        ]


class WebpTiffFile(DeepFile):
    """A TIFF file whose strips or tiles are WebP, which Pillow's libtiff leaves out."""

    format = "TIFF"
    format_description = "TIFF"

    def _open(self) -> None:
        assert self.fp is not None
        self._outer = TiffImageFile(self.fp)
        tags, self._mode = self._outer.tag_v2, self._outer.mode
        self._size = (tags[Base.ImageWidth], tags[Base.ImageLength])
        self.is_animated = self._outer.is_animated
        self.info.update(self._outer.info)
        self.getexif()[Base.Orientation] = tags.get(Base.Orientation, 1)

    def _values(self) -> np.ndarray:
        assert self._outer.fp is not None
        tags, whole = self._outer.tag_v2, Image.new(self._mode, self._size)
        tiled = Base.TileOffsets in tags
        offsets = tags[Base.TileOffsets if tiled else Base.StripOffsets]
        counts = tags[Base.TileByteCounts if tiled else Base.StripByteCounts]
        width = tags[Base.TileWidth] if tiled else self.width
        height = tags[Base.TileLength] if tiled else tags.get(Base.RowsPerStrip, self.height)
        places = product(range(0, self.height, height), range(0, self.width, width))
        for offset, count, (top, left) in zip(offsets, counts, places, strict=True):
            self._outer.fp.seek(offset)
            part = WebPImageFile(BytesIO(self._outer.fp.read(count)))
            if part.width > width or part.height > height:
                raise SyntaxError("a strip is larger than declared")
            whole.paste(part, (left, top))
        return np.asarray(whole)


class SampleFile(DeepFile):
    """The first page of a TIFF file, decoded by tifffile."""

    format = "TIFF"
    format_description = "TIFF"

    def _open(self) -> None:
        import tifffile

        assert self.fp is not None
        try:
            self._file = tifffile.TiffFile(self.fp)
            page: Any = self._file.pages[0]
        except (tifffile.TiffFileError, IndexError, ValueError, KeyError) as error:
            raise SyntaxError(str(error)) from error
        channels = page.samplesperpixel
        grays = page.photometric in _GRAYS and channels <= 2
        if page.dtype is None or page.dtype.kind not in "iuf" or page.imagedepth != 1:
            raise SyntaxError("unsupported numbers")
        if not (grays or (page.photometric == _COLOURS and channels <= _MOST_CHANNELS)):
            raise SyntaxError(f"unsupported colours: {channels} channels, {page.photometric!r}")
        self._page = page
        self._size = (int(page.imagewidth), int(page.imagelength))
        self._mode = "L" if grays else "RGB"
        self.bits = 8 if page.dtype == np.uint8 else max(9, 8 * page.dtype.itemsize)
        self.floats = page.dtype.kind == "f"
        self.inverse = page.photometric == 0
        with suppress(ValueError):
            self.missing = float(str(page.tags.valueof("GDAL_NODATA", "")).strip("\0 "))
        self.is_animated = len(self._file.pages) > 1
        orientation = page.tags.valueof("Orientation", 1)
        self.getexif()[Base.Orientation] = int(orientation or 1)

    def _values(self) -> np.ndarray:
        values = self._page.asarray()
        if self._page.planarconfig == _SEPARATE and values.ndim == 3:
            values = np.moveaxis(values, 0, 2)
        if values.ndim == 3 and self._mode == "L":
            values = values[..., 0]
        values = values[..., :3] if values.ndim == 3 else values
        if self.inverse and values.dtype == np.uint8:
            values = 255 - values
        return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("=")))
