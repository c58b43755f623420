from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from transfer.data.folds import make_folds
from transfer.statistics.metrics import softmax
from transfer.training.head.logistic import ABSENT, STRENGTHS, cross_validate, solve


def blobs(classes: int = 3, per_class: int = 30, spread: float = 1.5, seed: int = 0):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class)
    centres = rng.normal(size=(classes, 10))
    vectors = centres[labels] + rng.normal(0, spread, (len(labels), 10))
    return ((vectors - vectors.mean(0)) / vectors.std(0)).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_solution_is_the_minimum_of_the_regularised_loss(classes: int) -> None:
    vectors, labels = blobs(classes)
    kernel, bias = solve(vectors, labels, classes, strength=30.0)
    c = 30.0 / len(labels) * (2 if classes == 2 else 1)  # with two, scikit-learn has one kernel
    model = LogisticRegression(C=c, tol=1e-6, max_iter=5000).fit(vectors, labels)
    np.testing.assert_allclose(
        softmax(vectors @ kernel + bias), model.predict_proba(vectors), atol=5e-3
    )
    assert kernel.shape == (10, classes)
    assert kernel.dtype == bias.dtype == np.float32


def test_a_class_without_rows_is_never_predicted() -> None:
    vectors, labels = blobs(3)
    labels = np.where(labels == 2, 3, labels)  # of four classes the third has none
    kernel, bias = solve(vectors, labels, 4, strength=30.0)
    assert bias[2] == ABSENT
    logits = vectors @ kernel + bias
    assert set(logits.argmax(axis=1)) == {0, 1, 3}
    found = cross_validate(vectors, labels, 4)
    assert found is not None
    assert found.probabilities.shape == (90, 4)


def test_the_strength_is_the_best_of_all_that_could_be_tried() -> None:
    vectors, labels = blobs(spread=3.0)
    found = cross_validate(vectors, labels, 3)
    assert found is not None
    folds = make_folds(labels, None, 0)

    def loss(strength: float) -> float:
        total = 0.0
        for seen, held in folds:
            kernel, bias = solve(vectors[seen], labels[seen], 3, strength)
            p = softmax(vectors[held] @ kernel + bias)
            total -= np.log(p[np.arange(len(held)), labels[held]]).sum()
        return total / len(labels)

    losses = [loss(strength) for strength in STRENGTHS]
    assert found.strength == STRENGTHS[int(np.argmin(losses))]
    assert found.loss == pytest.approx(min(losses), abs=2e-3)


def test_rows_are_judged_by_models_that_have_not_seen_them() -> None:
    _, labels = blobs(per_class=20)
    shuffled = np.random.default_rng(1).permutation(labels)  # nothing to learn
    wide = np.random.default_rng(2).normal(size=(60, 200)).astype(np.float32)
    found = cross_validate(wide, shuffled, 3)
    assert found is not None
    assert found.accuracy < 0.6
    kernel, bias = solve(wide, shuffled, 3, 1e4)
    assert ((wide @ kernel + bias).argmax(1) == shuffled).all()  # though it can be memorised


def test_groups_stay_in_one_fold() -> None:
    rng = np.random.default_rng(0)
    twins = np.repeat(rng.normal(size=(40, 50)), 2, axis=0).astype(np.float32)
    labels = np.repeat(rng.integers(0, 2, 40), 2)  # random, but the same for twins
    groups = np.repeat(np.arange(40), 2)
    apart, together = (cross_validate(twins, labels, 2, groups=g) for g in (None, groups))
    assert apart is not None
    assert together is not None
    assert apart.accuracy > together.accuracy + 0.2


def test_no_folds_for_a_class_of_one() -> None:
    vectors, labels = blobs(2, per_class=5)
    labels[0] = 2
    assert cross_validate(vectors, labels, 3) is None
    groups = np.array([0] * 5 + [1, 2, 3, 4, 5])
    assert cross_validate(vectors, np.repeat([0, 1], 5), 2, groups=groups) is None


def test_weights_even_out_classes() -> None:
    vectors, labels = blobs(2, per_class=100, spread=4.0)
    few = np.r_[0:100, 100:110]
    weights = np.where(labels[few] == 1, 10.0, 1.0).astype(np.float32)
    shares = []
    for each in (None, weights):
        kernel, bias = solve(vectors[few], labels[few], 2, 30.0, each)
        shares.append(np.mean((vectors @ kernel + bias).argmax(1) == 1))
    assert shares[0] < 0.35
    assert abs(shares[1] - 0.5) < 0.15
