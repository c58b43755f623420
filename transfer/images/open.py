"""Opens image files by content, refuses decompression bombs, and names the file in every error."""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO

from PIL import Image
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile

from transfer.errors import DataError, UsageError
from transfer.images.formats import FORMATS, HEAD, format_of, guess_kind
from transfer.images.levels import bits_of
from transfer.images.marks import HDR, mark_colours
from transfer.images.profiles import profile_of

MAX_PIXELS = 178_956_970
"""Maximum number of pixels, by the header: a 100-megapixel photo passes. Pillow's own limit."""
_MEGAPIXELS = MAX_PIXELS // 1_000_000

LARGE = 24_000_000
"""Number of pixels above which images are decoded one at a time: each takes 100 MB or more."""
_one_at_a_time = threading.RLock()

# Users need not fix a damaged EXIF block, or an animation without frames.
warnings.filterwarnings("ignore", module=r"PIL\.\w+ImagePlugin")


@dataclass(frozen=True)
class Header:
    """The properties of an image before it is decoded.

    Attributes:
        format: Key of `transfer.images.formats.FORMATS`, by content.
        width: Stored width in pixels (before the EXIF orientation is applied).
        height: Stored height in pixels.
        animated: Whether there is more than one frame, page or picture; the first is used.
        exif_orientation: 1 (upright) to 8.
        mode: Pillow's name for the stored colours, such as ``RGB``, ``L``, ``P``, ``CMYK``.
        transparent: Whether there is transparency.
        bits: In which each sample is stored: 8 (or less), 16 or 32.
        profile: ``""``: no ICC profile and no other mark of colours, or sRGB; ``other``: of other
            colours; ``unusable``; ``hdr``: of PQ or HLG, which is read as it is.
    """

    format: str
    width: int
    height: int
    animated: bool
    exif_orientation: int
    mode: str
    transparent: bool
    bits: int = 8
    profile: str = ""

    @property
    def is_unusual(self) -> bool:
        """Whether there are more than 8 bits, or a profile of other colours than sRGB."""
        return self.bits > 8 or self.profile == "other"


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
        animated=bool(FORMATS[str(image.format)].more and getattr(image, "is_animated", False)),
        exif_orientation=orientation(image),
        mode=image.mode,
        transparent=image.has_transparency_data,
        bits=bits_of(image),
        profile="hdr" if HDR in image.info else profile_of(image),
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
    name = "the data" if path is None else repr(os.fspath(path))
    try:
        if path is not None and stream is None and Path(path).is_fifo():
            raise _NotAnImage("is a pipe, which could block. Expected a file.")
        with nullcontext(stream) if stream is not None else Path(path or "").open("rb") as file:
            image = _recognise(file, Path(path or "").suffix.lower())
            check_size(image, name)
            _refuse_raw(image)
            mark_colours(image, file)
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
            f" expected at most {_MEGAPIXELS} megapixels. Scale it down."
        )


def turn_of(image: Image.Image) -> AbstractContextManager[object]:
    """Return a context in which an image is decoded: large ones wait for each other."""
    return _one_at_a_time if image.width * image.height > LARGE else nullcontext()


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; 1 where there is none or it is damaged."""
    try:
        value = Image.Image.getexif(image).get(  # the method of PNG files would decode them
            Base.Orientation, 1
        )
    except Exception:  # a damaged EXIF block does not make the image unusable
        return 1
    return value if value in range(1, 9) else 1


_UNKNOWN = re.compile(
    r"unsupported|unknown (pixel|data|raster|psd|compression)|missing required|not support"
    r"|unable to decompress|requires the|unrecogni[sz]ed",
    re.IGNORECASE,
)
_DNG_VERSION, _SUBFILE_TYPE, _SUB_FILES = 50706, 254, 330  # tags of TIFF
_UNREAD = "is of a format that is not read ({}). Export it as JPEG or PNG."


class _NotAnImage(Exception):
    """The bytes are not of one of the formats that are read."""


def _recognise(file: IO[bytes], suffix: str) -> ImageFile:
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    if not head:
        raise _NotAnImage("is empty.")
    known = format_of(head, suffix)
    if known is None:
        raise _NotAnImage(f"is not an image (found {guess_kind(head)}).")
    if not known.readable:
        raise _NotAnImage(_UNREAD.format(known.shown) if not known.reader else f"is {known.unread}")
    return _opener(known.reader)(file)


def _refuse_raw(image: ImageFile) -> None:
    """Refuse the raw files of cameras that are TIFF files: only their thumbnail would be read."""
    tags = getattr(image, "tag_v2", {})
    if _DNG_VERSION in tags or (_SUB_FILES in tags and tags.get(_SUBFILE_TYPE) == 1):
        raise _NotAnImage(_UNREAD.format(FORMATS["RAW"].shown))


@cache
def _opener(name: str) -> Callable[[IO[bytes]], ImageFile]:
    module, _, attribute = name.partition(":")
    opener: Callable[[IO[bytes]], ImageFile] = getattr(import_module(module), attribute)
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
    if isinstance(error, Image.DecompressionBombError):  # a picture inside the file
        return (
            f"is too large: expected at most {MAX_PIXELS // 1_000_000} megapixels. Scale it down."
        )
    words = " ".join(str(error).split())
    if "truncated" in words.lower():
        return "is cut off: its end is missing."
    if words == "holds no picture":
        return f"{words}."
    if isinstance(error, NotImplementedError) or _UNKNOWN.search(words):
        return f"is of a kind that is not read ({words[:200]}). Export it as JPEG or PNG."
    return f"is damaged ({words or type(error).__name__})."
