"""The rule by which predictions are refused: too little confidence.

The probability of the predicted class is the usual measure of how far to trust a prediction
(D. Hendrycks, K. Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples
in Neural Networks", ICLR 2017). The threshold is found on images of none of the classes, and on
validation images, of which a stated share has to be kept.
"""

from __future__ import annotations

import math

import numpy as np

KEPT = 0.95  # least share of the validation images


def choose_threshold(validation: np.ndarray, negatives: np.ndarray, kept: float = KEPT) -> float:
    """Return the confidence below which predictions are refused.

    Of all thresholds at which the stated share of validation images is kept, it refuses the most
    negatives; of those, it keeps the most validation images. It lies in the middle of the gap
    between the most confident negative that it refuses and the next validation image.

    Args:
        validation: Confidence of the prediction of each validation image, (n,), 0..1; n > 0.
        negatives: The same of the negatives, (m,).
        kept: Least share of the validation images with this confidence or more, above 0.

    Returns:
        The threshold, 0..1; 0, which refuses nothing, where no negative can be refused.
    """
    ordered = np.sort(validation.astype(np.float64))[::-1]
    highest = ordered[math.ceil(kept * len(ordered)) - 1]
    refused = negatives[negatives < highest].astype(np.float64)
    if not len(refused):
        return 0.0
    surest = refused.max()
    return float((surest + ordered[ordered > surest].min()) / 2)
