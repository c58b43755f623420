"""Comparisons of two models on the same images."""

from __future__ import annotations


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
