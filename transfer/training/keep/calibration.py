"""Makes the confidence of the model that is kept as high as it is right.

The temperature is fitted to the validation images and goes into the last Dense layer: the model on
disk is calibrated, and so is everything that is made of it.
"""

from __future__ import annotations

import keras
import numpy as np

from transfer.runs.info import Calibration
from transfer.statistics.calibration import expected_calibration_error
from transfer.statistics.metrics import losses
from transfer.statistics.multilabel import set_losses
from transfer.statistics.temperature import cross_fitted, fit_temperature, logits_of
from transfer.system.progress import say


def calibrate(
    model: keras.Model, probabilities: np.ndarray, targets: np.ndarray, multi_label: bool
) -> Calibration:
    """Divide the logits of a model by the temperature that suits its validation images.

    Args:
        model: Has a Dense layer called "predictions", which changes in place.
        probabilities: float32 array (n, classes): the model's, of the validation images.
        targets: array (n, classes) of 0 and 1.
        multi_label: Whether an image may be of several classes.
    """
    logits = logits_of(probabilities, multi_label)
    temperature = fit_temperature(logits, targets, multi_label)
    layer = next(each for each in model._flatten_layers() if each.name == "predictions")
    layer.set_weights([weight / np.float32(temperature) for weight in layer.get_weights()])
    after = cross_fitted(logits, targets, multi_label)
    before = _figures(probabilities, targets, multi_label)
    found = Calibration(temperature, len(targets), *before, *_figures(after, targets, multi_label))
    if not multi_label:
        say(
            f"Calibrated by a temperature of {temperature:.2f}: error"
            f" {found.ece_before:.1%} -> {found.ece:.1%} (cross-fitted)"
        )
    return found


def _figures(
    probabilities: np.ndarray, targets: np.ndarray, multi_label: bool
) -> tuple[float, float]:
    """Return calibration error, 0 where an image may be of several classes, and log loss."""
    if multi_label:
        return 0.0, float(set_losses(probabilities, targets).mean())
    labels = targets.argmax(axis=1)
    return (
        expected_calibration_error(probabilities, labels),
        float(losses(probabilities, labels).mean()),
    )
