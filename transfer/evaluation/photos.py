"""Measures photos: size, brightness and contrast, by which the report looks where a model fails."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from transfer.errors import DataError
from transfer.images.decode import EACH_BY_ITSELF, as_rgb
from transfer.images.open import open_image, turn_of
from transfer.runs.photos import PhotoFigures, write_photos
from transfer.settings import Decoding

MOST = 2000  # photos; of more, as many are drawn
_SIDE = 64  # pixels; mean and deviation need no more


def measure_photos(
    directory: Path, root: Path, paths: Sequence[str], decoding: Decoding = EACH_BY_ITSELF
) -> None:
    """Write photos.csv of an evaluation; photos that cannot be read are left out.

    Args:
        directory: Where predictions.csv is.
        root: The data folder.
        paths: Relative to it.
        decoding: How the run decodes pictures.
    """
    chosen = list(paths)
    if len(chosen) > MOST:
        drawn = np.random.default_rng(0).choice(len(chosen), MOST, replace=False)
        chosen = [chosen[i] for i in sorted(drawn)]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        found = list(pool.map(lambda path: measure_photo(root / path, decoding), chosen))
    rows = zip(chosen, found, strict=True)
    write_photos(directory, [(path, figures) for path, figures in rows if figures is not None])


def measure_photo(path: Path, decoding: Decoding = EACH_BY_ITSELF) -> PhotoFigures | None:
    """Return size, brightness and contrast of a photo; None where it cannot be read."""
    try:
        with open_image(path) as image:
            width, height = image.size
            image.draft(None, (2 * _SIDE, 2 * _SIDE))  # JPEG at a fraction of its resolution
            with turn_of(image):
                small = as_rgb(image, decoding)
            if (small.width > small.height) != (width > height):
                width, height = height, width  # turned by its EXIF data
            grey = np.asarray(small.convert("L").reduce(max(1, min(small.size) // _SIDE)))
    except DataError:
        return None
    return PhotoFigures(width, height, float(grey.mean()) / 255, float(grey.std()) / 255)
