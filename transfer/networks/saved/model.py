"""A saved model: checked as data, loaded by Keras, and what came out checked again."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.errors import RunError, call_to_train_again, out_of_memory
from transfer.networks.saved.allowed import Kind, kinds_in
from transfer.networks.saved.archive import open_archive
from transfer.networks.saved.config import check_config, image_side, read_config
from transfer.networks.saved.weights import count_numbers

if TYPE_CHECKING:
    import keras

Named = Callable[[], Set[Kind]]
CHECKS = 1  # raised when a model that was accepted before is refused
_IN_CONFIG = 1 << 16  # numbers that layers may take from config.json: means of a Normalization
LARGEST_MAP = 1 << 28  # numbers in a tensor per image: 1 GB, as in VGG16 at 2048 pixels


@dataclass(frozen=True)
class Expected:
    """What a run says about its model.

    Attributes:
        side: Of its square images in pixels; 0 where it is not recorded.
        activation: Of the last layer: ``softmax`` or ``sigmoid``.
    """

    side: int
    activation: str


def load_classifier_file(path: Path, expected: Expected, named: Named) -> keras.Model:
    """Load the model.keras of a run.

    Args:
        path: The file.
        expected: What the run says about it.
        named: Returns what the network of the run's backbone consists of, if it is a registered
            one; called only for a class that is not known otherwise.

    Raises:
        RunError: It is no valid model, or not that of the run.
    """
    with _refusing(path):
        check_file(path, named, expected.side)
        model = read_model(path)
        _check_classifier(model, expected)
        _check_maps(model)
        _check_finite(model)
        return model


def load_weights_file(model: keras.Model, path: Path) -> None:
    """Load the weights in a saved model into the model that wrote it.

    Raises:
        RunError: It is no valid model, or holds other weights.
    """
    with _refusing(path):
        with open_archive(path) as archive:
            count_numbers(archive.weights, archive.size)
        with _keras_may_fail():
            model.load_weights(path)


def check_file(path: Path, named: Named, side: int = 0) -> None:
    """Check a saved model before Keras reads it. Keras need not be imported for that.

    Args:
        path: The ``.keras`` file.
        named: See `load_classifier_file`.
        side: Of its images in pixels; 0 for any.

    Raises:
        OSError: It cannot be read.
        ValueError: It would run code, read other files, or take more memory than its size says.
    """
    with open_archive(path) as archive:
        config = read_config(archive.config)
        found = image_side(config)
        if side and found != side:
            raise ValueError(f"it takes images of {found} pixels a side, and the run has {side}")
        needed = check_config(config, named)
        held = count_numbers(archive.weights, archive.size)
        if needed > held + _IN_CONFIG:
            raise ValueError(
                f"its network declares at least {needed:,} weights, and the file holds {held:,}"
            )


def read_model(path: Path) -> keras.Model:
    """Load a checked model. Raises ValueError with a short reason where Keras cannot."""
    import keras

    with _keras_may_fail():
        return keras.models.load_model(path, compile=False)


def kinds_of(model: keras.Model) -> Set[Kind]:
    """Return the kinds of all objects that a network consists of."""
    import keras

    return kinds_in(keras.saving.serialize_keras_object(model))


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunError(
            f"{path} is not a valid model: {reason}. Restore it from a copy, or train again with:"
            f" {call_to_train_again(path.parent)}"
        ) from error


@contextmanager
def _keras_may_fail() -> Iterator[None]:
    """Turn what Keras raises into one line, without its advice to load without checks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # of nearly any kind
        if (short := out_of_memory(error)) is not None:
            raise short from error
        text = " ".join(str(error).split()).split(". ")[0][:160].rstrip(". ")
        said = "" if not text or "safe" in text else f" ({text})"
        raise ValueError(f"Keras cannot load it{said}") from error


def _check_classifier(model: keras.Model, expected: Expected) -> None:
    """Check what goes in and out."""
    import keras

    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"expected one input and one output. It has {len(model.inputs)} and"
            f" {len(model.outputs)}"
        )
    shape = tuple(model.outputs[0].shape[1:])
    if len(shape) != 1 or shape[0] is None:
        raise ValueError(f"expected one probability for each class. Its output has shape {shape}")
    last = model
    while isinstance(last, keras.Model):
        last = last.layers[-1]
    activation = getattr(getattr(last, "activation", None), "__name__", "none")
    if activation != expected.activation:
        raise ValueError(
            f"expected {expected.activation} as its last activation. It has {activation!r:.40}, and"
            " its outputs would be no probabilities"
        )


def _check_maps(model: keras.Model) -> None:
    """Refuse a network that would take gigabytes for one image."""
    for shape in _shapes(model):
        if None in shape or math.prod(shape) > LARGEST_MAP:
            raise ValueError(f"its network computes a tensor of the shape {shape} for each image")


def _shapes(model: keras.Model) -> Iterator[tuple[Any, ...]]:
    import keras

    waiting = [model]
    while waiting:
        network = waiting.pop()
        network = network._functional if isinstance(network, keras.Sequential) else network
        for node in [node for level in network._nodes_by_depth.values() for node in level]:
            yield from (tuple(tensor.shape[1:]) for tensor in node.outputs)
            if isinstance(node.operation, keras.Model):
                waiting.append(node.operation)


def _check_finite(model: keras.Model) -> None:
    import numpy as np

    for variable in model.weights:
        if not np.isfinite(np.asarray(variable)).all():
            raise ValueError(f"its weights {variable.path[:80]} are not finite numbers")
