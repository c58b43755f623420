"""The metrics of a set of predictions, for metrics.json and the report."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from transfer.errors import DataError, TransferError, option
from transfer.runs.metrics import ClassMetrics, Confusion, Leaked, Metrics
from transfer.runs.predictions import Predictions
from transfer.statistics.calibration import expected_calibration_error
from transfer.statistics.intervals import wilson_interval
from transfer.statistics.metrics import (
    accuracy,
    count_confusions,
    losses,
    macro_f1,
    top_k_accuracy,
)

TOP_K = 5
MOST_CONFUSED = 20


def compute_metrics(predictions: Predictions, split: str, leaks: Collection[str] = ()) -> Metrics:
    """Compute all metrics of a classifier on one split, ready for JSON.

    Args:
        predictions: n images with probabilities of shape (n, classes).
        split: Name of the split, for example ``"val"``; copied into the result.
        leaks: Paths of images that were trained on, themselves or as near duplicates.

    Returns:
        The metrics, without ``prior`` and ``caveat``; undefined values are None, never NaN.

    Raises:
        DataError: There is no image to evaluate.
        TransferError: A probability is not finite.
    """
    n = len(predictions.true)
    if n == 0:
        raise DataError(
            f"Expected at least one readable image in split {split!r} to evaluate. Received: 0."
            " Add images, or name a split that has some."
        )
    if not np.isfinite(predictions.probabilities).all():
        raise TransferError(
            "Expected finite probabilities. Received: NaN or infinity, so training diverged."
            f" Lower {option('learning_rate')} and train again."
        )
    true, probabilities = predictions.true, predictions.probabilities.astype(np.float64)
    matrix = count_confusions(true, probabilities.argmax(axis=1), len(predictions.classes))
    per_class = _per_class(matrix, predictions.classes)
    recalls = [row["recall"] for row in per_class if row["recall"] is not None]
    metrics: Metrics = {
        "split": split,
        "n": n,
        "accuracy": accuracy(matrix),
        "accuracy_ci95": list(wilson_interval(int(matrix.trace()), n)),
        "majority_accuracy": int(matrix.sum(axis=1).max()) / n,
        "macro_f1": macro_f1(matrix),
        "balanced_accuracy": float(np.mean(recalls)),
        "log_loss": float(image_losses(predictions).mean()),
        "ece": expected_calibration_error(probabilities, true),
        "per_class": per_class,
        "confusion_matrix": matrix.tolist(),
        "most_confused": most_confused(matrix, predictions.classes)[:MOST_CONFUSED],
    }
    if len(predictions.classes) > TOP_K:
        metrics["top5_accuracy"] = top_k_accuracy(probabilities, true, TOP_K)
    leaked = np.array([path in leaks for path in predictions.paths])
    if leaked.any():
        metrics["leaked"] = without_leaks(leaked, probabilities.argmax(axis=1) == true)
    return metrics


def without_leaks(leaked: np.ndarray, right: np.ndarray) -> Leaked:
    """Return the accuracy on the images that were not trained on.

    Args:
        leaked: bool array (n,): which images training has seen.
        right: bool array (n,): which are predicted rightly.
    """
    n, correct = int((~leaked).sum()), int(right[~leaked].sum())
    return {
        "images": int(leaked.sum()),
        "n_without": n,
        "accuracy_without": correct / n if n else None,
        "accuracy_without_ci95": list(wilson_interval(correct, n)) if n else None,
    }


def image_losses(predictions: Predictions) -> np.ndarray:
    """Return each image's cross-entropy -ln p(true), float64 (n,); see `losses`."""
    return losses(predictions.probabilities, predictions.true)


def _per_class(matrix: np.ndarray, classes: tuple[str, ...]) -> list[ClassMetrics]:
    rows: list[ClassMetrics] = []
    for i, name in enumerate(classes):
        right, support, predicted = map(int, (matrix[i, i], matrix[i].sum(), matrix[:, i].sum()))
        rows.append(
            {
                "class": name,
                "precision": right / predicted if predicted else None,
                "recall": right / support if support else None,
                "f1": 2 * right / (support + predicted) if support else None,
                "support": support,
                "recall_ci95": list(wilson_interval(right, support)) if support else None,
            }
        )
    return rows


def most_confused(matrix: np.ndarray, classes: tuple[str, ...]) -> list[Confusion]:
    """Return all confusions, the most frequent first.

    Args:
        matrix: int array (classes, classes): rows are true, columns predicted.
        classes: Their names.
    """
    support = matrix.sum(axis=1)
    pairs: list[Confusion] = [
        {
            "true": classes[i],
            "predicted": classes[j],
            "count": int(matrix[i, j]),
            "share": float(matrix[i, j] / support[i]),
        }
        for i, j in zip(*matrix.nonzero(), strict=True)
        if i != j
    ]
    pairs.sort(key=lambda pair: (-pair["count"], pair["true"], pair["predicted"]))
    return pairs
