from __future__ import annotations

import numpy as np
import pytest

from transfer.statistics.calibration import expected_calibration_error


def test_a_case_by_hand() -> None:
    # Bins of width 1/15: .9 | .8 | .7 wrong | .6; gaps .1, .2, .7, .4 over four images.
    rows = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    found = expected_calibration_error(rows, np.array([0, 1, 1, 0]))
    assert found == pytest.approx((0.1 + 0.2 + 0.7 + 0.4) / 4)


def test_it_averages_inside_a_bin() -> None:
    rows = np.array([[0.75, 0.25]] * 4)
    assert expected_calibration_error(rows, np.array([0, 0, 0, 1])) == pytest.approx(0)


def test_bins_are_open_on_the_left() -> None:
    """10/15 is the end of its bin; anything above it is in the next one."""
    edge = 10 / 15
    rows = np.array([[edge - 0.01, 0.0], [edge + 0.01, 0.0], [1.0, 0.0]])
    gaps = (1 - (edge - 0.01), edge + 0.01, 0.0)
    assert expected_calibration_error(rows, np.array([0, 1, 0])) == pytest.approx(sum(gaps) / 3)


def test_calibrated_probabilities_have_nearly_no_error() -> None:
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(4), 20_000)
    labels = (rows.cumsum(axis=1) > rng.random((len(rows), 1))).argmax(axis=1)
    assert expected_calibration_error(rows, labels) < 0.02
    overconfident = rows**3 / (rows**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(overconfident, labels) > 0.1
