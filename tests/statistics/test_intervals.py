from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from transfer.statistics.intervals import wilson_interval


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in
    # Medicine 17 (1998), table I, method 3; and small cases by hand.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (8, 10, 0.4902, 0.9433),
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_published_values(right: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(right, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("n", [1, 2, 7, 100, 12_345])
def test_it_is_that_of_scipy(n: int) -> None:
    for right in {0, 1, n // 3, n - 1, n}:
        expected = binomtest(right, n).proportion_ci(method="wilson")
        assert wilson_interval(right, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_ends_are_exact() -> None:
    for n in range(1, 200):
        assert wilson_interval(0, n)[0] == 0
        assert wilson_interval(n, n)[1] == 1


@pytest.mark.parametrize("n", [10, 30, 100])
def test_it_covers_the_true_share_in_95_of_100_samples(n: int) -> None:
    """The coverage of every possible sample, weighted by its probability; no chance involved."""
    bounds = np.array([wilson_interval(right, n) for right in range(n + 1)])
    shares = np.linspace(0.05, 0.95, 91)
    covered = [
        binom.pmf(np.arange(n + 1), n, share)[(bounds[:, 0] <= share) & (share <= bounds[:, 1])]
        for share in shares
    ]
    coverage = np.array([each.sum() for each in covered])
    assert coverage.mean() == pytest.approx(0.95, abs=0.01)
    assert coverage.min() > 0.83
