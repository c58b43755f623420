"""ICC profiles: colours as they are meant, in sRGB.

Pictures without a profile are sRGB. A profile that changes no colour visibly costs nothing.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_SAME = 2  # levels by which no colour differs, for sRGB in the words of another vendor


@dataclass(frozen=True)
class _Way:
    """The way from a profile to sRGB; None where it changes nothing.

    Attributes:
        mode: Mode of the images that it takes.
    """

    mode: str
    transform: ImageCms.ImageCmsTransform | None


def profile_of(image: Image.Image) -> str:
    """Return what an image's ICC profile does.

    Returns:
        ``""``: there is none, or it is sRGB; ``"other"``: it has to be converted; ``"unusable"``:
        it is damaged, or for another kind of image.
    """
    profile, mode = image.info.get("icc_profile"), _base(image.mode)
    if not profile or mode is None:
        return ""
    way = _way(bytes(profile), mode)
    return "unusable" if way is None else "" if way.transform is None else "other"


def to_srgb(image: Image.Image) -> Image.Image:
    """Return an 8-bit image in sRGB; the image itself where its profile changes nothing."""
    profile, mode = image.info.get("icc_profile"), _base(image.mode)
    way = _way(bytes(profile), mode) if profile and mode else None
    if way is None or way.transform is None:
        return image
    clear = image.has_transparency_data
    plain = image.convert("RGBA") if clear else image
    result = way.transform.apply(plain if plain.mode == way.mode else plain.convert(way.mode))
    if clear:
        result.putalpha(plain.getchannel("A"))
    return result


def _base(mode: str) -> str | None:
    """Return the mode in which the colours of an image of this mode are converted."""
    if mode in ("L", "LA", "La", "I", "I;16", "I;16B", "I;16L"):
        return "L"
    if mode in ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "YCbCr"):
        return "RGB"
    return "CMYK" if mode == "CMYK" else None


@lru_cache(maxsize=16)
def _way(profile: bytes, mode: str) -> _Way | None:
    """Return the way from a profile to sRGB; None for one that is damaged or of another kind."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if mode == "L" and space == "RGB":  # gray photos with the profile of a camera
            mode = "RGB"
        if space != _SPACES[mode]:
            return None
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return None
    if mode == "CMYK":
        return _Way(mode, transform)
    sample = _colours(mode)
    before = np.asarray(sample.convert("RGB")).astype(int)
    changes = np.abs(np.asarray(transform.apply(sample)) - before).max() > _SAME
    return _Way(mode, transform if changes else None)


def _colours(mode: str) -> Image.Image:
    """Return an image with a selection of all colours."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    return Image.fromarray(grid.reshape(len(steps), -1, 3))
