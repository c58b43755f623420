"""Scaling of feature vectors, and probabilities of logits."""

from __future__ import annotations

import numpy as np


def standardise(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) with mean 0 and deviation 1 per column, float32.

    A hundredth of the mean variance is added to each. Otherwise a feature that is nearly always 0
    would outweigh the others on the one image that activates it.
    """
    variance = vectors.var(axis=0)
    scale = np.sqrt(variance + 0.01 * variance.mean() + 1e-12)
    return np.asarray((vectors - vectors.mean(axis=0)) / scale, np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) with length 1 each, float32."""
    lengths = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (n, classes) of logits of that shape."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
