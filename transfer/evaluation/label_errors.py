"""Finds labels that the other images contradict.

Each image is classified without itself: by a linear discriminant on the feature vectors of other
folds, and by its nearest neighbours. The probability that both give its label ranks the candidates;
confident learning counts them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.evaluation.out_of_fold import neighbour_shares, predict_out_of_fold
from transfer.evaluation.outliers import outlier_scores
from transfer.runs.info import LabelErrors
from transfer.system.csv import write_csv

MOST_LISTED, MOST_OUTLIERS = 500, 100  # rows of the files
RELIABLE = 0.7  # least skill of a model that can judge labels, see `count_label_errors`


@dataclass(frozen=True)
class LabelledVectors:
    """Labelled images as feature vectors.

    Attributes:
        vectors: float32 array of shape (n, d).
        labels: int64 array of shape (n,), indices into `classes`.
        paths: n paths, relative to the data folder.
        classes: Class names.
        groups: int64 array of shape (n,): images with the same entry, such as copies, are judged
            together.
    """

    vectors: np.ndarray
    labels: np.ndarray
    paths: Sequence[str]
    classes: Sequence[str]
    groups: np.ndarray


@dataclass(frozen=True)
class Candidates:
    """What out-of-fold probabilities say about n labels.

    Attributes:
        rows: int64 array of the images predicted as another class, the most certain first.
        suggested: int64 array of shape (n,): each image's most probable class.
        scores: float32 array of shape (n,): probability of the given label, 0..1.
        likely: About how many labels are wrong: most probably the first `likely` of `rows`.
    """

    rows: np.ndarray
    suggested: np.ndarray
    scores: np.ndarray
    likely: int


def write_label_errors(
    directory: Path, images: LabelledVectors, seed: int = 0
) -> LabelErrors | None:
    """Write label_errors.csv and outliers.csv.

    Args:
        directory: Where the files go.
        images: Training and validation images.
        seed: Seed of the folds and samples.

    Returns:
        How many labels are probably wrong; None, and no files, for fewer than three images per
        class on average.
    """
    vectors, labels, classes = images.vectors, images.labels, images.classes
    if len(labels) < 3 * len(classes):
        return None
    count, groups = len(classes), images.groups
    probabilities = predict_out_of_fold(vectors, labels, count, groups=groups, seed=seed)
    probabilities += neighbour_shares(vectors, labels, count, groups=groups, seed=seed)
    probabilities /= 2
    candidates = find_label_errors(probabilities, labels)
    write_csv(
        directory / "label_errors.csv",
        ["path", "given", "suggested", "score"],
        [
            [
                images.paths[i],
                classes[labels[i]],
                classes[candidates.suggested[i]],
                f"{candidates.scores[i]:.4g}",
            ]
            for i in candidates.rows[:MOST_LISTED]
        ],
    )
    distances = outlier_scores(vectors, labels, seed)
    write_csv(
        directory / "outliers.csv",
        ["path", "label", "distance"],
        [
            [images.paths[i], classes[labels[i]], f"{distances[i]:.4g}"]
            for i in np.argsort(-distances, kind="stable")[:MOST_OUTLIERS]
        ],
    )
    return count_label_errors(candidates, probabilities, labels)


def find_label_errors(probabilities: np.ndarray, labels: np.ndarray) -> Candidates:
    """Rank labels by their probability under a model that was not fitted to them.

    The ranking is by self-confidence. The number of wrong labels is the sum off the diagonal of
    the confident joint (Northcutt, Jiang and Chuang 2021, https://arxiv.org/abs/1911.00068): images
    whose probability of another class is at least the mean of that class's own images.

    Args:
        probabilities: float array of shape (n, classes), out of fold; a row of NaN is not judged.
        labels: int64 array of shape (n,), the given labels.
    """
    judged = np.isfinite(probabilities).all(axis=1)
    known = np.where(judged[:, None], probabilities, 0.0)
    suggested = np.where(judged, known.argmax(axis=1), labels)
    scores = np.where(judged, known[np.arange(len(labels)), labels], 1.0).astype(np.float32)
    thresholds = [
        scores[judged & (labels == label)].mean() if (judged & (labels == label)).any() else np.inf
        for label in range(probabilities.shape[1])
    ]
    confident = np.where(known >= np.array(thresholds), known, 0.0)
    sure = judged & confident.any(axis=1)
    likely = int((sure & (confident.argmax(axis=1) != labels)).sum())
    contradicted = np.flatnonzero(suggested != labels)
    rows = contradicted[np.argsort(scores[contradicted], kind="stable")]
    return Candidates(rows, suggested, scores, min(likely, len(rows)))


def count_label_errors(
    candidates: Candidates, probabilities: np.ndarray, labels: np.ndarray
) -> LabelErrors:
    """Return how many labels are probably wrong, with an interval and whether it is reliable.

    A weak model's own mistakes look like label errors. Its skill is the share of the gap between
    the majority-class baseline and 1 that its out-of-fold accuracy closes. On images with correct
    labels (digits with and without noise, made-up classes, photos of ants, bees and flowers at 224,
    96 and 32 pixels), at most 1.2 (1 - skill)² of all labels are counted as wrong while the skill
    is 0.7 or more; that is a tenth at 0.7. At a skill of 0.1 to 0.4 a third to four fifths are.
    With 3 to 20 % of the labels of these sets changed, the changed ones never outnumber the images
    that are predicted as another class.

    Many label errors lower the skill, too: with one in five changed, a good model of two classes
    is called unreliable, though its count is about right.

    Args:
        candidates: From `find_label_errors`.
        probabilities: As there.
        labels: As there.
    """
    judged = np.isfinite(probabilities).all(axis=1)
    n, high = int(judged.sum()), len(candidates.rows)
    if n == 0:
        return LabelErrors(0, len(labels), 0, 0, 0.0, False)
    accuracy = 1 - high / n
    baseline = np.bincount(labels[judged]).max() / n
    skill = (accuracy - baseline) / (1 - baseline) if baseline < 1 else 0.0
    mistakes = 1.2 * (1 - skill) ** 2 * n
    low = max(0, candidates.likely - math.ceil(mistakes))
    return LabelErrors(
        candidates.likely, len(labels), low, high, float(accuracy), bool(skill >= RELIABLE)
    )
