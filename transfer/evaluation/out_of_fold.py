"""Class probabilities of images by models that were fitted without them."""

from __future__ import annotations

import numpy as np

from transfer.data.folds import FOLDS, deal
from transfer.statistics.metrics import losses, softmax
from transfer.statistics.scaling import standardise, unit

RIDGE = 0.3  # of the mean variance, added to each; .2 to 1 find about as many planted errors
ABSENT = -1e4  # logit of a class that a fold lacks
NEIGHBOURS = 10  # nearest images whose labels count
MOST_NEIGHBOURS = 10_000  # images that are searched for them
MOST_COMPARED = 2000  # images compared at a time


def predict_out_of_fold(
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Return each image's class probabilities by a linear discriminant fitted without it.

    Classes are modelled as normal distributions with equal priors and one covariance, shrunk
    towards a multiple of the identity. The closed-form solution takes the same time for any number
    of classes.

    Args:
        vectors: float32 array of shape (n, d).
        labels: int64 array of shape (n,), 0..classes-1.
        classes: Number of classes; not all need have images.
        groups: Images with the same entry, such as copies, are in the same fold; None where each
            image is its own group.
        seed: Seed of the five folds.

    Returns:
        float32 array of shape (n, classes). Rows are NaN for classes with fewer than five groups
        where larger classes exist, and everywhere where there are fewer than two classes.
    """
    probabilities = np.full((len(labels), classes), np.nan, np.float32)
    own = np.arange(len(labels)) if groups is None else groups
    sizes = np.array([len(set(own[labels == label])) for label in range(classes)])
    folds = min(FOLDS, int(sizes.max(initial=0)))
    known = np.flatnonzero(sizes >= folds)
    if folds < 2 or len(known) < 2:
        return probabilities
    rows = np.flatnonzero(np.isin(labels, known))
    x, y = standardise(vectors[rows]), np.searchsorted(known, labels[rows])
    scores = np.empty((len(rows), len(known)), np.float32)
    fold = deal(y, own[rows], folds, seed)
    for number in range(folds):
        seen, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        present = np.unique(y[seen])
        means = np.stack([x[seen[y[seen] == label]].mean(axis=0) for label in present])
        centred = x[seen] - means[np.searchsorted(present, y[seen])]
        covariance = centred.T @ centred / len(seen)
        covariance[np.diag_indices_from(covariance)] += RIDGE * np.trace(covariance) / x.shape[1]
        kernel = np.linalg.solve(covariance, means.T)
        logits = np.full((len(held), len(known)), ABSENT, np.float32)
        logits[:, present] = x[held] @ kernel - 0.5 * (means.T * kernel).sum(axis=0)
        scores[held] = logits
    probabilities[rows] = 0.0
    probabilities[np.ix_(rows, known)] = calibrate(scores, y)
    return probabilities


def neighbour_shares(
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Return the share of each class among an image's 10 nearest neighbours by cosine.

    Its mistakes differ from those of the discriminant: the mean of both ranks better than either.

    Args:
        vectors: float32 array of shape (n, d).
        labels: int64 array of shape (n,), 0..classes-1.
        classes: Number of classes.
        groups: Images with the same entry are not neighbours; None where each is its own group.
        seed: Seed of the choice where more than 10,000 images could vote.

    Returns:
        float32 array of shape (n, classes), rows sum to 1; NaN where there are no others.
    """
    directions = unit(vectors)
    own = np.arange(len(labels)) if groups is None else groups
    voters = np.arange(len(labels))
    if len(voters) > MOST_NEIGHBOURS:
        voters = np.random.default_rng(seed).choice(voters, MOST_NEIGHBOURS, replace=False)
    count = min(NEIGHBOURS, len(voters))
    shares = np.empty((len(labels), classes), np.float32)
    for part in np.array_split(np.arange(len(labels)), -(-len(labels) // MOST_COMPARED)):
        similarity = directions[part] @ directions[voters].T
        similarity[own[part][:, None] == own[voters]] = -np.inf
        nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        votes = np.isfinite(np.take_along_axis(similarity, nearest, axis=1))
        given = np.where(votes, labels[voters[nearest]], -1)
        counts = np.stack([(given == label).sum(axis=1) for label in range(classes)], 1)
        counted = votes.sum(axis=1, keepdims=True)
        shares[part] = counts / np.where(counted, counted, np.nan)
    return shares


def calibrate(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return probabilities (n, c): the softmax of logits at the temperature of lowest log loss.

    A discriminant in many dimensions is overconfident (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599).
    """
    best, lowest = logits, np.inf
    for temperature in np.geomspace(0.25, 64, 33):
        shares = softmax(logits / temperature)
        loss = losses(shares, labels).mean()
        if loss < lowest:
            best, lowest = shares, loss
    return best
