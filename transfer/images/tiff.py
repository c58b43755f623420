"""TIFF files: Pillow decodes those of 8 and 16 bits, tifffile what Pillow has no mode for.

Pillow knows more compressions, tifffile more kinds of numbers: floating-point colours, 64 bits,
big-endian BigTIFF and 16-bit colours in planes.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import IO, Any

import numpy as np
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from transfer.images.levels import DeepFile

_PLANAR, _SAMPLE_FORMAT, _BITS_PER_SAMPLE = 284, 339, 258
_SIGNED, _SEPARATE = 2, 2
_NATIVE = {"I;16BS": "I;16S", "I;32BS": "I;32S", "F;32BF": "F;32F"}  # on little-endian machines
_GRAYS, _COLOURS = (0, 1), 2  # photometric interpretations
_MOST_CHANNELS = 4


def open_tiff(stream: IO[bytes]) -> ImageFile:
    """Open a TIFF file with what reads it right.

    Raises:
        SyntaxError: Neither does, or tifffile is missing.
    """
    try:
        image = TiffImageFile(stream)
    except SyntaxError as error:
        reason = str(error)
    else:
        if not _is_misread(image):
            _mend(image)
            return image
        reason = "its kind of numbers"
    if find_spec("tifffile") is None:
        raise SyntaxError(f'unsupported without: pip install "transfer-classifier[tiff]"; {reason}')
    stream.seek(0)
    return SampleFile(stream)


def _is_misread(image: TiffImageFile) -> bool:
    """Return whether Pillow would take the bytes for something else."""
    tags = image.tag_v2
    bits = max(np.ravel(tags.get(_BITS_PER_SAMPLE, 1)))
    signed = max(np.ravel(tags.get(_SAMPLE_FORMAT, 1))) == _SIGNED
    return bool((tags.get(_PLANAR) == _SEPARATE and bits > 8) or (signed and bits == 8))


def _mend(image: TiffImageFile) -> None:
    """Read what libtiff hands over in the machine's byte order, whatever that of the file."""
    if sys.byteorder == "little":
        image.tile = [
            tile._replace(args=(_NATIVE.get(tile.args[0], tile.args[0]), *tile.args[1:]))
            if tile.codec_name == "libtiff" and isinstance(tile.args, tuple)
            else tile
            for tile in image.tile
        ]


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
        self.inverse = page.photometric == 0
        self.is_animated = len(self._file.pages) > 1
        orientation = page.tags.valueof("Orientation", 1)
        self.getexif()[0x0112] = int(orientation or 1)

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
