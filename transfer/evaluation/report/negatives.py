"""The report's section on negatives: how many are refused, and which pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.evaluation.gallery import thumbnailer
from transfer.evaluation.report.album import Album, Photo
from transfer.evaluation.report.redaction import redact_message
from transfer.runs.negatives import read_negatives
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run
from transfer.statistics.intervals import wilson_interval

MOST = 12  # pictures


@dataclass(frozen=True)
class PassingNegative:
    """An image of none of the classes whose prediction is not refused.

    Attributes:
        photo: The image; its path is relative to the folder of the negatives.
        predicted: Name of the predicted class.
        confidence: Its probability, 0..1.
    """

    photo: Photo
    predicted: str
    confidence: float


@dataclass(frozen=True)
class Rejection:
    """What a run refuses.

    Attributes:
        threshold: Confidence below which predictions are refused, 0..1.
        negatives: Number of negatives.
        refused: Number of these whose prediction is refused.
        interval: 95 % interval of that share.
        kept: Number of validation images whose prediction is not.
        validated: Number of validation images.
        coverage: Share of the evaluated images that are kept.
        accuracy: Share of these that are right; None where none is kept.
        passing: The negatives that pass, the most confident first.
        bad: (path, reason) of the negatives that could not be used.
    """

    threshold: float
    negatives: int
    refused: int
    interval: tuple[float, float]
    kept: int
    validated: int
    coverage: float
    accuracy: float | None
    passing: tuple[PassingNegative, ...]
    bad: tuple[tuple[str, str], ...]


def read_rejection(run: Run, predictions: Predictions, album: Album) -> Rejection | None:
    """Return what a run refuses, or None where it was trained without negatives.

    Args:
        run: The run.
        predictions: Of its own evaluation split.
        album: Holds the photos of the page.

    Raises:
        RunError: negatives.csv is missing or damaged.
    """
    info = run.info.negatives if (run.path / "run.json").is_file() else None
    if info is None or info.threshold is None:
        return None
    root, listed = Path(info.data), read_negatives(run)
    digests = {each.path: each.sha256 for each in listed}
    thumbnail = thumbnailer(root, digests, run.info.settings.decoding)
    passing = [each for each in listed if not each.refused]
    passing.sort(key=lambda each: (-each.confidence, each.path))
    refused = len(listed) - len(passing)
    kept = predictions.probabilities.max(axis=1) >= info.threshold
    right = predictions.probabilities.argmax(axis=1) == predictions.true
    return Rejection(
        info.threshold,
        len(listed),
        refused,
        wilson_interval(refused, len(listed)),
        info.kept,
        info.validated,
        float(np.mean(kept)),
        float(np.mean(right[kept])) if kept.any() else None,
        tuple(
            PassingNegative(
                album.add(each.path, thumbnail(each.path), of=info.data),
                each.predicted,
                each.confidence,
            )
            for each in passing[:MOST]
        ),
        tuple((path, redact_message(reason, [root, run.path])) for path, reason in info.bad),
    )
