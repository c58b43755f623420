"""How far confidence can be trusted: reliability, and accuracy when the least sure are left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer.runs.predictions import Predictions
from transfer.statistics.intervals import wilson_interval
from transfer.statistics.temperature import apply_temperature, logits_of

BINS = 10
FEWEST = 20  # images, below which the section says nothing
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)


@dataclass(frozen=True)
class Bin:
    """The images whose confidence lies in one tenth.

    Attributes:
        low: Where it begins, 0..1; it ends a tenth higher.
        n: Number of images.
        confidence: Their mean confidence.
        accuracy: Share of them that is right.
        interval: Its 95 % interval.
    """

    low: float
    n: int
    confidence: float
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Coverage:
    """What is right if the least sure are left out.

    Attributes:
        left_out: Share of the images that is left out, 0..1.
        threshold: The confidence that the others have at least.
        n: Number of these.
        accuracy: Share of them that is right.
        interval: Its 95 % interval.
    """

    left_out: float
    threshold: float
    n: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Trust:
    """The section on trust.

    Attributes:
        after: Bins of the model's confidence.
        before: The same before its calibration; empty without.
        coverage: From all images to half of them.
    """

    after: tuple[Bin, ...]
    before: tuple[Bin, ...]
    coverage: tuple[Coverage, ...]


def read_trust(predictions: Predictions, temperature: float | None) -> Trust | None:
    """Return the figures of the section, or None for fewer than 20 images or a single class.

    Args:
        predictions: The model's, calibrated where it was.
        temperature: What its logits were divided by; None where it was not calibrated, or where the
            predictions were corrected to a prior since.
    """
    if len(predictions.paths) < FEWEST or len(predictions.classes) < 2:
        return None
    probabilities, true = predictions.probabilities.astype(np.float64), predictions.true
    before: tuple[Bin, ...] = ()
    if temperature is not None:
        own = apply_temperature(logits_of(probabilities, False), 1 / temperature, False)
        before = reliability(own, true)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    return Trust(reliability(probabilities, true), before, coverage_table(confidence, right))


def reliability(probabilities: np.ndarray, true: np.ndarray) -> tuple[Bin, ...]:
    """Return the bins of equal width that hold images: ((m - 1) / 10, m / 10].

    Args:
        probabilities: float array (n, classes).
        true: int array (n,).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    number = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    found = []
    for each in np.unique(number):
        here = number == each
        n, hits = int(here.sum()), int(right[here].sum())
        around = wilson_interval(hits, n)
        found.append(Bin(int(each) / BINS, n, float(confidence[here].mean()), hits / n, around))
    return tuple(found)


def coverage_table(confidence: np.ndarray, right: np.ndarray) -> tuple[Coverage, ...]:
    """Return the accuracy of the surest images; those of equal confidence stay together.

    Args:
        confidence: float array (n,), n > 0.
        right: bool array (n,).
    """
    ordered = np.sort(confidence)[::-1]
    rows = []
    for share in COVERAGES:
        threshold = float(ordered[max(1, round(share * len(ordered))) - 1])
        kept = confidence >= threshold
        n, hits = int(kept.sum()), int(right[kept].sum())
        around = wilson_interval(hits, n)
        rows.append(Coverage(1 - n / len(ordered), threshold, n, hits / n, around))
    unique = {row.n: row for row in rows}
    return tuple(unique.values())
