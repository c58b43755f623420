"""The only way from an image to an array: for training, evaluation, prediction and serving."""

from __future__ import annotations

import io
import os
from typing import IO, cast

import numpy as np
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from transfer.errors import DataError, UsageError
from transfer.images.levels import (
    FULL,
    Levels,
    bits_of,
    is_float,
    levels_of,
    read_deep,
    special_values,
)
from transfer.images.open import check_size, open_image, orientation, turn_of
from transfer.images.profiles import profile_of, to_srgb
from transfer.images.wide import has_planes
from transfer.recipe import RESIZES
from transfer.settings import Decoding

Source = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | np.ndarray

# Raise it whenever `decode` makes another array of every file: cached features of the old arrays
# are then no longer used. What changes some files only belongs in `variant`.
DECODE_VERSION = 1
EACH_BY_ITSELF = Decoding()
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


def decode(
    source: Source, size: int, resize: str = "stretch", decoding: Decoding = EACH_BY_ITSELF
) -> np.ndarray:
    """Return an image as an upright square of 8-bit sRGB.

    Files are recognised by content. The first frame of animations and the first page are used, the
    EXIF orientation applied, values of more than 8 bits scaled by their depth (see
    `transfer.images.levels.levels_of`), colours converted to sRGB by the ICC profile, and
    transparency composited on white. Resizing is bilinear with antialiasing. A JPEG file of at
    least four times `size` on both sides is decoded at a fraction of its resolution (never under
    twice `size`); all other images give the same array whether they come as a path, a Pillow image
    or an array.

    Args:
        source: A file in a format of docs/data.md: its path, its bytes, or the file open in binary
            mode, which is read from its start and left open; a Pillow image; or an array of shape
            (h, w), (h, w, 3) or (h, w, 4), uint8 or float with values in 0..255. Images and
            arrays are not modified.
        size: Side of the result in pixels.
        resize: ``"stretch"`` (aspect ratio is lost), ``"crop"`` (largest centred square) or
            ``"pad"`` (the whole image on white).
        decoding: How values of more than 8 bits and colour profiles are treated; that of a run is
            ``run.info.settings.decoding``.

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
        with turn_of(source):
            return _to_square(_flat(source, decoding), size, resize)
    path, stream = _file(source)
    with open_image(path, stream) as image:
        if isinstance(image, JpegImageFile) and min(image.size) >= 4 * size:
            image.draft(None, (2 * size, 2 * size))
        with turn_of(image):
            return _to_square(_flat(image, decoding), size, resize)


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


def as_rgb(image: Image.Image, decoding: Decoding = EACH_BY_ITSELF) -> Image.Image:
    """Return an image upright and in 8-bit RGB, transparency composited on white.

    Args:
        image: A Pillow image of any mode; it is not modified.
        decoding: See `decode`.
    """
    return _flat(image, decoding).convert("RGB")


def whole_photo(source: Source, most: int, decoding: Decoding = EACH_BY_ITSELF) -> Image.Image:
    """Return the whole image that `decode` makes a square of: upright, RGB, in its own shape.

    Args:
        source: See `decode`.
        most: Most pixels of a side; a larger image is scaled down.
        decoding: See `decode`.

    Raises:
        DataError: It cannot be read.
    """
    if isinstance(source, np.ndarray):
        photo = _from_array(source).convert("RGB")
    elif isinstance(source, Image.Image):
        check_size(source, "the image")
        with turn_of(source):
            photo = as_rgb(source, decoding)
    else:
        with open_image(*_file(source)) as image:
            image.draft(None, (2 * most, 2 * most))  # JPEG at a fraction of its resolution
            with turn_of(image):
                photo = as_rgb(image, decoding)
    photo.thumbnail((most, most))
    return photo


def _flat(image: Image.Image, decoding: Decoding) -> Image.Image:
    """Return an image upright and opaque, in 8-bit gray or RGB."""
    deep = read_deep(image)
    if deep is None:
        image.load()
        flat = image
    else:
        flat = deep.scaled(_levels(image, decoding) or levels_of([deep.span]))
    turn = _TURNS.get(orientation(image))  # known after loading: Pillow turns TIFF files itself
    if decoding.profiles == "convert":
        flat = to_srgb(flat)
    if flat.has_transparency_data:
        rgba = flat.convert("RGBA")
        flat = Image.new("RGB", rgba.size, WHITE)
        flat.paste(rgba, mask=rgba.getchannel("A"))
    if flat.mode not in ("L", "RGB"):
        flat = flat.convert("RGB")
    return flat if turn is None else flat.transpose(turn)


def _levels(image: Image.Image, decoding: Decoding) -> Levels | None:
    return decoding.floats if is_float(image) else decoding.integers


def variant(source: str | os.PathLike[str], decoding: Decoding) -> str:
    """Return in what a file's array differs from that of versions which read no profile or depth.

    It is part of the keys under which features are kept. Photos of 8 bits without a profile have
    none, and keep their keys.
    """
    try:
        with open_image(source) as image:
            convert = decoding.profiles == "convert" and profile_of(image) == "other"
            kinds = ["sRGB"] if convert else []
            if bits_of(image) > 8:
                levels, floats = _levels(image, decoding), is_float(image)
                plain = levels == FULL and not floats
                kinds += [] if plain else [f"{'floats' if floats else 'levels'} {levels}"]
                kinds += ["planes"] if has_planes(image) and not plain else []
                kinds += special_values(image)
            return ", ".join(kinds)
    except DataError:
        return ""


def _to_square(image: Image.Image, size: int, resize: str) -> np.ndarray:
    square = (size, size)
    if resize == "crop":
        image = ImageOps.fit(image, square, Image.Resampling.BILINEAR)
    elif resize == "pad":
        short, long = sorted(image.size)
        if round(short / long * size) < 1:  # Pillow would scale the short side to no pixel at all
            thin = (size, 1) if image.width > image.height else (1, size)
            image = image.resize(thin, Image.Resampling.BILINEAR)
        white = 255 if image.mode == "L" else WHITE
        image = ImageOps.pad(image, square, Image.Resampling.BILINEAR, color=white)
    else:
        image = image.resize(square, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.array(image.convert("RGB"))


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
    return _flat(Image.fromarray(np.ascontiguousarray(array)), EACH_BY_ITSELF)
