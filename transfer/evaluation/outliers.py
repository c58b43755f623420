"""Images unlike the rest of their class."""

from __future__ import annotations

import numpy as np

from transfer.statistics.scaling import unit

NEIGHBOURS = 20  # of the same class, from which outliers are far
MOST_COMPARED = 2000  # images of a class that are searched for them


def outlier_scores(vectors: np.ndarray, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return each image's mean cosine distance to the 20 nearest images of its class.

    Args:
        vectors: float32 array of shape (n, d).
        labels: int64 array of shape (n,).
        seed: Seed of the sample where a class has more than 2,000 images to compare with.

    Returns:
        float32 array of shape (n,), 0..2; 0 for an image that is alone in its class.
    """
    directions = unit(vectors)
    scores = np.zeros(len(labels), np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        compared = rows
        if len(rows) > MOST_COMPARED:
            compared = np.random.default_rng(seed).choice(rows, MOST_COMPARED, replace=False)
        count = min(NEIGHBOURS, len(compared) - 1)
        if count < 1:
            continue
        for part in np.array_split(rows, -(-len(rows) // MOST_COMPARED)):
            similarity = directions[part] @ directions[compared].T
            similarity[part[:, None] == compared] = -2.0  # itself
            scores[part] = 1 - np.partition(similarity, -count, axis=1)[:, -count:].mean(axis=1)
    return scores
