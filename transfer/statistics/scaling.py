"""Vectors with mean 0 and deviation 1, or with length 1."""

from __future__ import annotations

import numpy as np


def standardisation(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each column of vectors (n, d): two float32 arrays (d,).

    A hundredth of the mean variance is added to each, so that a feature that is nearly always 0
    in training cannot outweigh the others on the one photo that wakes it.
    """
    variance = vectors.var(axis=0)
    return vectors.mean(axis=0), np.sqrt(variance + 0.01 * variance.mean() + 1e-12)


def standardise(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) with their own mean and deviation taken out, float32."""
    mean, scale = standardisation(vectors)
    return np.asarray((vectors - mean) / scale, np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) with length 1 each, as Keras' UnitNormalization makes them, float32."""
    lengths = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def common_scale(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each column of vectors (n, d), and the deviation of all, d times.

    What the columns of vectors of length 1 differ in says how much they matter.
    """
    deviation = np.sqrt(vectors.var(axis=0).mean() + 1e-12)
    return vectors.mean(axis=0), np.full(vectors.shape[1], deviation, np.float32)
