"""Divides rows into folds for cross-validation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transfer.errors import DataError
from transfer.images.folder import ImageFolder
from transfer.images.groups import number_groups

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


def check_folds(folder: ImageFolder, groups: Mapping[str, str], count: int) -> None:
    """Raise DataError where the images that are not test are too few for `count` folds.

    Args:
        folder: All images, each with its split.
        groups: Path to the key of its group, for every image.
        count: Number of folds.
    """
    known = folder.keep([split != "test" for split in folder.splits])
    own, labels = number_groups(groups, known.paths), np.array(known.labels)
    for label in np.unique(labels):
        if len(set(own[labels == label])) < 2:
            raise DataError(
                f"Class {folder.classes[label]!r} has fewer than 2 different images; need 2 to"
                " cross-validate. Add some, or leave --folds out."
            )
    needed, found = max(count, 4), len(set(own))  # 4: each fold's rest is divided once more
    if found < needed:
        raise DataError(
            f"Expected at least {needed} different images (or groups) for {count} folds."
            f" Received: {found}. Lower --folds, or leave it out."
        )
