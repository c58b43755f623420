"""Normalisation of a network's input by its own training images, as in ImageDataGenerator.

The statistics become part of the network, so that the saved model takes plain images. Imports Keras
only on use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from transfer.errors import UsageError, did_you_mean, option

if TYPE_CHECKING:
    import keras

LARGEST_SIDE = 48  # for zca: at 48 pixels its matrix has 191 MB and takes minutes
ZCA_EPSILON = 1e-6
_TINY = 1e-6  # added to standard deviations


@dataclass(frozen=True)
class Normalisation:
    """What is done to an image after the network's own preprocessing, in this order.

    Attributes:
        samplewise_center: Subtract the image's own mean.
        samplewise_std: Divide by its own standard deviation.
        featurewise_center: Subtract the training images' mean of each channel.
        featurewise_std: Divide by their standard deviation of each channel.
        zca: Epsilon of ZCA whitening; None for none.
    """

    samplewise_center: bool = False
    samplewise_std: bool = False
    featurewise_center: bool = False
    featurewise_std: bool = False
    zca: float | None = None


_WORDS = tuple(field.name for field in fields(Normalisation))


def parse_normalize(spec: str) -> Normalisation | None:
    """Read what ``normalize`` says: ``none``, or words separated by commas.

    Division by a standard deviation and whitening include the subtraction of the mean.

        >>> parse_normalize("zca=0.1").featurewise_center
        True

    Args:
        spec: The words are the fields of `Normalisation`, ``zca`` with or without an epsilon above
            0 (by default 1e-6).

    Returns:
        None for ``none``.

    Raises:
        UsageError: A word is unknown, or two exclude each other.
    """
    if spec.strip() == "none":
        return None
    values: dict[str, Any] = {}
    for word in spec.split(","):
        name, given, value = (part.strip() for part in word.partition("="))
        if name not in _WORDS or (given and name != "zca"):
            hint = did_you_mean(name, _WORDS)
            raise UsageError(
                f"Unknown word {word.strip()!r} in {option('normalize', spec)}.{hint} Expected"
                f" none, or some of {', '.join(_WORDS)}[=EPSILON]."
            )
        values[name] = True if name != "zca" else _epsilon(value) if given else ZCA_EPSILON
    if "zca" in values and "featurewise_std" in values:
        raise UsageError(f"Whitening includes featurewise_std: leave one out of {spec!r}.")
    if {"featurewise_std", "zca"} & values.keys():
        values["featurewise_center"] = True
    if "samplewise_std" in values:
        values["samplewise_center"] = True
    return Normalisation(**values)


def _epsilon(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UsageError(f"Expected zca=EPSILON with a number above 0. Received: zca={value}")
    return number


def check_normalize(spec: str, name: str, pretrained: bool, side: int) -> None:
    """Refuse a normalisation that does not suit the network.

    Args:
        spec: See `parse_normalize`.
        name: The network's.
        pretrained: Whether it starts from pretrained weights.
        side: Of its images in pixels.

    Raises:
        UsageError: It cannot be read or does not suit the network.
    """
    words = parse_normalize(spec)
    if words is None:
        return
    if pretrained:
        raise UsageError(
            f"{option('normalize', spec)} is for networks trained from scratch: the pretrained"
            f" {name!r} needs its images scaled as in its own training, which the model does"
            f" already. Leave it out, or choose such a network: {option('backbone', 'small-cnn')}"
        )
    if words.zca is not None and side > LARGEST_SIDE:
        raise UsageError(
            f"zca whitens at most {LARGEST_SIDE} x {LARGEST_SIDE} pixels, since its matrix has"
            f" (3 x side x side) squared numbers; the images have {side}. Add"
            f" {option('image_size', 32)}, or use featurewise_std."
        )


def check_unscaled(base: keras.Model, spec: str) -> None:
    """Raise UsageError for a network that scales its images itself: it would undo the effect."""
    import keras

    kinds = (keras.layers.Rescaling, keras.layers.Normalization)
    if spec != "none" and any(isinstance(each, kinds) for each in base._flatten_layers()):
        raise UsageError(
            f"{base.name!r} scales pixels of 0..255 inside the network, so it takes no normalised"
            f" images: leave {option('normalize')} out."
        )


def fit_normalisation(spec: str, side: int, batches: Iterable[np.ndarray]) -> keras.Model:
    """Return a normalisation with the statistics of images, as a model of Keras' own layers.

    The formulas are those of Keras' ImageDataGenerator. Directions in which the images do not vary
    at all become 0 in whitening, and channels that do not vary are only centred: a division by
    nearly 0 would magnify what is new in other images without limit.

    Args:
        spec: See `parse_normalize`; not ``none``.
        side: Of the images in pixels.
        batches: The training images, float32 arrays of shape (b, side, side, 3), in the range that
            the network's preprocessing gives. They are passed through once, one batch at a time.

    Returns:
        Frozen model from images (b, side, side, 3) to normalised ones, float32.
    """
    import keras

    words = parse_normalize(spec)
    assert words is not None
    image = keras.Input((side, side, 3))
    x = _samplewise(words, image)
    weights: list[np.ndarray] = []
    if words.featurewise_center:
        sums = _Sums(side, gram=words.zca is not None)
        for batch in batches:
            sums.add(np.asarray(_samplewise(words, batch), np.float64))
        spread = sums.std + _TINY * (sums.std > 0)
        spread = np.where(spread > 0, spread, 1.0) if words.featurewise_std else np.ones(3)
        x = keras.layers.Normalization(
            mean=sums.mean.tolist(), variance=(spread**2).tolist(), name="featurewise"
        )(x)
        if words.zca is not None:
            weights.append(sums.whitening(words.zca))
            x = keras.layers.Flatten(name="flat")(x)
            x = keras.layers.Dense(
                3 * side * side, use_bias=False, kernel_initializer="zeros", name="zca"
            )(x)
            x = keras.layers.Reshape((side, side, 3), name="whitened")(x)
    model = keras.Model(image, x, name="normalisation")
    model.set_weights(weights)
    model.trainable = False
    return model


def _samplewise(words: Normalisation, x: Any) -> Any:
    from keras import ops

    if words.samplewise_center:
        x = x - ops.mean(x, axis=(1, 2, 3), keepdims=True)
    if words.samplewise_std:
        x = x / (ops.std(x, axis=(1, 2, 3), keepdims=True) + _TINY)
    return x


class _Sums:
    """Sums over images, in float64: of values, of squares, and of all products of two values.

    Args:
        side: Of the images in pixels.
        gram: Whether to sum the products.
    """

    def __init__(self, side: int, gram: bool) -> None:
        length = 3 * side * side
        self.count = 0
        self.values = np.zeros(length)
        self.squares = np.zeros(3)
        self.products = np.zeros((length, length), order="F") if gram else None  # upper half

    def add(self, batch: np.ndarray) -> None:
        from scipy.linalg.blas import dsyrk

        flat = batch.reshape(len(batch), -1)
        self.count += len(batch)
        self.values += flat.sum(axis=0)
        self.squares += (batch**2).sum(axis=(0, 1, 2))
        if self.products is not None:  # += flat.T @ flat, in place
            self.products = dsyrk(1.0, flat, 1.0, self.products, trans=1, overwrite_c=1)

    @property
    def mean(self) -> np.ndarray:
        """Of each channel: float64 (3,)."""
        result: np.ndarray = self.values.reshape(-1, 3).mean(axis=0) / self.count
        return result

    @property
    def std(self) -> np.ndarray:
        """Of each channel: float64 (3,)."""
        pixels = self.count * len(self.values) // 3
        variance = self.squares / pixels - self.mean**2
        noise = np.finfo(float).eps * self.squares / pixels * 16  # of the subtraction
        result: np.ndarray = np.sqrt(np.where(variance > noise, variance, 0.0))
        return result

    def whitening(self, epsilon: float) -> np.ndarray:
        """Return the symmetric matrix that decorrelates centred images: float32 (d, d).

        A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009, appendix A.
        """
        from scipy.linalg import eigh
        from scipy.linalg.blas import dsyr2

        mean = np.tile(self.mean, len(self.values) // 3)
        rest = self.values - self.count / 2 * mean
        # The products of centred values: minus mean @ sums.T + sums @ mean.T - n mean @ mean.T
        centred = dsyr2(-1.0, mean, rest, a=self.products, overwrite_a=1)
        self.products = None
        squares, axes = eigh(centred, lower=False, overwrite_a=True)
        lost = np.finfo(float).eps * max(self.count, len(mean)) * squares[-1]
        kept = squares > lost
        scale = np.sqrt(self.count) / (np.sqrt(squares[kept]) + epsilon)
        axes = axes[:, kept]
        result: np.ndarray = ((axes * scale) @ axes.T).astype(np.float32)
        return result
