from __future__ import annotations

import numpy as np
import pytest

from transfer.evaluation.report.slices import find_slices
from transfer.runs.photos import PhotoFigures
from transfer.runs.predictions import Predictions


def made_up(n: int, wrong: np.ndarray, true: np.ndarray) -> Predictions:
    shares = np.full((n, 2), 0.2, np.float32)
    shares[np.arange(n), np.where(wrong, 1 - true, true)] = 0.8
    return Predictions(tuple(f"x/{i}.jpg" for i in range(n)), true, shares, ("a", "b"))


def photos(brightness: np.ndarray) -> dict[str, PhotoFigures]:
    return {
        f"x/{i}.jpg": PhotoFigures(100, 100, float(value), 0.2, f"x/{'day' if i % 2 else 'night'}")
        for i, value in enumerate(brightness)
    }


def test_dark_photos_that_are_missed_are_found() -> None:
    rng = np.random.default_rng(1)
    brightness, true = rng.random(400), rng.integers(0, 2, 400)
    wrong = rng.random(400) < np.where(brightness < 0.25, 0.5, 0.05)
    found = find_slices(made_up(400, wrong, true), photos(brightness))
    assert found is not None
    assert found.looked_at == ("brightness", "folder")  # all are of one size and contrast
    (dark,) = found.found
    assert (dark.name, dark.rows[0].n) == ("brightness", 100)
    assert dark.rows[0].words.startswith("0 % to 2")
    assert dark.rows[0].accuracy == pytest.approx(1 - wrong[brightness < 0.25].mean(), abs=0.02)
    assert dark.p_value == pytest.approx(2 / 10_000)  # the smallest of 9,999 draws, two comparisons


def test_a_property_that_goes_with_a_class_is_not_blamed() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, 400)
    wrong = rng.random(400) < np.where(true == 0, 0.4, 0.02)
    brightness = np.where(true == 0, 0.2, 0.7) + 0.1 * rng.random(400)
    found = find_slices(made_up(400, wrong, true), photos(brightness))
    assert found is not None
    assert found.found == ()


def test_too_few_photos_or_mistakes_say_nothing() -> None:
    true = np.zeros(400, int)
    assert find_slices(made_up(400, true > 0, true), photos(np.linspace(0, 1, 400))) is None
    assert find_slices(made_up(400, true == 0, true), {}) is None
