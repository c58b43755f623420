"""The only way from an image to an array: for training, evaluation, prediction and serving."""

from __future__ import annotations

import io
import os
from typing import IO, cast

import numpy as np
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from transfer.errors import UsageError
from transfer.images.open import check_size, open_image, orientation
from transfer.recipe import RESIZES

Source = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | np.ndarray

# Raise it whenever `decode` makes another array of the same file: cached features of the old
# arrays are then no longer used.
DECODE_VERSION = 1
WHITE = (255, 255, 255)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(source: Source, size: int, resize: str = "stretch") -> np.ndarray:
    """Return an image as an upright square of 8-bit RGB.

    Files are recognised by content. The first frame of animations is used, the EXIF orientation
    applied, transparency composited on white, 16-bit gray divided by 257. Resizing is bilinear with
    antialiasing. A JPEG file of at least four times `size` on both sides is decoded at a
    fraction of its resolution (never under twice `size`); all other images give the same
    array whether they come as a path, a Pillow image or an array.

    Args:
        source: A JPEG, PNG, GIF, BMP or WebP file: its path, its bytes, or the file open in binary
            mode, which is read from its start and left open; a Pillow image; or an array of shape
            (h, w), (h, w, 3) or (h, w, 4), uint8 or float with values in 0..255. Images and
            arrays are not modified.
        size: Side of the result in pixels.
        resize: ``"stretch"`` (aspect ratio is lost), ``"crop"`` (largest centred square) or
            ``"pad"`` (the whole image on white).

    Returns:
        uint8 array of shape (size, size, 3), RGB, 0..255.

    Raises:
        DataError: The file cannot be read or decoded; the message names it and the reason.
        UsageError: `source` is of another type, shape or value range, or `resize` is unknown.
    """
    if resize not in RESIZES:
        raise UsageError(f"Expected resize= as one of {', '.join(RESIZES)}. Received: {resize!r}")
    if isinstance(source, np.ndarray):
        return _to_square(_from_array(source), size, resize)
    if isinstance(source, Image.Image):
        check_size(source, "the image")
        return _to_square(as_rgb(source), size, resize)
    path, stream = _file(source)
    with open_image(path, stream) as image:
        if isinstance(image, JpegImageFile) and min(image.size) >= 4 * size:
            image.draft(None, (2 * size, 2 * size))
        return _to_square(as_rgb(image), size, resize)


def wrong_kind(received: object) -> UsageError:
    """Return the error for what is no image, with all that `decode` takes."""
    return UsageError(
        "Expected an image as a path, bytes, a file open in binary mode, a Pillow image, or an"
        f" array of numbers 0..255 of shape (h, w, 3). Received: {received}"
    )


def is_open_file(source: object) -> bool:
    """Tell whether a source is an open file, or what serves as one."""
    return hasattr(source, "read") and hasattr(source, "seek")


def _file(source: object) -> tuple[str | os.PathLike[str] | None, IO[bytes] | None]:
    """Return the path of an image file, or None and a stream of its bytes."""
    if isinstance(source, (str, os.PathLike)):
        return source, None
    if isinstance(source, (bytes, bytearray, memoryview)):
        return None, io.BytesIO(source)
    if isinstance(source, io.TextIOBase):
        raise wrong_kind("a file open in text mode")
    if is_open_file(source):
        return None, cast("IO[bytes]", source)
    raise wrong_kind(f"{source!r:.60} ({type(source).__name__})")


def as_rgb(image: Image.Image) -> Image.Image:
    """Return an image upright and in 8-bit RGB, transparency composited on white.

    Args:
        image: A Pillow image of any mode but ``"F"``; it is not modified.

    Raises:
        UsageError: The image holds floats, whose range is unknown.
    """
    if image.mode == "F":
        raise UsageError("Expected an image of integers 0..255. Received: floats (Pillow mode F)")
    image.load()
    turn = _TURNS.get(orientation(image))
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64) / 257  # 65535 = 257 * 255
        image = Image.fromarray(np.rint(values.clip(0, 255)).astype(np.uint8))
    elif image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.new("RGB", rgba.size, WHITE)
        image.paste(rgba, mask=rgba.getchannel("A"))
    rgb = image.convert("RGB")
    return rgb if turn is None else rgb.transpose(turn)


def _to_square(image: Image.Image, size: int, resize: str) -> np.ndarray:
    square = (size, size)
    if resize == "crop":
        image = ImageOps.fit(image, square, Image.Resampling.BILINEAR)
    elif resize == "pad":
        short, long = sorted(image.size)
        if round(short / long * size) < 1:  # Pillow would scale the short side to no pixel at all
            thin = (size, 1) if image.width > image.height else (1, size)
            image = image.resize(thin, Image.Resampling.BILINEAR)
        image = ImageOps.pad(image, square, Image.Resampling.BILINEAR, color=WHITE)
    else:
        image = image.resize(square, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.array(image)


def _from_array(array: np.ndarray) -> Image.Image:
    if array.dtype.kind not in "buif":
        raise wrong_kind(f"an array of {array.dtype} (several paths: as a list)")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or array.size == 0:
        raise UsageError(
            "Expected an array of shape (h, w), (h, w, 3) or (h, w, 4)."
            f" Received: shape={array.shape}"
        )
    if array.dtype != np.uint8:
        if array.dtype.kind not in "iuf":
            raise UsageError(f"Expected an array of numbers 0..255. Received: dtype={array.dtype}")
        low, high = float(array.min()), float(array.max())
        scaled_to_one = array.dtype.kind == "f" and 0 < high <= 1
        if not (low >= 0 and high <= 255) or scaled_to_one:
            raise UsageError(f"Expected values in 0..255. Received: {low:g} to {high:g}")
        array = np.rint(array).astype(np.uint8)
    return as_rgb(Image.fromarray(np.ascontiguousarray(array)))
