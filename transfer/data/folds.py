"""Divides rows and images into folds for cross-validation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transfer.data.dataset import Dataset
from transfer.data.groups import number_groups
from transfer.data.split import SplitOptions, split_images
from transfer.errors import DataError
from transfer.images.folder import ImageFolder

FOLDS = 5


def split_for_scratch(dataset: Dataset, *, val: float, seed: int) -> list[Dataset]:
    """Split images for networks that are trained as a whole, once per fold of `make_folds`.

    Args:
        dataset: The images; their own splits are ignored. Groups are never divided.
        val: Share of the images outside a fold on which the best epoch is chosen.
        seed: Another seed gives another choice.

    Returns:
        The dataset once per fold: the fold's images are ``test``, the others ``train`` or ``val``.

    Raises:
        DataError: A class has fewer than three images that are not near duplicates.
    """
    labels, keys = dataset.labels, dataset.group_numbers()
    for label in np.unique(labels):
        if (count := len(np.unique(keys[labels == label]))) < 3:
            raise DataError(
                f"Class {dataset.classes[label]!r} has {count} different image(s) (near"
                " duplicates, and images of one --group-by group, count as one). A network from"
                " scratch needs at least 3: one to train on, one to choose the epoch, one to"
                " evaluate on. Add images, or compare without it."
            )
    folds = []
    for _, held in make_folds(labels, keys, seed):
        splits = np.where(np.isin(np.arange(len(labels)), held), "test", "").tolist()
        images = dataset.images.with_splits(splits)
        options = SplitOptions(val=val, seed=seed)
        images = split_images(images, dataset.sha256, dataset.groups, options)
        folds.append(Dataset(images, dataset.sha256, dataset.groups).with_images(images))
    return folds


def divide(
    folder: ImageFolder,
    sha256: Mapping[str, str],
    groups: Mapping[str, str],
    *,
    val: float,
    seed: int,
) -> list[ImageFolder]:
    """Call `split_for_scratch` without a Dataset, for callers that are still to change."""
    folds = split_for_scratch(Dataset(folder, sha256, groups), val=val, seed=seed)
    return [fold.images for fold in folds]


def make_folds(
    labels: np.ndarray, groups: np.ndarray | None, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each of five folds, or fewer, the rows to learn from and those to be judged.

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
