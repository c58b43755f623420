"""Divides rows and images into folds for cross-validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transfer.data.dataset import Dataset
from transfer.data.split import SplitOptions, assign_splits
from transfer.data.stratify import stratify
from transfer.errors import DataError, option

FOLDS = 5


def folds_from_scratch(dataset: Dataset, options: SplitOptions) -> list[Dataset]:
    """Return the images once per fold of `make_folds`, for networks trained from scratch.

    Args:
        dataset: The images; their own splits are ignored.
        options: ``val`` is the share of the images outside a fold by which the best epoch is
            chosen.

    Returns:
        In each, the fold's images are ``test``, the others ``train`` or ``val``.

    Raises:
        DataError: A class has fewer than three images that are not near duplicates.
    """
    folder = dataset.images
    labels, keys = np.array(folder.labels), dataset.group_numbers()
    for label in np.unique(labels):
        if (count := len(np.unique(keys[labels == label]))) < 3:
            raise DataError(
                f"Class {folder.classes[label]!r} has {count} different image(s) (near duplicates,"
                f" and those of one {option('group_by')} group, count as one); a network from"
                " scratch needs at least 3: one each for training, choosing the epoch and"
                " evaluation. Add images, or compare without it."
            )
    whole = replace(options, test=0.0, dedupe=False)
    folds = []
    for _, held in make_folds(labels, keys, options.seed):
        splits = np.where(np.isin(np.arange(len(labels)), held), "test", "").tolist()
        own = folder.with_splits(splits)
        divided = assign_splits(own, dataset.sha256, dataset.groups, whole)
        folds.append(replace(dataset, images=divided, leaks={}))
    return folds


def make_folds(
    labels: np.ndarray, groups: np.ndarray | None, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the training rows and the held-out rows of each of five folds, or fewer.

    Every class is on both sides of every fold: there are no more folds than the smallest class
    has groups.

    Args:
        labels: int64 array of shape (n,).
        groups: array of shape (n,), see `deal`; None where each row is its own.
        seed: Another seed gives other folds.

    Returns:
        Pairs of int64 arrays, or nothing where a class has a single row (or group).
    """
    own = np.arange(len(labels)) if groups is None else groups
    count = min(FOLDS, *(len(np.unique(own[labels == label])) for label in np.unique(labels)))
    if count < 2:
        return []
    fold = deal(labels, own, count, seed)
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(count)]


def make_folds_of_sets(
    targets: np.ndarray, groups: np.ndarray | None, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return five folds, or fewer, as `make_folds`, where rows are of several classes each.

    Args:
        targets: array (n, classes) of 0 and 1.
        groups: array of shape (n,): rows with the same entry stay in one fold; None where each row
            is its own.
        seed: Another seed gives other folds.

    Returns:
        Pairs of int64 arrays, or nothing where there is a single group.
    """
    own = np.arange(len(targets)) if groups is None else groups
    keys, group = np.unique(own, return_inverse=True)
    count = min(FOLDS, len(keys))
    if count < 2:
        return []
    counts = np.zeros((len(keys), targets.shape[1] + 1))
    np.add.at(counts, group, np.column_stack([targets, np.ones(len(targets))]))
    order = np.random.default_rng(seed).permutation(len(keys))
    fold = stratify(counts[:, :-1], counts[:, -1], [1 / count] * count, order)[group]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(count)]


def deal(labels: np.ndarray, groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the fold of each row: int64 array of shape (n,), 0..count-1.

    The groups of each class are shuffled and dealt like cards, so that every fold has about the
    same share of every class. A group with several labels is dealt with those of its first row.
    scikit-learn's StratifiedGroupKFold balances rows instead of groups, and takes seconds for
    thousands of groups.

    Args:
        labels: int64 array of shape (n,).
        groups: array of shape (n,); rows with the same entry go into the same fold.
        count: Number of folds, 2 or more.
        seed: Another seed gives other folds.
    """
    _, first, own = np.unique(groups, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(labels[first[order]], kind="stable")]  # class by class
    folds = np.empty(len(first), np.int64)
    folds[order] = np.arange(len(first)) % count
    return np.asarray(folds[own])


def check_folds(dataset: Dataset, count: int) -> None:
    """Raise DataError where the training and validation images are too few for `count` folds."""
    known = dataset.keep([split != "test" for split in dataset.images.splits])
    own, labels = known.group_numbers(), np.array(known.images.labels)
    for label in np.unique(labels):
        if len(set(own[labels == label])) < 2:
            raise DataError(
                f"Class {known.images.classes[label]!r} has fewer than 2 different images; need 2"
                f" to cross-validate. Add some, or leave {option('folds')} out."
            )
    needed, different = max(count, 4), len(set(own))  # 4: the rest of each fold is divided again
    if different < needed:
        raise DataError(
            f"Expected at least {needed} different images (or groups) for {count} folds."
            f" Received: {different}. Lower {option('folds')}, or leave it out."
        )
