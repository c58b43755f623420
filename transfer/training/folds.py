"""Divides rows into folds for cross-validation."""

from __future__ import annotations

import numpy as np

FOLDS = 5


def deal(labels: np.ndarray, groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the fold of each row: int64 array of shape (n,), 0..count-1.

    The groups of each class are shuffled and dealt like cards, so that every fold has about the
    same share of every class. A group with several labels is dealt with those of its first row.
    scikit-learn's StratifiedGroupKFold balances rows instead of groups, and takes seconds for
    thousands of groups.

    Args:
        labels: int64 array of shape (n,).
        groups: array of shape (n,); rows with the same entry come into the same fold.
        count: Number of folds, 2 or more.
        seed: Another seed gives other folds.
    """
    _, first, own = np.unique(groups, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(labels[first[order]], kind="stable")]  # class by class
    folds = np.empty(len(first), np.int64)
    folds[order] = np.arange(len(first)) % count
    return np.asarray(folds[own])
