"""Multinomial logistic regression on vectors: solved, its regularisation chosen by itself.

A linear head on frozen features is a convex problem. It has one best answer, which L-BFGS finds in
seconds, without a learning rate, epochs or early stopping.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

FOLDS = 5
# C of one row, times the number of rows: what suits n photos suits n photos and their views.
STRENGTHS = 10.0 ** np.arange(-2.0, 4.1, 0.5)
START = 7  # the middle: 30
ABSENT = -20.0  # logit of a class that has no image


@dataclass(frozen=True)
class CrossValidated:
    """What cross-validation found out.

    Attributes:
        strength: The best C of scikit-learn's LogisticRegression, times the number of rows.
        probabilities: float32 array of shape (n, classes): for each row, by a model that has not
            seen it.
        loss: Mean of -log p of the given label.
        accuracy: Share of rows whose most probable class is the given label, 0..1.
    """

    strength: float
    probabilities: np.ndarray
    loss: float
    accuracy: float


def cross_validate(
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> CrossValidated | None:
    """Choose how strongly to regularise, by stratified cross-validation in five folds.

    The loss is a smooth function of C with one valley: the search walks downhill over half
    decades from the middle, each model starting from its neighbour's solution.

    Args:
        vectors: float32 array of shape (n, d), standardised.
        labels: int64 array of shape (n,), 0..classes-1.
        classes: Number of classes; not all need have rows.
        weights: Weight in the loss of each row, or None for 1.
        groups: Rows with the same entry stay in one fold; None where each is its own.
        seed: Seed of the folds.

    Returns:
        The result, or None where a class has a single row (or group), so that there are no folds.
    """
    folds = list(_folds(labels, groups, seed))
    if not folds:
        return None
    models = [_model() for _ in folds]
    tried: dict[int, CrossValidated] = {}

    def loss_at(place: int) -> float:
        if not 0 <= place < len(STRENGTHS):
            return np.inf
        if place not in tried:
            strength = float(STRENGTHS[place])
            found = np.empty((len(labels), classes), np.float32)
            for model, (seen, held) in zip(models, folds, strict=True):
                _fit(model, vectors[seen], labels[seen], _part(weights, seen), strength)
                found[held] = softmax(
                    vectors[held] @ _kernel(model, classes) + _bias(model, classes)
                )
            tried[place] = _judge(strength, found, labels, weights)
        return tried[place].loss

    place = START
    step = -1 if loss_at(place - 1) < loss_at(place) else 1
    while loss_at(place + step) < loss_at(place):
        place += step
    return tried[place]


def solve(
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    strength: float,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel (d, classes) and bias (classes,) of the best linear head, float32.

    Args:
        vectors: float32 array of shape (n, d), standardised.
        labels: int64 array of shape (n,), 0..classes-1, of at least two classes.
        classes: Number of classes. The bias of a class without rows is far below the others.
        strength: See `CrossValidated`.
        weights: Weight in the loss of each row, or None for 1.
    """
    model = _model(tolerance=1e-4)
    _fit(model, vectors, labels, weights, strength)
    return _kernel(model, classes), _bias(model, classes)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (n, classes) of logits of that shape."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _folds(
    labels: np.ndarray, groups: np.ndarray | None, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if groups is not None and len(np.unique(groups)) == len(groups):
        groups = None  # the same, and faster
    sizes = [
        np.count_nonzero(labels == label) if groups is None else len(set(groups[labels == label]))
        for label in np.unique(labels)
    ]
    count = min(FOLDS, *sizes)
    if count < 2:
        return iter(())
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    return iter(kind(count, shuffle=True, random_state=seed).split(labels, labels, groups))


def _model(tolerance: float = 1e-3) -> LogisticRegression:
    return LogisticRegression(tol=tolerance, max_iter=500, warm_start=True)


def _fit(
    model: LogisticRegression,
    vectors: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None,
    strength: float,
) -> None:
    model.set_params(C=strength / len(labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near the minimum is good enough
        model.fit(vectors, labels, weights)


def _part(weights: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if weights is None else weights[rows]


def _kernel(model: LogisticRegression, classes: int) -> np.ndarray:
    kernel = np.zeros((model.coef_.shape[1], classes), np.float32)
    rows = model.coef_
    kernel[:, model.classes_] = (np.concatenate([-rows, rows]) / 2 if len(rows) == 1 else rows).T
    return kernel


def _bias(model: LogisticRegression, classes: int) -> np.ndarray:
    bias = np.full(classes, ABSENT, np.float32)
    values = model.intercept_
    two = len(values) == 1  # scikit-learn's binary model has one logit: that of the second class
    bias[model.classes_] = np.concatenate([-values, values]) / 2 if two else values
    return bias


def _judge(
    strength: float, probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None
) -> CrossValidated:
    given = probabilities[np.arange(len(labels)), labels]
    loss = float(np.average(-np.log(np.maximum(given, 1e-12)), weights=weights))
    accuracy = float(np.mean(probabilities.argmax(axis=1) == labels))
    return CrossValidated(strength, probabilities, loss, accuracy)
