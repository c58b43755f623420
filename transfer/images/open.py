"""Opens image files by content, refuses decompression bombs, and names the file in every error."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO

from PIL import Image
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile

from transfer.errors import DataError, UsageError
from transfer.images.formats import format_of, guess_kind, listed

MAX_PIXELS = 178_956_970
"""Maximum number of pixels, by the header: a 100-megapixel photo passes. Pillow's own limit."""

# Users need not fix a damaged EXIF block.
warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")


@dataclass(frozen=True)
class Header:
    """The properties of an image before it is decoded.

    Attributes:
        format: ``JPEG``, ``PNG``, ``GIF``, ``BMP`` or ``WEBP``, by content.
        width: Stored width in pixels (before the EXIF orientation is applied).
        height: Stored height in pixels.
        animated: Whether there is more than one frame; the first one is used.
        exif_orientation: 1 (upright) to 8.
        mode: Pillow's name for the stored colours, such as ``RGB``, ``L``, ``P``, ``CMYK``.
        transparent: Whether there is transparency.
    """

    format: str
    width: int
    height: int
    animated: bool
    exif_orientation: int
    mode: str
    transparent: bool


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the header of a file, without decoding it. Raises DataError like `decode`."""
    with open_image(path) as image:
        return header_of(image)


def header_of(image: ImageFile) -> Header:
    """Return the Header of a file that is open but not yet decoded."""
    return Header(
        format=str(image.format),
        width=image.width,
        height=image.height,
        animated=bool(getattr(image, "is_animated", False)),
        exif_orientation=orientation(image),
        mode=image.mode,
        transparent=image.has_transparency_data,
    )


@contextmanager
def open_image(
    path: str | os.PathLike[str] | None, stream: IO[bytes] | None = None
) -> Iterator[ImageFile]:
    """Open an image for the block; any error in it, even in decoding, becomes a DataError.

    Args:
        path: The file; names it in messages. None where it is a stream without a name.
        stream: The file where it is open already; it is read from its start and left open.

    Raises:
        DataError: The file is missing, empty, unreadable, cut off, too large or not an image.
    """
    name = "the image" if path is None else repr(os.fspath(path))
    try:
        if path is not None and stream is None and Path(path).is_fifo():
            raise _NotAnImage("is a pipe, which could block. Expected a file.")
        with nullcontext(stream) if stream is not None else Path(path or "").open("rb") as file:
            image = _recognise(file)
            check_size(image, name)
            yield image
    except (DataError, UsageError):
        raise
    except Exception as error:  # Pillow's plugins raise whatever broken bytes lead them to
        raise DataError(f"{name} {_reason(error)}") from error


def check_size(image: Image.Image, name: str) -> None:
    """Raise DataError where an image has more than MAX_PIXELS pixels."""
    if image.width * image.height > MAX_PIXELS:
        raise DataError(
            f"{name} is too large: {image.width} x {image.height} pixels,"
            f" expected at most {MAX_PIXELS // 1_000_000} megapixels. Scale it down."
        )


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; 1 where there is none or it is damaged."""
    try:
        value = Image.Image.getexif(image).get(  # the method of PNG files would decode them
            Base.Orientation, 1
        )
    except Exception:  # a damaged EXIF block does not make the image unusable
        return 1
    return value if value in range(1, 9) else 1


class _NotAnImage(Exception):
    """The bytes are not of one of the formats that are read."""


def _recognise(file: IO[bytes]) -> ImageFile:
    file.seek(0)
    head = file.read(256)
    file.seek(0)
    if not head:
        raise _NotAnImage("is empty.")
    known = format_of(head)
    if known is None:
        raise _NotAnImage(f"is not a {listed('or')} image (found {guess_kind(head)}).")
    return _opener(known.opener)(file)


@cache
def _opener(name: str) -> type[ImageFile]:
    module, _, attribute = name.partition(":")
    opener: type[ImageFile] = getattr(import_module(module), attribute)
    return opener


def _reason(error: Exception) -> str:
    if isinstance(error, _NotAnImage):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "is missing."
    if isinstance(error, MemoryError):
        return "needs more memory than is available."
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}."
    if "truncated" in str(error).lower():
        return "is cut off: its end is missing."
    return f"is damaged ({' '.join(str(error).split()) or type(error).__name__})."
