"""How many weights a serialized layer makes, as soon as Keras builds it.

A lower bound from what its config declares, without biases and the like: enough to notice a layer
whose weights are not in the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

MOST = 1 << 26  # of any number that declares a size

Config = Mapping[str, Any]


def weights_of(layer: Mapping[str, Any]) -> int:
    """Return at least how many weights a serialized layer makes; 0 for one that makes none.

    Raises:
        ValueError: It does not state its sizes, or they are no positive numbers.
    """
    formula, config = _FORMULAS.get(str(layer.get("class_name"))), layer.get("config")
    if formula is None:
        return 0
    try:
        if not isinstance(config, dict):
            raise TypeError
        return formula(config, _input_shape(layer["build_config"]))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"the sizes of its layer {_name(config)} are not stated") from error
    except ValueError as error:
        raise ValueError(f"its layer {_name(config)} declares {error}") from error


def _input_shape(built: Mapping[str, Any]) -> list[Any]:
    """Return the shape that Keras builds a layer for; of several, with the widest last axis."""
    if "input_shape" in built:
        return list(built["input_shape"])
    shapes = [list(shape) for shape in built["shapes_dict"].values() if shape is not None]
    return [*shapes[0][:-1], max(positive(shape[-1]) for shape in shapes)]


def positive(value: object) -> int:
    """Return a number that declares a size. Raises ValueError for any other value."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise ValueError(f"a size of {str(value)[:20]}")
    return value


def _name(config: object) -> str:
    return repr(config.get("name") if isinstance(config, dict) else config)[:40]


def _dense(config: Config, shape: Sequence[Any]) -> int:
    return positive(shape[-1]) * positive(config["units"])


def _window(config: Config) -> int:
    sides = config["kernel_size"]
    return math.prod(positive(side) for side in (sides if isinstance(sides, list) else [sides]))


def _convolution(config: Config, shape: Sequence[Any]) -> int:
    inner = positive(shape[-1]) // positive(config.get("groups", 1))
    return _window(config) * inner * positive(config["filters"])


def _depthwise(config: Config, shape: Sequence[Any]) -> int:
    return _window(config) * positive(shape[-1]) * positive(config["depth_multiplier"])


def _separable(config: Config, shape: Sequence[Any]) -> int:
    inner = positive(shape[-1]) * positive(config["depth_multiplier"])
    return _window(config) * inner + inner * positive(config["filters"])


def _along_axes(config: Config, shape: Sequence[Any]) -> int:
    axes = config.get("axis", -1)
    wanted = axes if isinstance(axes, list) else [] if axes is None else [axes]
    return math.prod(positive(shape[axis]) for axis in wanted)


def _prelu(config: Config, shape: Sequence[Any]) -> int:
    shared = config.get("shared_axes") or []
    rest = [size for axis, size in enumerate(shape) if axis > 0 and axis not in shared]
    return math.prod(positive(size) for size in rest)


def _embedding(config: Config, shape: Sequence[Any]) -> int:
    return positive(config["input_dim"]) * positive(config["output_dim"])


def _attention(config: Config, shape: Sequence[Any]) -> int:
    width = max(positive(config["key_dim"]), positive(config.get("value_dim") or 1))
    outputs = math.prod(positive(size) for size in config.get("output_shape") or [1])
    heads = positive(config["num_heads"]) * width
    return heads * max(positive(shape[-1]), outputs)


def _layer_scale(config: Config, shape: Sequence[Any]) -> int:
    return positive(config["projection_dim"])


_FORMULAS: dict[str, Callable[[Config, Sequence[Any]], int]] = {
    "BatchNormalization": _along_axes,
    "Conv1D": _convolution,
    "Conv1DTranspose": _convolution,
    "Conv2D": _convolution,
    "Conv2DTranspose": _convolution,
    "Dense": _dense,
    "DepthwiseConv1D": _depthwise,
    "DepthwiseConv2D": _depthwise,
    "Embedding": _embedding,
    "GroupNormalization": _along_axes,
    "LayerNormalization": _along_axes,
    "LayerScale": _layer_scale,
    "MultiHeadAttention": _attention,
    "Normalization": _along_axes,
    "PReLU": _prelu,
    "RMSNormalization": _along_axes,
    "SeparableConv1D": _separable,
    "SeparableConv2D": _separable,
}
