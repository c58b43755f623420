from __future__ import annotations

import numpy as np
import pytest

from transfer.evaluation.rejection import choose_threshold

TWENTY = np.linspace(0.05, 1.0, 20)  # 0.05, 0.10, ... 1.00


@pytest.mark.parametrize(
    ("negatives", "threshold"),
    [
        ([0.01, 0.02], (0.02 + 0.05) / 2),  # all refused, all kept
        ([0.06], (0.06 + 0.10) / 2),  # one of twenty may be lost
        ([0.06, 0.12], (0.06 + 0.10) / 2),  # a second one may not
        ([0.12, 0.9], 0.0),  # none can be refused
        ([], 0.0),
    ],
)
def test_most_negatives_refused_and_enough_kept(negatives: list[float], threshold: float) -> None:
    found = choose_threshold(TWENTY, np.array(negatives))
    assert found == pytest.approx(threshold)
    assert np.mean(found <= TWENTY) >= 0.95


def test_the_share_that_is_kept() -> None:
    assert choose_threshold(TWENTY, np.array([0.49]), kept=0.55) == pytest.approx(0.495)
    assert choose_threshold(TWENTY, np.array([0.49]), kept=0.6) == 0.0


def test_equal_confidences_are_kept_together() -> None:
    validation, negatives = np.full(10, 0.8, np.float32), np.full(10, 0.8, np.float32)
    assert choose_threshold(validation, negatives) == 0.0
    refused = choose_threshold(validation, np.array([0.8, 0.5], np.float32))
    assert refused == pytest.approx(0.65)


def test_one_image_of_each() -> None:
    assert choose_threshold(np.array([0.9]), np.array([0.3])) == pytest.approx(0.6)
    assert choose_threshold(np.array([0.3]), np.array([0.9])) == 0.0
