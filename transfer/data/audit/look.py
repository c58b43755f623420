"""Checks one file: whether it can be used, what it is, and what it looks like."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from transfer.data.audit.duplicates import THUMBNAIL, fingerprint
from transfer.errors import DataError
from transfer.images.decode import as_rgb
from transfer.images.formats import HEAD, format_of
from transfer.images.levels import Span, read_deep
from transfer.images.open import Header, header_of, open_image, turn_of
from transfer.settings import Decoding

# Raise it whenever the same file gets another result: remembered ones are then discarded.
LOOK_VERSION = 5
_DRAFT = 4 * THUMBNAIL
_PLAIN = Decoding(profiles="ignore")


@dataclass(frozen=True)
class Look:
    """The result of checking a file.

    Attributes:
        reason: Why the file cannot be used; empty where it can. Only then is the rest set.
        sha256: Hex digest of the file's bytes.
        header: The image's header.
        contrast: Standard deviation of its gray thumbnail, in steps of 0..255.
        fingerprint: See `transfer.data.audit.duplicates`.
        span: The values of an image of more than 8 bits; None for any other.
    """

    reason: str = ""
    sha256: str = ""
    header: Header | None = None
    contrast: float = 0.0
    fingerprint: bytes = b""
    span: Span | None = None


def look_at(file: Path, full: bool = False) -> Look:
    """Read and decode a file.

    Args:
        file: A regular file.
        full: Decode JPEG files at full resolution. Otherwise the smallest of an eighth, a
            quarter and a half that has 128 pixels a side, which still reads every byte of them.

    Raises:
        OSError: The file cannot be read, or not at the moment, such as for lack of memory.
    """
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        try:
            if _is_png(stream):
                with open_image(file, stream) as image:
                    image.verify()  # the checksums, which decoding ignores
            with open_image(file, stream) as image:
                header = header_of(image)
                thumbnail, span = _thumbnail(image, full)
        except DataError as error:
            if (fault := _momentary(error.__cause__)) is not None:
                raise fault from None
            return Look(str(error).removeprefix(f"{str(file)!r} "))
    return Look("", digest, header, float(thumbnail.std()), fingerprint(thumbnail), span)


def _is_png(stream: IO[bytes]) -> bool:
    stream.seek(0)
    found = format_of(stream.read(HEAD))
    return found is not None and found.name == "PNG"


def _momentary(cause: BaseException | None) -> OSError | None:
    """Return a fault that is not due to the file's bytes alone, as an OSError; else None."""
    if isinstance(cause, MemoryError) or "out of memory" in str(cause):
        return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    return cause if isinstance(cause, OSError) and cause.errno is not None else None


def _thumbnail(image: ImageFile, full: bool) -> tuple[np.ndarray, Span | None]:
    """Return the image, upright and gray, stretched to a small square, as float32; and its values.

    It is made from a larger one, which averages out the rounding to integers. Values of more than
    8 bits are stretched too, so that nothing that is there looks blank.
    """
    draft = None
    if isinstance(image, JpegImageFile) and not full:
        draft = image.draft("L", (_DRAFT, _DRAFT))
    with turn_of(image):
        upright, span = _upright(image, draft)
    gray = upright.convert("L").convert("F")
    return np.asarray(gray.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)), span


def _upright(
    image: ImageFile, draft: tuple[str, tuple[int, int, float, float]] | None
) -> tuple[Image.Image, Span | None]:
    small: Image.Image = image
    deep = read_deep(image)
    if deep is not None:
        small = deep.stretched()
    image.load()
    if deep is None and image.mode in ("L", "RGB", "CMYK") and not image.has_transparency_data:
        box = draft[1] if draft else None  # a draft has a bit of padding at its right and bottom
        small = image.resize((_DRAFT, _DRAFT), Image.Resampling.BILINEAR, box)
    upright = as_rgb(small, _PLAIN).resize((_DRAFT, _DRAFT), Image.Resampling.BILINEAR)
    return upright, None if deep is None else deep.span
