"""Confidence intervals of F1 and of its mean over classes."""

from __future__ import annotations

import numpy as np

from transfer.statistics.intervals import score_interval, wilson_interval


def f1_interval(right: int, support: int, predicted: int) -> tuple[float, float]:
    """Return the 95 % interval of the F1 of one class.

    F1 is 2 J / (1 + J), where J is the share of the images that are right among those that are of
    the class or predicted as it. It rises with J, so Wilson's interval of J gives that of F1.

    Args:
        right: Images of the class that are predicted as it.
        support: Images of the class.
        predicted: Images that are predicted as it. Together they are at least one.
    """
    low, high = wilson_interval(right, support + predicted - right)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def macro_f1_interval(matrix: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean F1 of the classes that have images.

    It is Wilson's interval at the number of images at which a share would have the same variance,
    as for surveys (E. Korn and B. Graubard, "Confidence intervals for proportions with small
    expected number of positive counts estimated from survey data", Survey Methodology 24, 1998).
    The variance is that of the mean influence of an image (the delta method). In simulations of 2
    to 40 classes and 60 to 2,000 images, even and uneven, the intervals hold the true value in 93.4
    to 95.5 % of cases; those of a bootstrap in 91 to 97 %.

    Args:
        matrix: Counts (classes, classes), rows true, of at least one image.
    """
    counts = matrix.astype(np.float64)
    support, right = counts.sum(axis=1), counts.diagonal()
    present = support > 0
    size = np.where(present, support + counts.sum(axis=0), 1.0)
    scores = np.where(present, 2 * right / size, 0.0)
    classes = present.sum()
    mean = float(scores.sum() / classes)
    each = np.where(present, scores / size, 0.0)
    influence = -(each[:, None] + each[None, :])
    influence[np.diag_indices_from(influence)] += np.where(present, 2 / size, 0.0)
    influence /= classes
    average = (counts * influence).sum() / counts.sum()
    variance = (counts * influence**2).sum() - counts.sum() * average**2
    # What is all right, or nearly so, has next to no variance, which is no proof.
    most = 2 * classes**2 / (1 / support[present]).sum()
    if variance <= 0 or not 0 < mean < 1:
        return score_interval(mean, float(most / 2))
    return score_interval(mean, float(min(mean * (1 - mean) / variance, most)))
