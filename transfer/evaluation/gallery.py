"""The pictures of the report: the images behind the mistakes, small and inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from transfer.errors import DataError
from transfer.images.decode import EACH_BY_ITSELF, as_rgb
from transfer.images.open import open_image, turn_of
from transfer.settings import Decoding
from transfer.system.digests import sha256_or_none

SIDE = 192  # pixels
MOST_BYTES = 1_900_000  # of all thumbnails of a page together, as base64

Thumbnailer = Callable[[str], str | None]


def thumbnailer(
    root: Path | None,
    sha256: Mapping[str, str],
    decoding: Decoding = EACH_BY_ITSELF,
    *,
    side: int = SIDE,
    most: int | None = None,
) -> Thumbnailer:
    """Return a function that makes thumbnails of images under `root`, up to the page's budget.

    It shows only the files that were indexed, known by their bytes: a run directory from elsewhere
    cannot bring other pictures of the disk into the page. It returns None for an image that cannot
    be shown: no root, not indexed, missing, changed since or unreadable, or the budget spent.

    Args:
        root: The data folder; None where it is not known.
        sha256: Digests of the indexed images by their path, see `transfer.data.dataset.Dataset`.
        decoding: How the run decodes pictures.
        side: Most pixels of a side.
        most: Most bytes of all thumbnails together, as base64; None for `MOST_BYTES`.
    """

    def make(name: str) -> str | None:
        if root is None or not sha256.get(name) or sha256_or_none(root / name) != sha256[name]:
            return None
        return encode_thumbnail(root / name, side, decoding)

    return within_budget(make, most)


def within_budget(make: Thumbnailer, most: int | None = None) -> Thumbnailer:
    """Return a function that makes each thumbnail once, and none that exceeds a budget.

    Args:
        make: Turns a name into a ``data:`` URI or None.
        most: Most bytes of all thumbnails together, as base64; None for `MOST_BYTES`.
    """
    spent = 0

    @cache
    def thumbnail(name: str) -> str | None:
        nonlocal spent
        uri = make(name)
        if uri is None or spent + len(uri) > (MOST_BYTES if most is None else most):
            return None
        spent += len(uri)
        return uri

    return thumbnail


def encode_thumbnail(
    path: Path, side: int = SIDE, decoding: Decoding = EACH_BY_ITSELF
) -> str | None:
    """Return an image as an upright JPEG of at most `side` pixels in a ``data:`` URI.

    Returns:
        The URI, or None where the file is missing or cannot be decoded.
    """
    buffer = io.BytesIO()
    try:
        with open_image(path) as image:
            image.draft(None, (2 * side, 2 * side))  # JPEG at a fraction of its resolution
            with turn_of(image):
                small = as_rgb(image, decoding)
            small.thumbnail((side, side))
            small.save(buffer, format="JPEG", quality=80, optimize=True)
    except DataError:
        return None
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
