"""Averages of the weights, which replace them wherever a model is evaluated or saved."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


class AveragedWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """Validate with the averages of an optimizer with ``use_ema``; keep training the weights.

    The model holds the averages from the start of validation to `on_epoch_end` here: this callback
    goes after those that save the model and before those that save the weights to resume from.
    After the last epoch `fit` itself leaves the averages in the model.

    (Keras' SwapEMAWeights swaps the two by adding and subtracting, which rounds them, and keeps
    them swapped until the next epoch begins: the weights to resume from could not be saved.)
    """

    def __init__(self) -> None:
        super().__init__()
        self._weights: list[np.ndarray] = []

    def on_test_begin(self, logs: Any = None) -> None:
        variables = self.model.trainable_variables
        self._weights = [np.array(variable) for variable in variables]
        self.model.optimizer.finalize_variable_values(variables)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for variable, value in zip(self.model.trainable_variables, self._weights, strict=True):
            variable.assign(value)
