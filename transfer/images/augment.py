"""Augmentation: random but repeatable changes of training images, applied before the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from transfer.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import tensorflow as tf

Augment = Callable[["tf.Tensor", "tf.Tensor"], "tf.Tensor"]
Step = Callable[["tf.Tensor", Any], "tf.Tensor"]

POLICIES = {
    "none": "",
    "light": "flip,shift=0.05,zoom=0.1",
    "medium": "flip,rotate=10,shift=0.1,zoom=0.15,brightness=0.15,contrast=0.15",
    "strong": "flip,rotate=20,shift=0.15,zoom=0.25,shear=8,brightness=0.25,contrast=0.25,"
    "saturation=0.3,hue=0.03,erasing=0.25",
}
FILLS = ("nearest", "constant", "reflect", "wrap")
# Raise it whenever the same spec and seed give another image: cached features of augmented views
# are then no longer used.
AUGMENT_VERSION = 3
_FLAGS = ("flip", "vertical_flip")
_MOST = {
    "rotate": 180.0,
    "shift": 0.5,
    "zoom": 0.9,
    "shear": 45.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "saturation": 1.0,
    "hue": 0.5,
    "channel_shift": 1.0,
    "grayscale": 1.0,
    "blur": 1.0,
    "randaugment": 1.0,
    "erasing": 1.0,
}
_GEOMETRY = (*_FLAGS, "rotate", "shift", "zoom", "shear")


def parse_augment(spec: str) -> dict[str, float | bool | str]:
    """Read an augmentation spec: comma-separated words, optionally a policy's name first.

    ========================= ==================================================================
    ``flip, vertical_flip``   mirror with a probability of 1/2
    ``rotate, shear``         up to this many degrees either way
    ``shift, zoom``           up to this share of the side
    ``brightness``            add or subtract up to this share of the range 0..255
    ``channel_shift``         the same, separately for red, green and blue
    ``contrast, saturation``  change by up to this factor: 0.2 means 0.8 to 1.2
    ``hue``                   rotate by up to this share of the colour circle
    ``grayscale, blur``       share of the images that are made gray, or blurred
    ``erasing``               share of the images in which a rectangle is painted gray
    ``randaugment``           strength of two operations drawn from ten
    ``fill``                  how new borders are filled: ``nearest`` (aaa|abcd|ddd), ``reflect``
                              (cba|abcd|dcb), ``wrap`` (bcd|abcd|abc), ``constant`` (white) or
                              ``constant:VALUE`` of 0 (black) to 255
    ========================= ==================================================================

    Args:
        spec: For example ``"flip,rotate=10,shift=0.1"``, ``"light,rotate=20"`` or ``"medium"``.
            A value of 0 switches a word off: ``"light,flip=0"``.

    Returns:
        Word to value, in a fixed order and without those that have no effect.

    Raises:
        UsageError: A word is unknown or a value out of range.
    """
    first, *rest = [word.strip() for word in spec.split(",")]
    words = [*POLICIES[first].split(","), *rest] if first in POLICIES else [first, *rest]
    if not spec.strip():
        raise UsageError(f"Expected an augmentation: {', '.join(POLICIES)} or words. Received: ''")
    values: dict[str, float | bool | str] = {}
    for word in filter(None, words):
        name, given, value = (part.strip() for part in word.partition("="))
        values[name] = _value(name, value if given else None)
    order = [*_FLAGS, *_MOST, "fill"]
    return {name: values[name] for name in order if values.get(name)}


def build_augment(spec: str, size: int) -> Augment | None:
    """Make the function that augments one image, for use inside tf.data.

    Its effect depends only on the seed. All geometric changes are combined into one transformation,
    and the image is sampled once.

    Args:
        spec: See `parse_augment`.
        size: Side of the images in pixels.

    Returns:
        Function of (image: uint8 or float32 tensor of shape (size, size, 3), 0..255; seed:
        integer tensor of shape (2,)) that returns a float32 tensor of the same shape, 0..255.
        None where the spec has no effect.

    Raises:
        UsageError: See `parse_augment`.
    """
    values = parse_augment(spec)
    fill = str(values.pop("fill", "nearest"))
    if not values:
        return None
    import tensorflow as tf

    from transfer.images.operations import Draws, operation, warp

    geometry = {name: float(values.pop(name)) for name in _GEOMETRY if name in values}
    steps: list[Step] = [warp(geometry, size, fill)] if geometry else []
    steps += [operation(name, float(value), size, fill) for name, value in values.items()]

    def augment(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        draws = Draws(seed)
        image = tf.ensure_shape(tf.cast(image, tf.float32), (size, size, 3))
        for step in steps:
            image = step(image, draws)
        return tf.clip_by_value(image, 0.0, 255.0)

    return augment


def _value(name: str, value: str | None) -> float | bool | str:
    if name == "fill":
        return _fill(value or "")
    if name in _FLAGS:
        if value not in (None, "0", "1"):
            raise UsageError(f"Expected {name}, {name}=0 or {name}=1. Received: {name}={value}")
        return value != "0"
    if name in POLICIES:
        raise UsageError(f"Expected the policy {name!r} as the first word of the augmentation.")
    if name not in _MOST:
        known = [*POLICIES, *_FLAGS, *_MOST, "fill"]
        raise UsageError(
            f"Unknown augmentation {name!r}.{did_you_mean(name, known)}"
            f" Expected one of: {', '.join(known)}."
        )
    number = _number(value or "")
    if not 0 <= number <= _MOST[name]:
        raise UsageError(
            f"Expected {name}=NUMBER between 0 and {_MOST[name]:g}."
            f" Received: {name if value is None else f'{name}={value}'}"
        )
    return number


def _fill(value: str) -> str:
    mode, given, level = (part.strip() for part in value.partition(":"))
    if mode not in FILLS:
        near = did_you_mean(mode, FILLS)
        raise UsageError(
            f"Unknown fill {value!r}.{near} Expected one of: {', '.join(FILLS)}, constant:VALUE."
        )
    if given and not (mode == "constant" and 0 <= _number(level) <= 255):
        raise UsageError(
            f"Expected fill=constant:VALUE with a number between 0 and 255. Received: fill={value}"
        )
    return mode + given + level


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
