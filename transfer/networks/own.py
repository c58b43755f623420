"""Networks that users register: checked as soon as they are built, and copied."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.errors import UsageError
from transfer.networks.saved.model import check_file, kinds_of, read_model

if TYPE_CHECKING:
    import keras

_RANKS = (2, 3, 4)  # vectors (b, c), tokens (b, n, c), feature maps (b, h, w, c)


def adopt(make: Callable[[], Any], name: str, side: int) -> keras.Model:
    """Return a functional copy of a user's model, which is not changed when the copy is trained.

    Args:
        make: The constructor, with its arguments.
        name: The backbone's.
        side: Of its square images in pixels.

    Raises:
        UsageError: The constructor fails, or returns something that cannot be trained or copied.
    """
    import keras

    try:
        model = make()
    except Exception as error:  # of whatever kind a user's code raises
        raise UsageError(
            f"Backbone {name!r} cannot be built at {side} pixels: {_short(error)}"
        ) from error
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise UsageError(
            f"Expected the constructor of {name!r} to return a functional or Sequential model with"
            f" an Input({(side, side, 3)}). Received: {model!r:.60}"
        )
    _check_shapes(model, name, side)
    _refuse_lambdas(model, name)
    try:
        copy = _copy(model, side)
    except Exception as error:  # of whatever kind a user's layer raises
        raise UsageError(
            f"Backbone {name!r} cannot be copied, nor would its model load again: {_short(error)}"
            " Give each layer of your own a get_config with all arguments of its __init__."
        ) from error
    return copy


def _check_shapes(model: keras.Model, name: str, side: int) -> None:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UsageError(
            f"Expected {name!r} to have one input and one output. Received: {len(model.inputs)} and"
            f" {len(model.outputs)}. For one of several outputs: keras.Model(model.input,"
            " model.outputs[-1])"
        )
    wanted, found = (side, side, 3), tuple(model.inputs[0].shape[1:])
    if len(found) != 3 or any(n not in (None, m) for n, m in zip(found, wanted, strict=True)):
        raise UsageError(
            f"Expected {name!r} to take images {wanted}, height, width and RGB. Received: {found}."
            " Its constructor has to pass its argument input_shape on; a network for grey images"
            " needs a layer before it that turns RGB into one channel."
        )
    output = model.outputs[0]
    if len(output.shape) not in _RANKS or output.shape[-1] is None:
        raise UsageError(
            f"Expected {name!r} to return a feature map (b, h, w, c), tokens (b, n, c) or a vector"
            f" (b, c). Received: {tuple(output.shape)}"
        )
    if output.dtype != "float32":
        raise UsageError(
            f"Expected {name!r} to compute in float32. Received: {output.dtype}. Build it under"
            " keras.config.set_dtype_policy('float32')."
        )


def _copy(model: keras.Model, side: int) -> keras.Model:
    import keras

    free = None in model.inputs[0].shape[1:]
    functional = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    copy = keras.models.clone_model(
        functional, input_tensors=keras.Input((side, side, 3)) if free else None
    )
    copy.set_weights(model.get_weights())
    return copy


def check_saving(model: keras.Model, name: str) -> None:
    """Save a user's network once and load it again, before any work on it.

    Args:
        model: From images to the backbone's output, preprocessing included.
        name: The backbone's.

    Raises:
        UsageError: It cannot be saved, or the file does not load.
    """

    _refuse_lambdas(model, name)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            check_file(path, lambda: kinds_of(model))
            again = read_model(path)
        shapes = [[tuple(w.shape) for w in each.weights] for each in (model, again)]
        if shapes[0] != shapes[1]:
            raise ValueError("the loaded network has other weights.")
    except Exception as error:  # of whatever kind a user's layer raises
        raise UsageError(
            f"Backbone {name!r} could not be loaded once it is saved: {_short(error)} Register each"
            " layer and function of your own: @keras.saving.register_keras_serializable()."
        ) from error


def _refuse_lambdas(model: keras.Model, name: str) -> None:
    import keras

    lambdas = [each for each in model._flatten_layers() if isinstance(each, keras.layers.Lambda)]
    if lambdas:
        raise UsageError(
            f"Backbone {name!r} has a Lambda layer ({lambdas[0].name!r}), and Keras does not load"
            " code from model files. Write it with keras.ops, or as a layer class under"
            " @keras.saving.register_keras_serializable()."
        )


def _short(error: Exception) -> str:
    """Return the first sentence of an error."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0].rstrip(".")[:200] + "."
