"""A linear head for several classes: the optimum of one logistic regression for each."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from transfer.images.labels import number_sets, target_table
from transfer.statistics.metrics import sigmoid
from transfer.training.head.logistic import ABSENT, cross_validate, solve


def sample(n: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors (n, 8), labels and their table (labels, 4)."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n, 8)).astype(np.float32)
    targets = vectors @ rng.normal(size=(8, 4)) + 0.5 * rng.normal(size=(n, 4)) > 0.4
    labels, sets = number_sets(map(np.flatnonzero, targets))
    return vectors, np.array(labels), target_table(4, sets)


def test_the_solution_is_that_of_scikit_learn() -> None:
    vectors, labels, table = sample()
    kernel, bias = solve(vectors, labels, 4, strength=30.0, table=table)
    targets = table[labels]
    for number in range(4):
        model = LogisticRegression(C=30.0 / len(vectors), tol=1e-8, max_iter=1000)
        model.fit(vectors, targets[:, number])
        np.testing.assert_allclose(kernel[:, number], model.coef_[0], atol=5e-3)
        assert bias[number] == pytest.approx(model.intercept_[0], abs=5e-3)


def test_classes_that_no_row_or_every_row_is_of() -> None:
    vectors, labels, table = sample()
    table = table.copy()
    table[:, 0], table[:, 1] = 0.0, 1.0
    kernel, bias = solve(vectors, labels, 4, strength=30.0, table=table)
    assert bias[0] == ABSENT
    assert bias[1] == -ABSENT
    probabilities = sigmoid(vectors @ kernel + bias)
    assert probabilities[:, 0].max() < 1e-3
    assert probabilities[:, 1].min() > 1 - 1e-3


def test_probabilities_out_of_fold_tell_the_classes_apart() -> None:
    vectors, labels, table = sample()
    found = cross_validate(vectors, labels, 4, table=table)
    assert found is not None
    right = (found.probabilities > 0.5) == (table[labels] > 0.5)
    assert right.mean() > 0.85
    shuffled = np.random.default_rng(1).permutation(labels)
    chance = cross_validate(vectors, shuffled, 4, table=table)
    assert chance is not None
    assert chance.loss > found.loss + 0.2
