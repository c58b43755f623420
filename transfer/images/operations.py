"""What the words of an augmentation do to an image. Imports TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import tensorflow as tf

Step = Callable[[tf.Tensor, "Draws"], tf.Tensor]

_WHITE = 255.0


class Draws(keras.random.SeedGenerator):  # type: ignore[misc]
    """A sequence of seeds that depends only on the seed of one image.

    Keras' own generator counts in a variable, so that results would depend on the order in which
    parallel calls happen to run. This one counts in Python while the function is traced.

    Args:
        seed: Integer tensor of shape (2,).
    """

    def __init__(self, seed: tf.Tensor) -> None:  # not super's: it would make a variable
        self._seed = tf.cast(seed, tf.int32)
        self._count = 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        """Return the next seed, an int32 tensor of shape (2,)."""
        self._count += 1
        return self._seed + tf.constant([self._count * 1_000_003, 0], tf.int32)

    def uniform(self, low: float, high: float, shape: tuple[int, ...] = ()) -> tf.Tensor:
        """Return numbers between `low` and `high`."""
        return tf.random.stateless_uniform(shape, self.next(), low, high)


def warp(values: Mapping[str, float], size: int, fill: str) -> Step:
    """Return the step that flips, turns, shears, zooms and shifts about the centre, all at once.

    Args:
        values: The words of `parse_augment` about geometry.
        size: Side of the images in pixels.
        fill: ``nearest``, ``reflect``, ``wrap``, ``constant`` (white) or ``constant:VALUE``.
    """
    mode, _, given = fill.partition(":")
    level = float(given or _WHITE)
    degree = math.pi / 180
    rotate, shear = values.get("rotate", 0) * degree, values.get("shear", 0) * degree
    zoom, shift = values.get("zoom", 0), values.get("shift", 0) * size
    centre = (size - 1) / 2

    def mirror(draws: Draws, word: str) -> tf.Tensor:
        return tf.sign(draws.uniform(-1, 1)) if word in values else tf.constant(1.0)

    def step(image: tf.Tensor, draws: Draws) -> tf.Tensor:
        # Maps a point of the result to the point of the image that it shows.
        angle, slant = draws.uniform(-rotate, rotate), tf.tan(draws.uniform(-shear, shear))
        scale = draws.uniform(1 - zoom, 1 + zoom)
        scale_x, scale_y = scale * mirror(draws, "flip"), scale * mirror(draws, "vertical_flip")
        cos, sin = tf.cos(angle), tf.sin(angle)
        xx, xy = scale_x * cos, scale_x * (slant * cos - sin)
        yx, yy = scale_y * sin, scale_y * (slant * sin + cos)
        shift_x, shift_y = tf.unstack(draws.uniform(-shift, shift, (2,)))
        x0 = centre - centre * (xx + xy) + shift_x
        y0 = centre - centre * (yx + yy) + shift_y
        zero = tf.zeros(())
        matrix = tf.stack([xx, xy, x0, yx, yy, y0, zero, zero])
        if mode == "wrap":
            return _wrapped(image, matrix, size)
        return keras.ops.image.affine_transform(
            image,
            matrix,
            interpolation="bilinear",
            fill_mode=mode,
            fill_value=level,
        )

    return step


def _wrapped(image: tf.Tensor, matrix: tf.Tensor, size: int) -> tf.Tensor:
    """Return the image, repeated without end, at the points of an affine transformation.

    Not TensorFlow's own mode WRAP: it does not interpolate across the seam, and farther out it
    shows the wrong pixels.
    """
    xx, xy, x0, yx, yy, y0, _, _ = tf.unstack(matrix)
    column, row = tf.meshgrid(tf.range(size, dtype=tf.float32), tf.range(size, dtype=tf.float32))
    x, y = xx * column + xy * row + x0, yx * column + yy * row + y0
    left, top = tf.floor(x), tf.floor(y)
    right, low = (x - left)[..., tf.newaxis], (y - top)[..., tf.newaxis]

    def pixels(down: int, across: int) -> tf.Tensor:
        rows, columns = tf.cast(top, tf.int32) + down, tf.cast(left, tf.int32) + across
        return tf.gather_nd(image, tf.stack([rows % size, columns % size], axis=-1))

    above = (1 - right) * pixels(0, 0) + right * pixels(0, 1)
    below = (1 - right) * pixels(1, 0) + right * pixels(1, 1)
    return (1 - low) * above + low * below


def operation(name: str, amount: float, size: int, fill: str) -> Step:
    """Return the step of a word that is not about geometry; see `parse_augment`."""
    layers = keras.layers
    made: dict[str, Callable[[], Step]] = {
        "brightness": lambda: _layer(layers.RandomBrightness(amount, seed=0)),
        # Both ends: one number would only ever raise the contrast, and halve the shares below.
        "contrast": lambda: _layer(layers.RandomContrast((amount, amount), seed=0)),
        "saturation": lambda: partial(_saturation, amount),
        "hue": lambda: partial(_hue, amount),
        "channel_shift": lambda: partial(_channel_shift, amount),
        "grayscale": lambda: _layer(layers.RandomGrayscale(amount, seed=0)),
        "blur": lambda: _inside(
            layers.RandomGaussianBlur((amount, amount), kernel_size=5, sigma=(0.5, 1), seed=0)
        ),
        "erasing": lambda: _layer(
            layers.RandomErasing((amount, amount), scale=(0.02, 0.25), fill_value=127, seed=0)
        ),
        "randaugment": lambda: _rand_augment(amount, size, fill),
    }
    return made[name]()


def _layer(layer: Any) -> Step:
    def step(image: tf.Tensor, draws: Draws) -> tf.Tensor:
        images = image[tf.newaxis]
        drawn = layer.get_random_transformation(images, training=True, seed=draws)
        return layer.transform_images(images, drawn, training=True)[0]

    return step


def _inside(layer: Any) -> Step:
    """Return the step of a layer that uses neighbouring pixels, without its black rim."""
    step, rim = _layer(layer), [[2, 2], [2, 2], [0, 0]]

    def inner(image: tf.Tensor, draws: Draws) -> tf.Tensor:
        return step(tf.pad(image, rim, "SYMMETRIC"), draws)[2:-2, 2:-2]

    return inner


# The Keras layers for these two take four times as long.
def _saturation(amount: float, image: tf.Tensor, draws: Draws) -> tf.Tensor:
    return tf.image.adjust_saturation(image, draws.uniform(1 - amount, 1 + amount))


def _hue(amount: float, image: tf.Tensor, draws: Draws) -> tf.Tensor:
    return tf.image.adjust_hue(image, draws.uniform(-amount, amount))


def _channel_shift(amount: float, image: tf.Tensor, draws: Draws) -> tf.Tensor:
    return image + 255.0 * draws.uniform(-amount, amount, (3,))


def _solarize(amount: float, image: tf.Tensor, draws: Draws) -> tf.Tensor:
    # Not keras.layers.Solarization: its thresholds begin near 0, whatever the factor.
    threshold = 255.0 * draws.uniform(1 - amount, 1)
    return tf.where(image < threshold, image, 255.0 - image)


def _rand_augment(amount: float, size: int, fill: str) -> Step:
    """Return two steps drawn from ten, after Cubuk et al., https://arxiv.org/abs/1909.13719.

    Not keras.layers.RandAugment: it computes all operations to keep one (19 images a second) and
    rotates by up to `amount` times 360 degrees.
    """
    layers = keras.layers
    choices: list[Step] = [
        warp({"rotate": 45 * amount}, size, fill),
        warp({"shear": 30 * amount}, size, fill),
        warp({"shift": 0.4 * amount}, size, fill),
        operation("brightness", amount / 2, size, fill),
        operation("contrast", amount, size, fill),
        operation("saturation", amount, size, fill),
        _inside(layers.RandomSharpness(((1 - amount) / 2, (1 + amount) / 2), seed=0)),
        _layer(layers.RandomPosterization((round(8 - 5 * amount), 8), seed=0)),
        partial(_solarize, amount),
        _layer(layers.AutoContrast()),
    ]

    def step(image: tf.Tensor, draws: Draws) -> tf.Tensor:
        for _ in range(2):
            choice = tf.random.stateless_uniform((), draws.next(), 0, len(choices), tf.int32)
            current = tf.clip_by_value(image, 0.0, 255.0)
            image = tf.switch_case(choice, [partial(each, current, draws) for each in choices])
            image = tf.ensure_shape(image, (size, size, 3))
        return image

    return step
