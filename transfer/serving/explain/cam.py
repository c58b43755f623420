"""Class activation maps of linear heads: exact, by one matrix product and without gradients.

A linear head on pooled features splits the logit of a class over the places of the last feature
map: the contribution of a place is the product of its features and the weights of the class
(B. Zhou, A. Khosla, A. Lapedriza, A. Oliva, A. Torralba, "Learning Deep Features for
Discriminative Localization", CVPR 2016). With average pooling that is Grad-CAM (R. Selvaraju et
al., ICCV 2017) up to a factor, and for every pooling it is the gradient times the activation,
HiResCAM (R. Draelos, L. Carin, 2020).

Where vectors are scaled to length 1, a place also makes the vector longer, which lowers all
logits: that part, known in closed form, is subtracted. It is the gradient's too.
"""

from __future__ import annotations

import keras
import numpy as np

from transfer.serving.explain.parts import LEAST_SIDE, Parts, is_map

_AFFINE = (keras.layers.Dropout, keras.layers.BatchNormalization, keras.layers.UnitNormalization)
_EPSILON = 1e-12  # of UnitNormalization


def has_cam(parts: Parts) -> bool:
    """Return whether a classifier is linear above a feature map of 4 cells a side or more."""
    feature_map = parts.base.output
    return (
        is_map(feature_map)
        and min(feature_map.shape[1:3]) >= LEAST_SIDE
        and all(isinstance(layer, _AFFINE) for layer in parts.head.layers[:-1])
        and not _normalised_late(parts)
    )


def _normalised_late(parts: Parts) -> bool:
    """Return whether vectors are scaled to length 1 after another layer has changed them."""
    kinds = [type(layer) for layer in parts.head.layers[:-1] if not _is_dropout(layer)]
    return keras.layers.UnitNormalization in kinds[1:]


def _is_dropout(layer: keras.Layer) -> bool:
    return isinstance(layer, keras.layers.Dropout)


def cam_network(parts: Parts) -> keras.Model:
    """Return a network from images (b, side, side, 3) to contributions, float32 (b, h, w, classes).

    What a place contributes to the logit of a class, negative where it lowers it. Without scaling
    to length 1 the sum over the places and the bias are the logit.

    Args:
        parts: A classifier for which `has_cam` holds.
    """
    ops = keras.ops
    images = keras.Input(parts.model.input.shape[1:], name="image")
    places = _places(parts, parts.base(parts.scale(images)))  # (b, h, w, d): sums to the vector
    kernel = ops.convert_to_tensor(_kernel(parts))
    flat = parts.pooling == "flatten"
    if flat:
        kernel = ops.reshape(kernel, (*places.shape[1:], kernel.shape[-1]))
    product = ops.einsum("bhwc,hwck->bhwk", places, kernel) if flat else places @ kernel
    if any(isinstance(layer, keras.layers.UnitNormalization) for layer in parts.head.layers):
        vectors = places if flat else ops.sum(places, axis=(1, 2), keepdims=True)
        squared = ops.sum(vectors**2, axis=(1, 2, 3), keepdims=True)
        own = ops.sum(places * vectors, axis=-1, keepdims=True) / ops.maximum(squared, _EPSILON)
        logits = ops.sum(product, axis=(1, 2), keepdims=True)  # without the bias
        product = (product - own * logits) / ops.sqrt(ops.maximum(squared, _EPSILON))
    return keras.Model(images, product, name="cam")


def _places(parts: Parts, feature_map: keras.KerasTensor) -> keras.KerasTensor:
    """Return what each place adds to the pooled vector, (b, h, w, d)."""
    ops = keras.ops
    feature_map = ops.cast(feature_map, "float32")
    _, height, width, _ = feature_map.shape
    average = feature_map / (height * width)
    if parts.pooling in ("avg", "flatten"):
        return average if parts.pooling == "avg" else feature_map
    highest = ops.max(feature_map, axis=(1, 2), keepdims=True)
    top = ops.cast(ops.equal(feature_map, highest), "float32")
    largest = feature_map * top / ops.sum(top, axis=(1, 2), keepdims=True)  # shared by equal ones
    return largest if parts.pooling == "max" else ops.concatenate([average, largest], axis=-1)


def _kernel(parts: Parts) -> np.ndarray:
    """Return the weights (d, classes) from pooled vectors to logits, with BatchNormalization."""
    kernel = np.asarray(parts.predictions.kernel, np.float64)
    for layer in reversed(parts.head.layers[:-1]):
        if isinstance(layer, keras.layers.BatchNormalization):
            factor = 1 / np.sqrt(np.asarray(layer.moving_variance, np.float64) + layer.epsilon)
            factor *= np.asarray(layer.gamma) if layer.scale else 1.0
            kernel = factor[:, None] * kernel
    return kernel.astype(np.float32)
