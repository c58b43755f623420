"""Metrics of the probabilities of several classes for each image.

Each class is a question of its own: an image is of it or not. The definitions are scikit-learn's
for multilabel indicators; classes without an image are left out of the means.
"""

from __future__ import annotations

import numpy as np

from transfer.statistics.metrics import SMALLEST

HALF = 0.5  # the threshold before one is chosen


def set_losses(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return each image's mean binary cross-entropy over the classes, float64 (n,), in nats.

    Args:
        probabilities: float array of shape (n, classes), 0..1.
        targets: array of that shape, of 0 and 1.
    """
    p = np.clip(probabilities.astype(np.float64), SMALLEST, 1.0 - SMALLEST)
    return np.asarray(-np.where(targets > HALF, np.log(p), np.log1p(-p)).mean(axis=1))


def count_hits(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return int64 counts (3, classes): images rightly predicted as it, predicted as it, of it.

    Args:
        predicted: bool array of shape (n, classes).
        true: bool array of that shape.
    """
    return np.stack([(predicted & true).sum(0), predicted.sum(0), true.sum(0)]).astype(np.int64)


def f1_scores(counts: np.ndarray) -> np.ndarray:
    """Return the F1 of each class, float64 (classes,), 0..1; NaN without an image of it.

    Args:
        counts: From `count_hits`.
    """
    right, predicted, support = counts
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(support > 0, 2 * right / (predicted + support), np.nan))


def macro_f1_of_sets(counts: np.ndarray) -> float:
    """Return the mean F1 of the classes that have images, 0..1; 0 where none has."""
    scores = f1_scores(counts)
    known = np.isfinite(scores)
    return float(scores[known].mean()) if known.any() else 0.0


def micro_f1(counts: np.ndarray) -> float:
    """Return the F1 of all decisions together, 0..1; 0 where nothing is predicted or true."""
    right, predicted, support = counts.sum(axis=1)
    return float(2 * right / (predicted + support)) if predicted + support else 0.0


def average_precisions(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the average precision of each class, float64 (classes,); NaN without an image of it.

    It is the sum of the precision at each threshold times the step in recall, without
    interpolation (M. Zhu, "Recall, Precision and Average Precision", 2004; scikit-learn's
    average_precision_score). Equal probabilities are one threshold. Its mean over the classes is
    the mAP.

    Args:
        probabilities: float array of shape (n, classes).
        targets: array of that shape, of 0 and 1.
    """
    scores = np.full(targets.shape[1], np.nan)
    for number in np.flatnonzero((targets > HALF).any(axis=0)):
        order = np.argsort(-probabilities[:, number], kind="stable")
        right = np.cumsum(targets[order, number] > HALF)
        values = probabilities[order, number]
        last = np.append(values[1:] != values[:-1], True)  # of several equal ones
        recall = right[last] / right[-1]
        precision = right[last] / (np.flatnonzero(last) + 1)
        scores[number] = np.sum(np.diff(recall, prepend=0.0) * precision)
    return scores


def choose_thresholds(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the threshold of each class with the highest F1, float64 (classes,), 0..1.

    Candidates are the midpoints between neighbouring probabilities. Of equally good ones the
    nearest to 0.5 is taken; 0.5 for a class without an image.

    Args:
        probabilities: float array of shape (n, classes), of images that were not trained on.
        targets: array of that shape, of 0 and 1.
    """
    thresholds = np.full(targets.shape[1], HALF)
    for number in np.flatnonzero((targets > HALF).any(axis=0)):
        order = np.argsort(-probabilities[:, number], kind="stable")
        values = probabilities[order, number].astype(np.float64)
        right = np.cumsum(targets[order, number] > HALF)
        scores = 2 * right / (np.arange(1, len(order) + 1) + right[-1])
        lower = np.append(values[1:], 0.0)
        scores[values == lower] = -1.0  # equal ones are on one side
        middle = (values + lower) / 2
        wide = (lower <= HALF) & (values > HALF)
        middle[wide] = HALF  # any value between does as well
        best = np.flatnonzero(scores >= scores.max() - 1e-12)
        thresholds[number] = middle[best[np.abs(middle[best] - HALF).argmin()]]
    return thresholds


def score_sets(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Return ``loss``, ``accuracy`` (all classes of an image are right) and ``macro_f1``, at 0.5.

    Args:
        probabilities: float array of shape (n, classes), n >= 1.
        targets: array of that shape, of 0 and 1.
    """
    predicted, true = probabilities > HALF, targets > HALF
    return {
        "loss": float(set_losses(probabilities, targets).mean()),
        "accuracy": float((predicted == true).all(axis=1).mean()),
        "macro_f1": macro_f1_of_sets(count_hits(predicted, true)),
    }
