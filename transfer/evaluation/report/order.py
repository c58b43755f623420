"""The order and the groups of classes in which confusions form blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transfer.runs.predictions import Predictions

MOST_IN_GROUP = 12
_MOST_ORDERED = 400  # classes; the optimal order of a tree takes time with their square


def similarity_order(predictions: Predictions) -> list[list[int]]:
    """Return the classes in groups, the similar ones next to each other.

    Two classes are as similar as the model's mean probabilities of the one on the images of the
    other. The order is that of the leaves of a tree of average linkage, turned so that neighbours
    are most similar (Z. Bar-Joseph, D. Gifford and T. Jaakkola, "Fast optimal leaf ordering for
    hierarchical clustering", Bioinformatics 17, 2001).

    Args:
        predictions: At least one image.

    Returns:
        Groups of at most 12 indices of classes. All classes are in one of them.
    """
    count = len(predictions.classes)
    if count <= 2 or count > _MOST_ORDERED:
        return [list(range(i, min(i + MOST_IN_GROUP, count))) for i in range(0, count, 12)]
    from scipy.cluster.hierarchy import linkage, optimal_leaf_ordering, to_tree
    from scipy.spatial.distance import squareform

    distances = squareform(_distances(predictions), checks=False)
    tree = optimal_leaf_ordering(linkage(distances, "average"), distances)
    parts = [[int(leaf) for leaf in part.pre_order()] for part in _branches(to_tree(tree))]
    return _joined(parts)


def _distances(predictions: Predictions) -> np.ndarray:
    """Return how unlike each two classes are, float64 (classes, classes), 0 on the diagonal."""
    count = len(predictions.classes)
    sums = np.zeros((count, count))
    np.add.at(sums, predictions.true, predictions.probabilities.astype(np.float64))
    support = np.bincount(predictions.true, minlength=count)
    mean = sums / np.maximum(support, 1)[:, None]
    distances = 1.0 - (mean + mean.T) / 2
    np.fill_diagonal(distances, 0.0)
    return np.maximum(distances, 0.0)


def _branches(tree: Any) -> list[Any]:
    """Return the largest branches of a tree that are groups, from left to right."""
    if tree.get_count() <= MOST_IN_GROUP:
        return [tree]
    return _branches(tree.get_left()) + _branches(tree.get_right())


def _joined(parts: Sequence[list[int]]) -> list[list[int]]:
    """Return neighbouring parts joined as far as they make a group."""
    groups: list[list[int]] = []
    for part in parts:
        if groups and len(groups[-1]) + len(part) <= MOST_IN_GROUP:
            groups[-1] = groups[-1] + part
        else:
            groups.append(part)
    return groups
