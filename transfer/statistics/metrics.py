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


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) of logits of any shape."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))


def losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each image's cross-entropy -ln p(label), float64 (n,), 0 to 15.9 nats.

    Args:
        probabilities: float array of shape (n, classes).
        labels: int array of shape (n,).
    """
    given = probabilities.astype(np.float64)[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.clip(given, SMALLEST, 1.0)))


def top_k_accuracy(probabilities: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Return the share of images whose label is among the `k` likeliest classes, 0..1.

    Of equally likely classes the first ones win, as they do with argmax.

    Args:
        probabilities: float array of shape (n, classes), n >= 1.
        labels: int array of shape (n,).
        k: 1 or more.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float((best == labels[:, None]).any(axis=1).mean())


def count_confusions(true: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Return int64 counts of shape (num_classes, num_classes): rows true, columns predicted."""
    cells = np.bincount(true * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def accuracy(matrix: np.ndarray) -> float:
    """Return the share of correct predictions, 0..1.

    Args:
        matrix: From `count_confusions`, with at least one image.
    """
    return float(matrix.trace() / matrix.sum())


def macro_f1(matrix: np.ndarray) -> float:
    """Return the mean F1 of the classes that have images, 0..1.

    Args:
        matrix: From `count_confusions`, with at least one image.
    """
    support, chosen = matrix.sum(axis=1), matrix.sum(axis=0)
    present = support > 0
    return float((2 * matrix.diagonal()[present] / (support + chosen)[present]).mean())


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return ``loss`` (mean of -ln p(label), nats), ``accuracy`` and ``macro_f1`` (0..1).

    Args:
        probabilities: float array of shape (n, classes), n >= 1.
        labels: int array of shape (n,).
    """
    matrix = count_confusions(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    return {
        "loss": float(losses(probabilities, labels).mean()),
        "accuracy": accuracy(matrix),
        "macro_f1": macro_f1(matrix),
    }
