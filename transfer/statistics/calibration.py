"""How far confidence can be trusted."""

from __future__ import annotations

import numpy as np

_BINS = 15


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean gap between confidence and accuracy over 15 bins of equal width, 0..1.

    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3. Bins are
    open on the left: ((m - 1) / 15, m / 15].

    Args:
        probabilities: float array of shape (n, classes), n >= 1.
        labels: int array of shape (n,).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(labels))
