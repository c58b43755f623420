"""Figures about predictions whose true labels are known."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from transfer.errors import DataError, TransferError
from transfer.runs.predictions import Predictions

ECE_BINS = 15
TOP_K = 5
MOST_CONFUSED = 20
Z95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution


def compute_metrics(
    predictions: Predictions, split: str, leaks: Collection[str] = ()
) -> dict[str, Any]:
    """Compute every figure of a classifier on one split, ready for JSON.

    All numbers are shares in 0..1 except `log_loss` (nats, 0 is best) and counts. What is not
    defined (the precision of a class that was never predicted, the recall of a class without
    images) is None, never NaN. Averages over classes (`macro_f1`, `balanced_accuracy`) are taken
    over the classes that have images in this split.

    Args:
        predictions: n images with probabilities of shape (n, number of classes).
        split: Name of the split, for example ``"val"``; copied into the result.
        leaks: Paths of images that training has seen, or near duplicates of.

    Returns:
        ``split``, ``n``, ``accuracy``, ``accuracy_ci95``, ``majority_accuracy`` (that of always
        answering the most frequent class), ``macro_f1``, ``balanced_accuracy``,
        ``top5_accuracy`` (only where there are more than 5 classes), ``log_loss``, ``ece``,
        ``per_class`` (class, precision, recall, f1, support, recall_ci95), ``confusion_matrix``
        (all classes; rows are true, columns predicted) and ``most_confused`` (true, predicted,
        count, share of the true class's images; the 20 most frequent). Where some of the images
        are `leaks`, ``leaked``: their number as ``images``, and of the others ``n_without``,
        ``accuracy_without`` and ``accuracy_without_ci95`` (None where there are no others).

    Raises:
        DataError: There is no image to evaluate.
        TransferError: A probability is not a finite number.
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
            " Lower --learning-rate and train again."
        )
    true, probabilities = predictions.true, predictions.probabilities.astype(np.float64)
    matrix = count_confusions(true, probabilities.argmax(axis=1), len(predictions.classes))
    per_class = _per_class(matrix, predictions.classes)
    present = [row for row in per_class if row["support"]]
    right = int(matrix.trace())
    metrics: dict[str, Any] = {
        "split": split,
        "n": n,
        "accuracy": right / n,
        "accuracy_ci95": list(wilson_interval(right, n)),
        "majority_accuracy": int(matrix.sum(axis=1).max()) / n,
        "macro_f1": float(np.mean([row["f1"] for row in present])),
        "balanced_accuracy": float(np.mean([row["recall"] for row in present])),
        "log_loss": float(image_losses(predictions).mean()),
        "ece": expected_calibration_error(true, probabilities),
        "per_class": per_class,
        "confusion_matrix": matrix.tolist(),
        "most_confused": _most_confused(matrix, predictions.classes),
    }
    if len(predictions.classes) > TOP_K:
        metrics["top5_accuracy"] = top_k_accuracy(true, probabilities, TOP_K)
    leaked = np.array([path in leaks for path in predictions.paths])
    if leaked.any():
        metrics["leaked"] = _without(leaked, probabilities.argmax(axis=1) == true)
    return metrics


def _without(leaked: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    n, good = int((~leaked).sum()), int(right[~leaked].sum())
    return {
        "images": int(leaked.sum()),
        "n_without": n,
        "accuracy_without": good / n if n else None,
        "accuracy_without_ci95": list(wilson_interval(good, n)) if n else None,
    }


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of the share `right` / `n`, for n >= 1.

    Unlike p ± 1.96 s it stays inside 0..1 and keeps its promise for few images and for shares
    near 0 and 1. E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 22 (1927).
    """
    share, z2 = right / n, Z95 * Z95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5 / (1 + z2 / n)
    # At 0 and n the bound is exactly 0 or 1; floating point would miss it by 1e-17.
    return (0.0 if right == 0 else centre - half, 1.0 if right == n else centre + half)


def expected_calibration_error(true: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean gap between confidence and accuracy over 15 bins of equal width.

    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3. Bins are
    open on the left: ((m - 1) / 15, m / 15].

    Args:
        true: int array of shape (n,), n >= 1.
        probabilities: float array of shape (n, number of classes).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    bins = np.clip(np.ceil(confidence * ECE_BINS).astype(np.int64) - 1, 0, ECE_BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(true))


def top_k_accuracy(true: np.ndarray, probabilities: np.ndarray, k: int) -> float:
    """Return the share of images whose true class is among the `k` likeliest.

    Of equally likely classes the first ones win, as they do with argmax.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float((best == true[:, None]).any(axis=1).mean())


def image_losses(predictions: Predictions) -> np.ndarray:
    """Return each image's cross-entropy -ln p(true), a float64 array of shape (n,).

    Probabilities are cut off at the float32 epsilon (1.2e-7) as scikit-learn does, so that one
    confident mistake costs at most 15.9 nats instead of infinity.
    """
    rows = np.arange(len(predictions.true))
    chosen = predictions.probabilities.astype(np.float64)[rows, predictions.true]
    losses: np.ndarray = -np.log(np.clip(chosen, np.finfo(np.float32).eps, 1.0))
    return losses


def count_confusions(true: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Return int64 counts of shape (num_classes, num_classes): rows true, columns predicted."""
    cells = np.bincount(true * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def _per_class(matrix: np.ndarray, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for i, name in enumerate(classes):
        right, support, chosen = (
            int(x) for x in (matrix[i, i], matrix[i].sum(), matrix[:, i].sum())
        )
        rows.append(
            {
                "class": name,
                "precision": right / chosen if chosen else None,
                "recall": right / support if support else None,
                "f1": 2 * right / (support + chosen) if support else None,
                "support": support,
                "recall_ci95": list(wilson_interval(right, support)) if support else None,
            }
        )
    return rows


def _most_confused(matrix: np.ndarray, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    support = matrix.sum(axis=1)
    pairs = [
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
    return pairs[:MOST_CONFUSED]
