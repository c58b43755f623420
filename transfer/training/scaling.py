"""Vectors with mean 0 and deviation 1."""

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
