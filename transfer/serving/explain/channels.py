"""What the layers of a network compute: filters of a convolution, channels of a feature map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from transfer.serving.explain.parts import Parts, is_map, output_of
from transfer.system.quiet import refuse_after_fork

MOST = 64  # channels of a picture
_POOLING = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
_IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class Channels:
    """Some channels of the feature map of one image.

    Attributes:
        layer: The layer's name.
        kind: Its class, for example ``Conv2D``.
        values: float32 array (n, h, w).
        numbers: Of the channels, in the order of the layer.
        total: Number of channels of the layer.
    """

    layer: str
    kind: str
    values: np.ndarray
    numbers: tuple[int, ...]
    total: int


def chosen_layers(parts: Parts) -> list[str]:
    """Return the layers that a course shows: first convolution, first pooling, last feature map."""
    named = [parts.base.get_layer(name) for name in parts.map_layers]
    first = next((each for each in named if isinstance(each, keras.layers.Conv2D)), None)
    pool = next((each for each in named if isinstance(each, _POOLING)), None)
    last = parts.last_map()
    names = [each.name for each in (first, pool) if each is not None] + ([last] if last else [])
    return list(dict.fromkeys(names))


def channels_of(parts: Parts, layers: list[str]) -> Callable[[np.ndarray], list[Channels]]:
    """Return a function from an image, uint8 (size, size, 3), to the channels of some layers.

    Of a layer with more than 64 channels, those with the largest mean magnitude are taken.

    Args:
        parts: The classifier.
        layers: Some of `Parts.map_layers`.
    """
    outputs = [parts.base.get_layer(name).output for name in layers]
    network = keras.Model(parts.base.input, outputs)

    def look(image: np.ndarray) -> list[Channels]:
        refuse_after_fork()
        scaled = parts.scale(keras.ops.convert_to_tensor(image[None], "float32"), training=False)
        found = network(scaled, training=False)
        maps = found if isinstance(found, (list, tuple)) else [found]
        return [
            _most_active(parts.base.get_layer(name), np.asarray(each, np.float32)[0])
            for name, each in zip(layers, maps, strict=True)
        ]

    return look


def _most_active(layer: keras.Layer, feature_map: np.ndarray) -> Channels:
    strength = np.abs(feature_map).mean(axis=(0, 1))
    numbers = np.sort(np.argsort(-strength, kind="stable")[:MOST])
    return Channels(
        layer.name,
        type(layer).__name__,
        np.moveaxis(feature_map[:, :, numbers], 2, 0),
        tuple(numbers.tolist()),
        feature_map.shape[2],
    )


def filters_of(parts: Parts, layer: str) -> np.ndarray | None:
    """Return the filters of a convolution that sees the image itself, (n, h, w, 3).

    Args:
        parts: The classifier.
        layer: One of `Parts.map_layers`.

    Returns:
        float32 array; None for a layer that is no convolution, or looks at other maps.
    """
    found = parts.base.get_layer(layer)
    if type(found) is not keras.layers.Conv2D or not is_map(output_of(found)):
        return None
    kernel = np.asarray(found.kernel, np.float32)
    return np.moveaxis(kernel, 3, 0) if kernel.shape[2] == _IMAGE_CHANNELS else None
