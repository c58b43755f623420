"""ICC profiles: colours as they are meant, in sRGB.

Pictures without a profile are sRGB. A profile that changes no colour visibly costs nothing.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_SAME = 2  # levels by which no colour differs, for sRGB in the words of another vendor

Transform = ImageCms.ImageCmsTransform


def profile_of(image: Image.Image) -> str:
    """Return what an image's ICC profile does.

    Returns:
        ``""``: there is none, or it is sRGB; ``"other"``: it has to be converted; ``"unusable"``:
        it is damaged, or for another kind of image.
    """
    profile = image.info.get("icc_profile")
    mode = _base(image.mode)
    if not profile or mode is None:
        return ""
    transform = _transform(bytes(profile), mode)
    return "" if transform is None else "other" if isinstance(transform, Transform) else "unusable"


def to_srgb(image: Image.Image) -> Image.Image:
    """Return an 8-bit image in sRGB; the image itself where its profile changes nothing."""
    if profile_of(image) != "other":
        return image
    mode = _base(image.mode)
    assert mode is not None
    transform = _transform(bytes(image.info["icc_profile"]), mode)
    assert isinstance(transform, Transform)
    plain = image.convert("RGBA" if image.has_transparency_data else mode)
    result = transform.apply(plain if plain.mode == mode else plain.convert(mode))
    if image.has_transparency_data:
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
def _transform(profile: bytes, mode: str) -> Transform | str | None:
    """Return the way from a profile to sRGB; None if it changes nothing; or why there is none."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space != _SPACES[mode]:
            return f"for {space}"
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return "damaged"
    if mode == "CMYK":
        return transform
    sample = _colours(mode)
    before = np.asarray(sample.convert("RGB")).astype(int)
    return transform if np.abs(np.asarray(transform.apply(sample)) - before).max() > _SAME else None


def _colours(mode: str) -> Image.Image:
    """Return an image with a selection of all colours."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    return Image.fromarray(grid.reshape(len(steps), -1, 3))
