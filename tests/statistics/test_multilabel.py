"""Each metric against scikit-learn, and thresholds against trying them all."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from transfer.statistics.metrics import SMALLEST
from transfer.statistics.multilabel import (
    average_precisions,
    choose_thresholds,
    count_hits,
    f1_scores,
    macro_f1_of_sets,
    micro_f1,
    score_sets,
    set_losses,
)


@pytest.fixture(params=[(60, 3, 1), (200, 12, 3), (35, 5, 1)])
def sample(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, classes), many of them equal, and targets that fit a little."""
    n, classes, digits = request.param
    rng = np.random.default_rng(n)
    targets = (rng.random((n, classes)) < 0.3).astype(np.float32)
    logits = rng.normal(size=targets.shape) + 1.5 * targets
    return (1 / (1 + np.exp(-logits))).round(digits).astype(np.float32), targets


def test_f1_and_losses_against_scikit_learn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, targets = sample
    predicted = probabilities > 0.5
    counts = count_hits(predicted, targets > 0.5)
    each = sk.f1_score(targets, predicted, average=None)
    np.testing.assert_allclose(f1_scores(counts), each)
    assert macro_f1_of_sets(counts) == pytest.approx(each.mean())
    assert micro_f1(counts) == pytest.approx(sk.f1_score(targets, predicted, average="micro"))
    figures = score_sets(probabilities, targets)
    assert figures["accuracy"] == pytest.approx(sk.accuracy_score(targets, predicted))
    clipped = np.clip(probabilities.astype(np.float64), SMALLEST, 1 - SMALLEST)
    columns = [
        sk.log_loss(targets[:, i], clipped[:, i], labels=[0, 1]) for i in range(targets.shape[1])
    ]
    assert figures["loss"] == pytest.approx(np.mean(columns), rel=1e-6)
    assert set_losses(probabilities, targets).mean() == pytest.approx(figures["loss"])


def test_average_precision_against_scikit_learn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, targets = sample
    expected = sk.average_precision_score(targets, probabilities, average=None)
    np.testing.assert_allclose(average_precisions(probabilities, targets), expected, rtol=1e-6)


def test_thresholds_have_the_best_f1(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, targets = sample
    thresholds = choose_thresholds(probabilities, targets)
    tries = np.concatenate([[-0.1], np.unique(probabilities), np.linspace(0, 1, 101)])
    for number, threshold in enumerate(thresholds):
        own, true = probabilities[:, number], targets[:, number]
        best = max(sk.f1_score(true, own > each) for each in tries)
        assert sk.f1_score(true, own > threshold) == pytest.approx(best)
        assert 0 <= threshold <= 1


def test_a_class_that_is_separated_keeps_its_threshold_at_a_half() -> None:
    probabilities = np.array([[0.9], [0.8], [0.2], [0.1]], np.float32)
    assert choose_thresholds(probabilities, np.array([[1], [1], [0], [0]])) == [0.5]
    assert choose_thresholds(probabilities, np.array([[1], [1], [1], [0]])) == pytest.approx([0.15])


def test_a_class_without_images_counts_nowhere() -> None:
    probabilities = np.array([[0.9, 0.7], [0.2, 0.6]], np.float32)
    targets = np.array([[1, 0], [0, 0]], np.float32)
    assert np.isnan(average_precisions(probabilities, targets)[1])
    counts = count_hits(probabilities > 0.5, targets > 0.5)
    assert np.isnan(f1_scores(counts)[1])
    assert macro_f1_of_sets(counts) == 1.0
    assert choose_thresholds(probabilities, targets)[1] == 0.5
    nothing = count_hits(targets > 2, targets > 2)
    assert (macro_f1_of_sets(nothing), micro_f1(nothing)) == (0.0, 0.0)
