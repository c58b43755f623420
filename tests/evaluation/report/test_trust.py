from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from transfer.evaluation.report.trust import coverage_table, read_trust, reliability
from transfer.runs.predictions import Predictions
from transfer.statistics.temperature import apply_temperature, logits_of


def made_up(n: int = 400) -> Predictions:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (n, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = np.array([rng.choice(3, p=row) for row in shares])
    paths = tuple(f"{i}.jpg" for i in range(n))
    return Predictions(paths, true, shares.astype(np.float32), ("a", "b", "c"))


def test_bins_are_those_of_scikit_learn() -> None:
    found = made_up()
    bins = reliability(found.probabilities.astype(np.float64), found.true)
    confidence = found.probabilities.max(axis=1)
    right = found.probabilities.argmax(axis=1) == found.true
    share, mean = calibration_curve(right, confidence, n_bins=10)
    np.testing.assert_allclose([each.accuracy for each in bins], share)
    np.testing.assert_allclose([each.confidence for each in bins], mean, rtol=1e-6)
    assert sum(each.n for each in bins) == 400


def test_the_confidence_before_calibration_is_restored() -> None:
    own = made_up()
    calibrated = apply_temperature(logits_of(own.probabilities, False) / 2.5, 1.0, False)
    found = Predictions(own.paths, own.true, calibrated.astype(np.float32), own.classes)
    trust = read_trust(found, 2.5)
    assert trust is not None
    before = reliability(own.probabilities.astype(np.float64), own.true)
    assert [each.n for each in trust.before] == [each.n for each in before]
    np.testing.assert_allclose(
        [each.confidence for each in trust.before], [each.confidence for each in before], rtol=1e-4
    )
    plain = read_trust(found, None)
    assert plain is not None
    assert plain.before == ()


def test_leaving_out_the_least_sure() -> None:
    confidence = np.array([0.9] * 5 + [0.5] * 5)
    rows = coverage_table(confidence, np.array([True] * 5 + [False] * 5))
    assert [(row.n, row.left_out, row.accuracy) for row in rows] == [(10, 0.0, 0.5), (5, 0.5, 1.0)]
    assert rows[1].threshold == pytest.approx(0.9)


def test_too_few_images_say_nothing() -> None:
    assert read_trust(made_up(19), None) is None
