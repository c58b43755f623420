"""The pictures of the report: the images behind the mistakes, small and inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from transfer.errors import DataError
from transfer.evaluation.metrics import image_losses
from transfer.images.decode import EACH_BY_ITSELF, as_rgb
from transfer.images.open import open_image, turn_of
from transfer.runs.metrics import Confusion
from transfer.runs.predictions import Predictions
from transfer.settings import Decoding
from transfer.system.digests import sha256_or_none

SIDE = 128  # pixels
MOST_BYTES = 1_500_000  # of all thumbnails of a page together, as base64

Thumbnailer = Callable[[str], str | None]


@dataclass(frozen=True)
class Picture:
    """One image of a gallery.

    Attributes:
        path: Relative to the data folder.
        image: JPEG as a ``data:`` URI; None where there is none to show.
        true: Name of the true class.
        predicted: Name of the predicted class.
        confidence: Probability of the predicted class, 0..1.
        p_true: Probability of the true class, 0..1.
    """

    path: str
    image: str | None
    true: str
    predicted: str
    confidence: float
    p_true: float


@dataclass(frozen=True)
class Pair:
    """Two classes that the model confuses, and images of the confusion."""

    true: str
    predicted: str
    count: int
    share: float
    pictures: tuple[Picture, ...]


def confused_pairs(
    predictions: Predictions,
    most_confused: Sequence[Confusion],
    thumbnail: Thumbnailer,
    pairs: int = 8,
    images: int = 6,
) -> list[Pair]:
    """Return the most confused pairs, each with the images the model was most confident about.

    Args:
        predictions: All predictions of the split.
        most_confused: As in metrics.json: true, predicted, count, share.
        thumbnail: Turns a relative path into a ``data:`` URI or None.
        pairs: Maximum number of pairs.
        images: Maximum number of images per pair.
    """
    index = {name: i for i, name in enumerate(predictions.classes)}
    predicted = predictions.probabilities.argmax(axis=1)
    found = []
    for row in most_confused[:pairs]:
        here = (predictions.true == index[row["true"]]) & (predicted == index[row["predicted"]])
        order = _first(predictions, -predictions.probabilities.max(axis=1), here, images)
        pictures = tuple(_picture(predictions, i, thumbnail) for i in order)
        found.append(Pair(row["true"], row["predicted"], row["count"], row["share"], pictures))
    return found


def worst_mistakes(
    predictions: Predictions, thumbnail: Thumbnailer, images: int = 12
) -> list[Picture]:
    """Return the wrongly classified images with the highest loss, the highest first."""
    wrong = predictions.probabilities.argmax(axis=1) != predictions.true
    order = _first(predictions, -image_losses(predictions), wrong, images)
    return [_picture(predictions, i, thumbnail) for i in order]


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
    spent = 0

    @cache
    def thumbnail(name: str) -> str | None:
        nonlocal spent
        if root is None or not sha256.get(name) or sha256_or_none(root / name) != sha256[name]:
            return None
        uri = encode_thumbnail(root / name, side, decoding)
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


def _first(predictions: Predictions, key: np.ndarray, among: np.ndarray, count: int) -> list[int]:
    """Return the `count` indices with the lowest `key`, by path where keys are equal."""
    chosen = [int(i) for i in among.nonzero()[0]]
    return sorted(chosen, key=lambda i: (key[i], predictions.paths[i]))[:count]


def _picture(predictions: Predictions, i: int, thumbnail: Thumbnailer) -> Picture:
    row, true = predictions.probabilities[i], int(predictions.true[i])
    best = int(row.argmax())
    return Picture(
        path=predictions.paths[i],
        image=thumbnail(predictions.paths[i]),
        true=predictions.classes[true],
        predicted=predictions.classes[best],
        confidence=float(row[best]),
        p_true=float(row[true]),
    )
