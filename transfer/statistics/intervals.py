"""Confidence intervals."""

from __future__ import annotations

_Z95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of the share `right` / `n`.

    Unlike p ± 1.96 s it stays inside 0..1 and keeps its coverage for few images and for shares near
    0 and 1. E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927).

    SciPy has it as ``binomtest(right, n).proportion_ci(method="wilson")``, which also computes a
    p-value: a millisecond each, where this takes one microsecond and is called once per class.

    Args:
        right: 0..n.
        n: 1 or more.
    """
    return score_interval(right / n, n)


def score_interval(share: float, n: float) -> tuple[float, float]:
    """Return the 95 % score interval of a share, 0..1, of `n` > 0 images, also of a fraction."""
    z2 = _Z95 * _Z95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5 / (1 + z2 / n)
    # At 0 and 1 the bound is exactly 0 or 1; floating point would miss it by 1e-17.
    return (0.0 if share == 0 else centre - half, 1.0 if share == 1 else centre + half)
