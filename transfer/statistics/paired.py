"""Comparisons of two models on the same images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DRAWS = 2000  # of a bootstrap: the bounds of an interval move by about 2 % of its width
_AT_ONCE = 4_000_000  # counts that are drawn at a time


def mcnemar(gained: int, lost: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Of the images on which two models disagree, chance gives each model half. Q. McNemar, "Note on
    the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947).

    Args:
        gained: Images that only the first model recognises.
        lost: Images that only the second recognises.

    Returns:
        0..1; 1 where they do not disagree.
    """
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def mcnemar_corrected(gained: int, lost: int) -> float:
    """Return the p-value of McNemar's test by chi-squared with a correction for continuity.

    It approximates `mcnemar` from about 25 disagreements on. A. L. Edwards, "Note on the
    correction for continuity in testing the significance of the difference between correlated
    proportions", Psychometrika 13 (1948).

    Args:
        gained: Images that only the first model recognises.
        lost: Images that only the second recognises.

    Returns:
        0..1; 1 where they do not disagree.
    """
    from scipy.special import chdtrc

    if not gained + lost:
        return 1.0
    statistic = max(abs(gained - lost) - 1, 0) ** 2 / (gained + lost)
    return float(chdtrc(1, statistic))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values of several tests, raised so that chance passes any of them at most as often.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979).

    Args:
        p_values: Each 0..1.

    Returns:
        The adjusted values, 0..1, in the same order.
    """
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = least
    return adjusted


def bootstrap_differences(
    true: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    num_classes: int,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return 95 % intervals of what the second model gains in accuracy and in macro-F1.

    Images are drawn with replacement, each with the predictions of both models, and the 2.5 % and
    97.5 % quantiles of the differences are taken. B. Efron, "Bootstrap methods: another look at the
    jackknife", Annals of Statistics 7 (1979).

    Two images more are among those that are drawn from: one that only the first recognises, and one
    that only the second does, each divided among the classes as the others are. Without them the
    intervals are too narrow where the models rarely disagree, and of no width where they never do.
    D. G. Bonett, R. M. Price, "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", Journal of Educational and Behavioral Statistics 37 (2012).

    Args:
        true: int array (n,) of class indices, n >= 1.
        first: int array (n,): what the first model predicts.
        second: int array (n,): what the second predicts.
        num_classes: Number of classes.
        draws: Number of samples.
        seed: Of the samples.

    Returns:
        (low, high) of accuracy and of macro-F1, each -1..1.
    """
    # Images with the same three classes are alike: only their numbers are drawn.
    shape = (num_classes,) * 3
    cells, numbers = np.unique(
        np.ravel_multi_index((true, first, second), shape), return_counts=True
    )
    kinds, more = np.unravel_index(cells, shape), _disagreements(true, num_classes)
    there, *predicted = (np.concatenate(each) for each in zip(kinds, more[:3], strict=True))
    shares = np.concatenate([numbers, more[3]]) / (len(true) + 2)
    rng = np.random.default_rng(seed)
    gains = []
    for size in _sizes(draws, len(shares)):
        counts = rng.multinomial(len(true), shares, size=size).astype(np.float64)
        before, after = (_figures(counts, there, each, num_classes) for each in predicted)
        gains.append(after - before)
    low, high = np.quantile(np.concatenate(gains), (0.025, 0.975), axis=0)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def _disagreements(true: np.ndarray, num_classes: int) -> tuple[np.ndarray, ...]:
    """Return two images, by class: true, first, second, and how much of an image each is."""
    classes, numbers = np.unique(true, return_counts=True)
    other, shares = (classes + 1) % num_classes, numbers / len(true)
    return (
        np.concatenate([classes, classes]),
        np.concatenate([classes, other]),
        np.concatenate([other, classes]),
        np.concatenate([shares, shares]),
    )


def _sizes(draws: int, cells: int) -> list[int]:
    most = max(1, _AT_ONCE // cells)
    return [min(most, draws - begun) for begun in range(0, draws, most)]


def _figures(
    counts: np.ndarray, true: np.ndarray, predicted: np.ndarray, num_classes: int
) -> np.ndarray:
    """Return accuracy and macro-F1 of samples, float64 (samples, 2).

    Args:
        counts: Number of images of each cell, float64 (samples, cells).
        true: Class index of each cell, (cells,).
        predicted: The predicted one, (cells,).
        num_classes: Number of classes.
    """
    right = true == predicted
    support, chosen, hits = (
        _by_class(counts[:, among], classes[among], num_classes)
        for classes, among in ((true, slice(None)), (predicted, slice(None)), (true, right))
    )
    present = support > 0
    f1 = 2 * hits / np.where(present, support + chosen, 1)
    accuracies = hits.sum(axis=1) / counts.sum(axis=1)
    return np.stack([accuracies, (f1 * present).sum(axis=1) / present.sum(axis=1)], axis=1)


def _by_class(counts: np.ndarray, classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Return sums of the columns of each class, float64 (samples, num_classes)."""
    return np.asarray(counts @ (classes[:, None] == np.arange(num_classes)).astype(np.float64))
