"""Temperatures of models whose true one is known."""

from __future__ import annotations

import numpy as np
import pytest

from transfer.statistics.calibration import expected_calibration_error
from transfer.statistics.metrics import losses, sigmoid, softmax
from transfer.statistics.multilabel import set_losses
from transfer.statistics.temperature import (
    apply_temperature,
    cross_fitted,
    fit_temperature,
    logits_of,
)


def sample(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits of 4 classes, and one-hot targets drawn by their softmax."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(n, 4))
    chosen = (rng.random((n, 1)) < softmax(logits).cumsum(axis=1)).argmax(axis=1)
    return logits, np.eye(4)[chosen]


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_the_true_temperature_is_found(true: float) -> None:
    logits, targets = sample(4000)
    assert fit_temperature(true * logits, targets, False) == pytest.approx(true, rel=0.06)
    rng = np.random.default_rng(1)
    several = (rng.random(logits.shape) < sigmoid(logits)).astype(float)
    assert fit_temperature(true * logits, several, True) == pytest.approx(true, rel=0.06)


def test_a_few_images_that_are_all_right_prove_little() -> None:
    targets = np.eye(4)[np.arange(8) % 4]
    temperature = fit_temperature(2 * targets, targets, False)
    assert 0.5 < temperature < 0.95  # without a prior it would be as low as allowed


def test_cross_fitted_figures_are_honest() -> None:
    logits, targets = sample(1500)
    labels, given = targets.argmax(axis=1), softmax(2.5 * logits)
    after = cross_fitted(logits_of(given, False), targets, False)
    error = expected_calibration_error
    assert error(after, labels) < 0.05 < 0.12 < error(given, labels)
    np.testing.assert_array_equal(after.argmax(axis=1), given.argmax(axis=1))
    whole = fit_temperature(logits_of(given, False), targets, False)
    seen = apply_temperature(logits_of(given, False), whole, False)
    assert losses(seen, labels).mean() <= losses(after, labels).mean()


def test_logits_give_the_probabilities_back() -> None:
    logits, _ = sample(50)
    np.testing.assert_allclose(softmax(logits_of(softmax(logits), False)), softmax(logits))
    np.testing.assert_allclose(
        sigmoid(logits_of(sigmoid(logits), True)), sigmoid(logits), atol=1e-12
    )
    certain = logits_of(np.array([[1.0, 0.0]]), True)
    assert np.isfinite(certain).all()
    assert set_losses(sigmoid(certain), np.array([[1, 0]])).max() < 1e-6
