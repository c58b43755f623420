"""Multinomial logistic regression on vectors, solved, with its regularisation cross-validated.

A linear head on frozen features is a convex problem with one optimum, which L-BFGS finds in
seconds, without a learning rate, epochs or early stopping. Where an image may be of several
classes, it is one binary logistic regression for each class, with the same regularisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from transfer.data.folds import make_folds, make_folds_of_sets
from transfer.statistics.metrics import losses, sigmoid, softmax
from transfer.statistics.multilabel import score_sets

# scikit-learn's C times the number of rows: one value suits n photos with or without their views.
STRENGTHS = 10.0 ** np.arange(-2.0, 4.1, 0.5)
START = 7  # the middle: 30
ABSENT = -20.0  # logit of a class that has no image


@dataclass(frozen=True)
class CrossValidated:
    """The outcome of a cross-validation.

    Attributes:
        strength: The best of `STRENGTHS`: the larger, the less regularised.
        probabilities: float32 array of shape (n, classes): the out-of-fold
            predictions.
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
    table: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> CrossValidated | None:
    """Choose how strongly to regularise, by stratified cross-validation in five folds.

    The loss is a smooth function of C with one minimum: the search descends in half decades from
    the middle, and each model starts from its neighbour's solution.

    Args:
        vectors: float32 array of shape (n, d), standardised.
        labels: int64 array of shape (n,), 0..classes-1; with `table`, indices into it.
        classes: Number of classes; some may have no rows.
        table: float32 array (labels, classes) of 0 and 1, where a row may be of several classes.
        weights: Weight of each row in the loss; None for 1.
        groups: Rows with the same entry stay in one fold; None where each is its own.
        seed: Seed of the folds.

    Returns:
        The result, or None where a class has a single row (or group) and so cannot be folded.
    """
    targets = None if table is None else table[labels]
    if targets is None:
        folds = make_folds(labels, groups, seed)
    else:
        folds = make_folds_of_sets(targets, groups, seed)
    if not folds:
        return None
    solutions: list[np.ndarray | None] = [None] * len(folds)
    tried: dict[int, CrossValidated] = {}

    def loss_at(place: int) -> float:
        if not 0 <= place < len(STRENGTHS):
            return np.inf
        if place not in tried:
            strength = float(STRENGTHS[place])
            predicted = np.empty((len(labels), classes), np.float32)
            for number, (seen, held) in enumerate(folds):
                part = None if weights is None else weights[seen]
                problem = _Problem(vectors[seen], labels[seen], classes, part, table)
                solution = _minimise(problem, strength, 1e-3, solutions[number])
                solutions[number] = solution
                predicted[held] = problem.link(vectors[held] @ solution[:-1] + solution[-1])
            if targets is None:
                tried[place] = _evaluate(strength, predicted, labels, weights)
            else:
                figures = score_sets(predicted, targets)
                loss, accuracy = figures["loss"], figures["accuracy"]
                tried[place] = CrossValidated(strength, predicted, loss, accuracy)
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
    table: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel (d, classes) and bias (classes,) of the best linear head, float32.

    They minimise the weighted sum over the rows of -log p of the given label, plus the sum of the
    kernel's squares times n / (2 strength).

    Args:
        vectors: float32 array of shape (n, d), standardised.
        labels: int64 array of shape (n,), 0..classes-1.
        classes: Number of classes. The bias of a class without rows is far below the others.
        strength: See `CrossValidated`.
        weights: Weight of each row in the loss; None for 1.
        table: As in `cross_validate`: then the loss is the binary cross-entropy, summed over the
            classes.
    """
    problem = _Problem(vectors, labels, classes, weights, table)
    solution = _minimise(problem, strength, 1e-4)
    return solution[:-1], solution[-1]


@dataclass(frozen=True)
class _Problem:
    """The data that a head is fitted to; see `solve`."""

    vectors: np.ndarray
    labels: np.ndarray
    classes: int
    weights: np.ndarray | None
    table: np.ndarray | None = None

    @property
    def targets(self) -> np.ndarray:
        """float32 array of shape (n, classes)."""
        table = np.eye(self.classes, dtype=np.float32) if self.table is None else self.table
        return np.asarray(table[self.labels])

    def link(self, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities of logits (m, classes)."""
        return softmax(logits) if self.table is None else sigmoid(logits)

    def surprise(self, probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return -log p of what each row is, float array (n,)."""
        # Here the clip only keeps the logarithm finite; a larger one would distort the objective.
        if self.table is None:
            given = np.einsum("ij,ij->i", probabilities, targets)
            return np.asarray(-np.log(np.maximum(given, 1e-30)))
        given = np.where(targets > 0.5, probabilities, 1 - probabilities)
        return np.asarray(-np.log(np.maximum(given, 1e-30)).sum(axis=1))


def _minimise(
    problem: _Problem, strength: float, tolerance: float, start: np.ndarray | None = None
) -> np.ndarray:
    """Return kernel and, as its last row, bias: float32 array of shape (d + 1, classes).

    Means over the rows are minimised: one tolerance (of the gradient's largest entry) then suits
    any number of rows.
    """
    vectors, classes = problem.vectors, problem.classes
    count, width = vectors.shape
    targets = problem.targets
    weights = np.ones(count) if problem.weights is None else problem.weights
    share = weights.astype(np.float32) / count
    absent = targets.sum(axis=0) == 0
    always = (targets.sum(axis=0) == count) & (problem.table is not None)
    if start is None:
        start = np.zeros((width + 1, classes), np.float32)
        start[-1, absent], start[-1, always] = ABSENT, -ABSENT

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        solution = flat.reshape(width + 1, classes).astype(np.float32)
        kernel = solution[:-1]
        probabilities = problem.link(vectors @ kernel + solution[-1])
        value = (share * problem.surprise(probabilities, targets)).sum(dtype=np.float64)
        value += (kernel**2).sum(dtype=np.float64) / (2 * strength)
        error = (probabilities - targets) * share[:, None]
        gradient = np.empty_like(solution)
        gradient[:-1] = vectors.T @ error + kernel / np.float32(strength)
        gradient[-1] = np.where(absent | always, 0, error.sum(axis=0))
        return value, gradient.ravel().astype(np.float64)

    options = {"gtol": tolerance, "ftol": 1e-7, "maxiter": 500}
    result = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(result.x.reshape(width + 1, classes), np.float32)


def _evaluate(
    strength: float, probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None
) -> CrossValidated:
    loss = float(np.average(losses(probabilities, labels), weights=weights))
    accuracy = float(np.mean(probabilities.argmax(axis=1) == labels))
    return CrossValidated(strength, probabilities, loss, accuracy)
