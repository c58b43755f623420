"""BatchNormalization that is judged by the statistics of its training data, not by a late average.

Keras averages mean and variance over batches with a momentum of 0.99. With few batches the average
is still close to where it began, and the model that is judged and saved is not the one that was
trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

ROWS = 4096  # at a time


def settle_statistics(stack: Iterable[keras.layers.Layer], vectors: np.ndarray) -> None:
    """Give each BatchNormalization the mean and variance of all that reaches it.

    S. Ioffe and C. Szegedy, "Batch Normalization", 2015, algorithm 2; the other layers are in
    inference mode.

    Args:
        stack: Layers, one after the other.
        vectors: float32 array (n, d): the training data.
    """
    stack = list(stack)
    for number, layer in enumerate(stack):
        if isinstance(layer, keras.layers.BatchNormalization):
            mean, variance = _moments(stack[:number], vectors)
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)


def _moments(
    before: Sequence[keras.layers.Layer], vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of what some layers make of vectors, a part of them at a time.

    T. Chan, G. Golub and R. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
    Sample Variances", 1979.
    """
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for start in range(0, len(vectors), ROWS):
        part = vectors[start : start + ROWS]
        for layer in before:
            part = layer(part, training=False)
        part = np.asarray(part, np.float64)
        apart, share = part.mean(axis=0) - mean, len(part) / (count + len(part))
        mean = mean + apart * share
        squares = squares + part.var(axis=0) * len(part) + apart**2 * count * share
        count += len(part)
    return mean, squares / count


class SettledStatistics(keras.callbacks.Callback):  # type: ignore[misc]
    """Settle the statistics of a Sequential model on vectors before each validation."""

    def __init__(self, vectors: np.ndarray) -> None:
        super().__init__()
        self._vectors = vectors

    def on_test_begin(self, logs: Any = None) -> None:
        settle_statistics(self.model.layers, self._vectors)


def average_over_an_epoch(model: keras.Model, steps: int) -> None:
    """Make the running averages of a network that is trained from scratch span an epoch or less.

    Args:
        model: Its BatchNormalization layers are changed.
        steps: Batches in an epoch.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, 1 - 1 / steps)
