from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from transfer.statistics.metrics import accuracy, count_confusions, macro_f1
from transfer.statistics.paired import (
    bootstrap_differences,
    holm,
    mcnemar,
    mcnemar_corrected,
)


@pytest.mark.parametrize(
    ("gained", "lost", "expected"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 2**5),
        (6, 0, 2 / 2**6),
        (8, 1, 2 * (1 + 9) / 2**9),
        (9, 2, 2 * (1 + 11 + 55) / 2**11),
    ],
)
def test_known_values(gained: int, lost: int, expected: float) -> None:
    """Twice the tail of a fair coin, counted by hand."""
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-12)


def test_it_is_two_sided_whoever_is_ahead() -> None:
    for gained in range(15):
        for lost in range(15):
            n = gained + lost
            tail = sum(math.comb(n, k) for k in range(min(gained, lost) + 1)) / 2**n
            assert mcnemar(gained, lost) == pytest.approx(min(1.0, 2 * tail), rel=1e-12)
            assert mcnemar(gained, lost) == mcnemar(lost, gained)


@pytest.mark.parametrize(
    ("gained", "lost", "expected"),
    # The first is the example in the documentation of mlxtend.evaluate.mcnemar; the other is of
    # statsmodels.stats.contingency_tables.mcnemar, with correction.
    [
        (25, 15, 0.15472892348),
        (121, 59, 5.45009e-06),
    ],
)
def test_published_values_with_the_correction(gained: int, lost: int, expected: float) -> None:
    assert mcnemar_corrected(gained, lost) == pytest.approx(expected, rel=1e-4)
    assert mcnemar_corrected(lost, gained) == pytest.approx(expected, rel=1e-4)


def test_the_correction_never_makes_a_tie_look_uneven() -> None:
    assert mcnemar_corrected(0, 0) == mcnemar_corrected(20, 20) == mcnemar_corrected(21, 20) == 1


@pytest.mark.parametrize("gained", [20, 30, 45])
def test_the_approximation_comes_close_to_the_exact_test(gained: int) -> None:
    assert mcnemar_corrected(gained, 20) == pytest.approx(mcnemar(gained, 20), abs=0.02)


def test_holm_by_hand() -> None:
    """The example of R's p.adjust: sorted, times 4, 3, 2, 1, and never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def make(n: int, seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return classes, and what two models predict that agree mostly; the second is better."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, n)
    other = (true + rng.integers(1, classes, n)) % classes
    first = np.where(rng.random(n) < 0.85, true, other)
    fresh = np.where(rng.random(n) < 0.92, true, (true + rng.integers(1, classes, n)) % classes)
    return true, first, np.where(rng.random(n) < 0.7, first, fresh)


def gains(true: np.ndarray, first: np.ndarray, second: np.ndarray, classes: int) -> list[float]:
    """Return what the second model gains in accuracy and macro-F1."""
    before, after = (count_confusions(true, each, classes) for each in (first, second))
    return [figure(after) - figure(before) for figure in (accuracy, macro_f1)]


def test_the_bootstrap_is_the_one_that_draws_images() -> None:
    """Against a loop over samples of the images themselves, with scikit-learn's figures."""
    true, first, second = make(400, 1)
    rng = np.random.default_rng(2)
    drawn = []
    for _ in range(1500):
        rows = rng.integers(0, 400, 400)
        t, a, b = true[rows], first[rows], second[rows]
        f1 = [f1_score(t, each, average="macro") for each in (b, a)]
        drawn.append([accuracy_score(t, b) - accuracy_score(t, a), f1[0] - f1[1]])
    expected = np.quantile(drawn, (0.025, 0.975), axis=0).T
    found = bootstrap_differences(true, first, second, 3)
    assert np.array(found) == pytest.approx(expected, abs=0.006)


def test_classes_without_images_do_not_count_in_the_bootstrap() -> None:
    true, first, second = make(200, 3)
    narrow = bootstrap_differences(true, first, second, 3, draws=300)
    wide = bootstrap_differences(true, first, second, 30, draws=300)
    assert np.array(wide) == pytest.approx(np.array(narrow), abs=0.02)


def test_the_interval_of_equal_models_has_a_width() -> None:
    true, first, _ = make(100, 4)
    for low, high in bootstrap_differences(true, first, first, 3):
        assert -0.06 < low < 0 < high < 0.06


def test_large_samples_are_drawn_in_parts() -> None:
    true, first, second = make(20_000, 5, classes=60)
    (low, high), _ = bootstrap_differences(true, first, second, 60)
    assert low < gains(true, first, second, 60)[0] < high


@pytest.mark.slow
@pytest.mark.parametrize(("n", "classes"), [(200, 3), (500, 5)])
def test_the_bootstrap_covers_the_true_difference_in_95_of_100_samples(
    n: int, classes: int
) -> None:
    population = make(200_000, 6, classes)
    truth = gains(*population, classes)
    rng = np.random.default_rng(7)
    hits = np.zeros(2)
    trials = 400
    for seed in range(trials):
        rows = rng.integers(0, 200_000, n)
        found = bootstrap_differences(
            *(each[rows] for each in population), classes, draws=400, seed=seed
        )
        hits += [low <= gain <= high for (low, high), gain in zip(found, truth, strict=True)]
    # Two standard errors below; above, the two images more make it a little wide.
    assert ((hits / trials >= 0.93) & (hits / trials < 0.985)).all()
