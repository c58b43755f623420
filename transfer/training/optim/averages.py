"""The averages of the weights take their place wherever a model is judged or kept."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


class AveragedWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """Validate with the averages of an optimizer with ``use_ema``, and train on with the weights.

    The averages are in the model from the beginning of the validation to `on_epoch_end` here: this
    callback goes behind those that keep the model and before those that save the weights to go on
    from. After its last epoch `fit` itself leaves them in the model.

    (Keras' SwapEMAWeights swaps the two by adding and subtracting, which rounds them, and has them
    swapped until the next epoch begins: what to go on from could not be saved at the end of one.)
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
