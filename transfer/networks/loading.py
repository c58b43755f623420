"""Loads weights into a network, and checks that the file holds all of them.

>>> vgg16 = get_backbone("vgg16")
>>> model = vgg16.build()
>>> load_weights(model, vgg16, resolve_weights(vgg16))
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from transfer.errors import WeightsError
from transfer.networks.backbones import Backbone
from transfer.networks.weights import Weights

if TYPE_CHECKING:
    import keras

# keras/src/applications/efficientnet.py, see _fold_efficientnet
_IMAGENET_STDDEV = (0.229, 0.224, 0.225)


def load_weights(model: keras.Model, backbone: Backbone, weights: Weights) -> None:
    """Load weights into a network that ``backbone.build()`` made.

    Args:
        model: The network; its weights are replaced, float16 files become float32.
        backbone: The record that built it.
        weights: From `resolve_weights`. Origins ``"own"`` and ``"none"`` change nothing.

    Raises:
        WeightsError: The file is damaged, or holds other layers or numbers that are not finite.
            The network is unusable afterwards.
    """
    if weights.origin in ("own", "none"):
        return
    if weights.path is None:
        raise WeightsError(
            f"The {weights.origin} weights of {backbone.name!r} have not been"
            " downloaded. Get them with resolve_weights()."
        )
    name = str(weights.path)
    _empty(model)
    try:
        with warnings.catch_warnings():
            # "Affected layers will retain their freshly-initialized weights": see _check_full
            warnings.filterwarnings("ignore", "Skipping nested container")
            model.load_weights(name)
    except Exception as error:  # Keras and h5py raise nearly any exception for a bad file
        reason = " ".join(str(error).split())[:200].rstrip(". ")
        raise WeightsError(
            f"{name} does not fit {backbone.name!r}: {reason}."
            " Expected the complete weights of this network without its classifier, as Keras writes"
            " them."
        ) from error
    _check_full(model, name)
    if backbone.family == "EfficientNet":
        _fold_efficientnet(model)


def _empty(model: keras.Model) -> None:
    """Fill the network with NaN: a variable that a file lacks must not count as loaded."""
    import keras

    for variable in model.weights:
        if keras.backend.is_float_dtype(variable.dtype):
            variable.assign(keras.ops.full(variable.shape, float("nan"), variable.dtype))


def _check_full(model: keras.Model, name: str) -> None:
    import numpy as np

    for variable in model.weights:
        if not np.isfinite(np.asarray(variable)).all():
            raise WeightsError(
                f"{name} holds no finite numbers for {variable.path}."
                " Expected the complete weights of a trained network."
            )


def _fold_efficientnet(model: keras.Model) -> None:
    """Fold the rescaling that the ImageNet weights were trained with into the Normalization.

    With ``weights="imagenet"`` Keras adds Rescaling(1/sqrt(stddev)) after the Normalization of
    EfficientNet B0..B7, and otherwise not (tensorflow/tensorflow#62193). We build without it, and
    (x - mean) / sqrt(var) / sqrt(stddev) == (x - mean) / sqrt(var * stddev). Files are assumed to
    be as Keras writes them: saved before the fold.
    """
    import keras
    import numpy as np

    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            variance = np.asarray(layer.adapt_variance)
            layer.adapt_variance.assign(variance * np.array(_IMAGENET_STDDEV))
            layer.finalize_state()
