"""Temperature scaling: confidence that is as high as the model is right.

Logits are divided by one number, the temperature, which leaves the order of the classes as it is
(C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from transfer.statistics.metrics import losses, sigmoid, softmax
from transfer.statistics.multilabel import set_losses

PRIOR = 5.0  # nats that a temperature of e costs: a few images that are all right prove little
_LARGEST = 3.0  # of the logarithm of a temperature
_SMALLEST_SHARE = 1e-12
_FOLDS = 5


def logits_of(probabilities: np.ndarray, multi_label: bool) -> np.ndarray:
    """Return logits that give these probabilities, float64 (n, classes)."""
    p = np.clip(probabilities.astype(np.float64), _SMALLEST_SHARE, 1.0)
    if not multi_label:
        return np.asarray(np.log(p))
    return np.asarray(np.log(p) - np.log(np.clip(1.0 - p, _SMALLEST_SHARE, 1.0)))


def apply_temperature(logits: np.ndarray, temperature: float, multi_label: bool) -> np.ndarray:
    """Return the probabilities of logits that are divided by a temperature, (n, classes)."""
    return sigmoid(logits / temperature) if multi_label else softmax(logits / temperature)


def fit_temperature(logits: np.ndarray, targets: np.ndarray, multi_label: bool) -> float:
    """Return the temperature with the lowest cross-entropy plus a prior around 1.

    Args:
        logits: float array (n, classes), of images that were not trained on.
        targets: array (n, classes) of 0 and 1.
        multi_label: Whether an image may be of several classes: sigmoid instead of softmax.
    """

    def cost(log: float) -> float:
        p = apply_temperature(logits, float(np.exp(log)), multi_label)
        each = set_losses(p, targets) if multi_label else losses(p, targets.argmax(axis=1))
        return float(each.sum() + PRIOR * log**2)

    found = minimize_scalar(cost, bounds=(-_LARGEST, _LARGEST), method="bounded")
    return float(np.exp(found.x))


def cross_fitted(logits: np.ndarray, targets: np.ndarray, multi_label: bool) -> np.ndarray:
    """Return each image's probabilities at a temperature fitted without it, (n, classes).

    They show what a temperature gains on other images than those that chose it.
    """
    fold = np.random.default_rng(0).permutation(len(logits)) % _FOLDS
    result = np.empty(logits.shape, np.float64)
    for number in np.unique(fold):
        held = fold == number
        seen = ~held if held.sum() < len(held) else held
        temperature = fit_temperature(logits[seen], targets[seen], multi_label)
        result[held] = apply_temperature(logits[held], temperature, multi_label)
    return result
