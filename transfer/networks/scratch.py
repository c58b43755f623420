"""Small networks that are trained from scratch: the baseline for pretrained ones.

Each ends below its classifier, as those of keras.applications do with ``include_top=False``, and
is registered (`transfer.networks.backbones`) under the name of its function, with ``-`` for ``_``.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

Shape = tuple[int, int, int]


def dnn(input_shape: Shape) -> keras.Model:
    """Return one dense layer of 128 units: the network of TensorFlow's beginner tutorial."""
    return _chain(
        input_shape,
        layers.Flatten(name="flatten"),
        layers.Dense(128, activation="relu", name="dense_1"),
    )


def lenet5(input_shape: Shape) -> keras.Model:
    """Return LeNet-5 (Y. LeCun et al., "Gradient-based learning applied to document recognition",
    1998), with plain average pooling and all feature maps connected.
    """
    return _chain(
        input_shape,
        layers.Conv2D(6, 5, activation="tanh", name="conv_1"),
        layers.AveragePooling2D(2, name="pool_1"),
        layers.Conv2D(16, 5, activation="tanh", name="conv_2"),
        layers.AveragePooling2D(2, name="pool_2"),
        layers.Flatten(name="flatten"),
        layers.Dense(120, activation="tanh", name="dense_1"),
        layers.Dense(84, activation="tanh", name="dense_2"),
    )


def simple_cnn(input_shape: Shape) -> keras.Model:
    """Return convolutions of 32, 64 and 64 filters: TensorFlow's CNN tutorial (CIFAR-10)."""
    return _chain(
        input_shape,
        layers.Conv2D(32, 3, activation="relu", name="conv_1"),
        layers.MaxPooling2D(2, name="pool_1"),
        layers.Conv2D(64, 3, activation="relu", name="conv_2"),
        layers.MaxPooling2D(2, name="pool_2"),
        layers.Conv2D(64, 3, activation="relu", name="conv_3"),
        layers.Flatten(name="flatten"),
        layers.Dense(64, activation="relu", name="dense_1"),
    )


def small_cnn(input_shape: Shape) -> keras.Model:
    """Return convolutions of 16, 32 and 64 filters, and dropout: TensorFlow's flowers tutorial."""
    return _chain(
        input_shape,
        layers.Conv2D(16, 3, padding="same", activation="relu", name="conv_1"),
        layers.MaxPooling2D(2, name="pool_1"),
        layers.Conv2D(32, 3, padding="same", activation="relu", name="conv_2"),
        layers.MaxPooling2D(2, name="pool_2"),
        layers.Conv2D(64, 3, padding="same", activation="relu", name="conv_3"),
        layers.MaxPooling2D(2, name="pool_3"),
        layers.Dropout(0.2, name="dropout"),
        layers.Flatten(name="flatten"),
        layers.Dense(128, activation="relu", name="dense_1"),
    )


def rescale(x: Any) -> Any:
    """Return pixels of 0..255 scaled to 0..1."""
    return x / 255.0


def _chain(input_shape: Shape, *stack: keras.Layer) -> keras.Model:
    x = image = keras.Input(input_shape)
    for layer in stack:
        x = layer(x)
    return keras.Model(image, x)
