"""Labels that the other images contradict, and images unlike the rest of their class.

Each image is judged by a linear discriminant on its features that was fitted without it, and by
its nearest neighbours. What they say of the given label ranks the suspects; confident learning says
how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from transfer.data.folds import FOLDS, deal
from transfer.data.groups import number_groups
from transfer.features.extract import Features
from transfer.images.folder import ImageFolder
from transfer.runs.run import Run
from transfer.system.csv import write_csv
from transfer.training.head.logistic import softmax
from transfer.training.head.scaling import standardise, unit

RIDGE = 0.3  # of the mean variance, added to each; .2 to 1 find about as many planted errors
ABSENT = -1e4  # logit of a class that a fold lacks
VOTERS = 10  # nearest images that vote on a label
MOST_VOTERS = 10_000  # images among which these are looked for
NEIGHBOURS = 20  # of the same class, to which outliers are far
MOST_COMPARED = 2000  # images of a class among which these are looked for
MOST_SUSPECTS, MOST_OUTLIERS = 500, 100  # rows of the files


@dataclass(frozen=True)
class Suspects:
    """What out-of-sample probabilities say of n labels.

    Attributes:
        rows: int64 array of the images that seem to be of another class, the surest first.
        suggested: int64 array of shape (n,): each image's most probable class.
        scores: float32 array of shape (n,): probability of the given label, 0..1.
        likely: About how many labels are wrong; the first so many of `rows` are the likeliest.
    """

    rows: np.ndarray
    suggested: np.ndarray
    scores: np.ndarray
    likely: int


def find_suspects(probabilities: np.ndarray, labels: np.ndarray) -> Suspects:
    """Rank labels by how little a model that has not seen them believes in them.

    The ranking is that by self-confidence; the number of wrong labels is what lies beside the
    diagonal of the confident joint (Northcutt, Jiang and Chuang 2021,
    https://arxiv.org/abs/1911.00068): images whose probability of another class is at least what
    the images of that class have on average.

    Args:
        probabilities: float array of shape (n, classes), out of sample; a row of NaN is not
            judged.
        labels: int64 array of shape (n,), the given labels.
    """
    everything = np.arange(len(labels))
    judged = np.isfinite(probabilities).all(axis=1)
    believed = np.where(judged[:, None], probabilities, 0.0)
    suggested = np.where(judged, believed.argmax(axis=1), labels)
    scores = np.where(judged, believed[everything, labels], 1.0).astype(np.float32)
    thresholds = [
        scores[judged & (labels == label)].mean() if (judged & (labels == label)).any() else np.inf
        for label in range(probabilities.shape[1])
    ]
    confident = np.where(believed >= np.array(thresholds), believed, 0.0)
    sure = judged & confident.any(axis=1)
    likely = int((sure & (confident.argmax(axis=1) != labels)).sum())
    doubted = np.flatnonzero(suggested != labels)
    rows = doubted[np.argsort(scores[doubted], kind="stable")]
    return Suspects(rows, suggested, scores, min(likely, len(rows)))


def judge_out_of_fold(
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Return each image's class probabilities by a linear discriminant fitted without it.

    The classes are taken for normal distributions with one covariance, which is shrunk towards a
    multiple of the identity, and equal priors. It is solved in closed form: its time does not
    depend on the number of classes.

    Args:
        vectors: float32 array of shape (n, d).
        labels: int64 array of shape (n,), 0..classes-1.
        classes: Number of classes; not all need have images.
        groups: Images with the same entry, copies for example, are judged together; None where
            each is its own.
        seed: Seed of the five folds.

    Returns:
        float32 array of shape (n, classes). Rows are NaN for classes of which fewer than five
        groups stand beside larger classes, and everywhere where there are not two classes to tell
        apart.
    """
    found = np.full((len(labels), classes), np.nan, np.float32)
    own = np.arange(len(labels)) if groups is None else groups
    sizes = np.array([len(set(own[labels == label])) for label in range(classes)])
    folds = min(FOLDS, int(sizes.max(initial=0)))
    known = np.flatnonzero(sizes >= folds)
    if folds < 2 or len(known) < 2:
        return found
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
    found[rows] = 0.0
    found[np.ix_(rows, known)] = calibrate(scores, y)
    return found


def vote(
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Return the share of each class among an image's 10 nearest others by cosine.

    It errs elsewhere than the discriminant: the mean of both ranks better than either.

    Args:
        vectors: float32 array of shape (n, d).
        labels: int64 array of shape (n,), 0..classes-1.
        classes: Number of classes.
        groups: Images with the same entry have no vote on each other; None where each is its own.
        seed: Seed of the choice where more than 10,000 images could vote.

    Returns:
        float32 array of shape (n, classes), rows sum to 1; NaN where there are no others.
    """
    directed = unit(vectors)
    own = np.arange(len(labels)) if groups is None else groups
    voters = np.arange(len(labels))
    if len(voters) > MOST_VOTERS:
        voters = np.random.default_rng(seed).choice(voters, MOST_VOTERS, replace=False)
    count = min(VOTERS, len(voters))
    shares = np.empty((len(labels), classes), np.float32)
    for part in np.array_split(np.arange(len(labels)), -(-len(labels) // MOST_COMPARED)):
        likeness = directed[part] @ directed[voters].T
        likeness[own[part][:, None] == own[voters]] = -np.inf
        nearest = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
        votes = np.isfinite(np.take_along_axis(likeness, nearest, axis=1))
        given = np.where(votes, labels[voters[nearest]], -1)
        found = np.stack([(given == label).sum(axis=1) for label in range(classes)], 1)
        counted = votes.sum(axis=1, keepdims=True)
        shares[part] = found / np.where(counted, counted, np.nan)
    return shares


def calibrate(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return probabilities (n, c): the logits' softmax at the temperature of the lowest log loss.

    A discriminant on many dimensions is far too sure of itself (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599).
    """
    given = np.arange(len(labels)), labels
    best, lowest = logits, np.inf
    for temperature in np.geomspace(0.25, 64, 33):
        shares = softmax(logits / temperature)
        loss = -np.log(np.maximum(shares[given], 1e-12)).mean()
        if loss < lowest:
            best, lowest = shares, loss
    return best


def outliers(vectors: np.ndarray, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return how far each image is from its class: mean cosine distance to the 20 nearest of it.

    Args:
        vectors: float32 array of shape (n, d).
        labels: int64 array of shape (n,).
        seed: Seed of the choice where a class has more than 2,000 images to compare with.

    Returns:
        float32 array of shape (n,), 0..2; 0 for an image that is alone in its class.
    """
    directed = unit(vectors)
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
            likeness = directed[part] @ directed[compared].T
            likeness[part[:, None] == compared] = -2.0  # itself
            scores[part] = 1 - np.partition(likeness, -count, axis=1)[:, -count:].mean(axis=1)
    return scores


def write_suspects(
    run: Run,
    sides: tuple[ImageFolder, ImageFolder],
    features: tuple[Features, Features],
    channels: int,
    groups: Mapping[str, str],
) -> None:
    """Write suspects.csv and outliers.csv of the training and validation images into the run.

    Nothing is written for fewer training images than two per class.

    Args:
        run: The run; its run.json says how many suspects there are.
        sides: Training and validation images.
        features: Of both. Views of an image are averaged.
        channels: Of the network's feature map; vectors that are longer are averaged to that.
        groups: Path to the key of its group: copies and the like are judged together.
    """
    classes = sides[0].classes
    if len(sides[0]) < 2 * len(classes):
        return
    vectors = np.concatenate([average(each, channels) for each in features])
    labels = np.array([label for side in sides for label in side.labels])
    paths = [path for side in sides for path in side.paths]
    own = number_groups(groups, paths)
    seed = run.recipe.seed
    judged = judge_out_of_fold(vectors, labels, len(classes), groups=own, seed=seed)
    judged += vote(vectors, labels, len(classes), groups=own, seed=seed)
    suspects = find_suspects(judged / 2, labels)
    distances = outliers(vectors, labels, seed)
    write_csv(
        run.path / "suspects.csv",
        ["path", "given", "suggested", "score"],
        [
            [
                paths[i],
                classes[labels[i]],
                classes[suspects.suggested[i]],
                _number(suspects.scores[i]),
            ]
            for i in suspects.rows[:MOST_SUSPECTS]
        ],
    )
    write_csv(
        run.path / "outliers.csv",
        ["path", "label", "distance"],
        [
            [paths[i], classes[labels[i]], _number(distances[i])]
            for i in np.argsort(-distances, kind="stable")[:MOST_OUTLIERS]
        ],
    )
    run.update_info(suspects={"likely": suspects.likely, "images": len(labels)})


def average(features: Features, channels: int) -> np.ndarray:
    """Return one vector per image, float32 (n, channels): the mean over views and positions."""
    shape = (features.views, len(features), -1, channels)
    return np.asarray(features.vectors.reshape(shape).mean(axis=(0, 2)), np.float32)


def _number(value: float) -> str:
    return f"{value:.4g}"
