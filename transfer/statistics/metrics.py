"""Metrics of probabilities against labels."""

from __future__ import annotations

import numpy as np

# Probabilities are cut off here before the logarithm, as scikit-learn does for float32: one
# confident mistake costs at most 15.9 nats instead of infinity.
SMALLEST = float(np.finfo(np.float32).eps)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (n, classes) of logits of that shape."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each image's cross-entropy -ln p(label), float64 (n,), 0 to 15.9 nats.

    Args:
        probabilities: float array of shape (n, classes).
        labels: int array of shape (n,).
    """
    given = probabilities.astype(np.float64)[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.clip(given, SMALLEST, 1.0)))


def count_confusions(true: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Return int64 counts of shape (num_classes, num_classes): rows true, columns predicted."""
    cells = np.bincount(true * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def macro_f1(matrix: np.ndarray) -> float:
    """Return the mean F1 of the classes that have images, 0..1.

    Args:
        matrix: From `count_confusions`, with at least one image.
    """
    support, chosen = matrix.sum(axis=1), matrix.sum(axis=0)
    present = support > 0
    return float((2 * matrix.diagonal()[present] / (support + chosen)[present]).mean())


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return loss (mean of -ln p(label)), accuracy and macro_f1.

    Args:
        probabilities: float array of shape (n, classes).
        labels: int array of shape (n,).
    """
    best = probabilities.argmax(axis=1)
    matrix = count_confusions(labels, best, probabilities.shape[1])
    return {
        "loss": float(losses(probabilities, labels).mean()),
        "accuracy": float((best == labels).mean()),
        "macro_f1": macro_f1(matrix),
    }
