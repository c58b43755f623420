"""Vectors with mean 0 and standard deviation 1, or with length 1."""

from __future__ import annotations

import numpy as np


def standardisation(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column of vectors (n, d): two float32 arrays (d,).

    A hundredth of the mean variance is added to each variance: a feature that is nearly always 0
    in training cannot outweigh the others on the one photo that activates it.
    """
    variance = vectors.var(axis=0)
    return vectors.mean(axis=0), np.sqrt(variance + 0.01 * variance.mean() + 1e-12)


def standardise(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d), standardised by their own mean and standard deviation, float32."""
    mean, scale = standardisation(vectors)
    return np.asarray((vectors - mean) / scale, np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) with length 1 each, as Keras' UnitNormalization makes them, float32."""
    lengths = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def common_scale(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each column of vectors (n, d), and one common deviation, d times.

    In vectors of length 1, a column's own variance shows how much it matters, and is kept.
    """
    deviation = np.sqrt(vectors.var(axis=0).mean() + 1e-12)
    return vectors.mean(axis=0), np.full(vectors.shape[1], deviation, np.float32)
