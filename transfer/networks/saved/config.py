"""The config.json of a saved model, read as data: which classes, which sizes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Set
from typing import Any

from transfer.networks.saved import allowed
from transfer.networks.saved.allowed import Kind, kind_of
from transfer.networks.saved.sizes import positive, weights_of
from transfer.recipe import BOUNDS

_NAME = re.compile(r"\w[\w .:()+-]{0,199}")  # of a layer: no path, no way up
_DTYPES = {"bool", "float16", "bfloat16", "float32", "float64"} | {
    *("mixed_float16", "mixed_bfloat16"),
    *("int8", "uint8", "int16", "int32", "uint32", "int64"),
}
_LARGEST_SIDE = BOUNDS["image_size"][1]


def read_config(text: bytes) -> dict[str, Any]:
    """Return the object in config.json. Raises ValueError where there is none."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("its config.json is damaged") from error
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise ValueError("its config.json holds no network")
    return config


def check_config(config: dict[str, Any], named: Callable[[], Set[Kind]]) -> int:
    """Check that Keras can build a network without running code or taking all memory.

    Args:
        config: From `read_config`.
        named: Returns what the network of a registered backbone consists of; called only for a
            class that is not known otherwise.

    Returns:
        At least how many weights the network has.

    Raises:
        ValueError: It has a class that no network of this package has, or sizes that do not fit.
    """
    # Of the outer model Keras ignores it, since it is loaded without its optimizer.
    outer = {key: value for key, value in config.items() if key != "compile_config"}
    if kind_of(outer).name not in ("Functional", "Sequential"):
        raise ValueError("its config.json holds no network")
    total = 0
    for item in _objects(outer):
        if "class_name" in item or "registered_name" in item:
            total += weights_of(item) if _is_of_keras(item, named) else 0
        _check_values(item)
        if item.get("inbound_nodes"):
            _check_nodes(item)
    return total


def image_side(config: dict[str, Any]) -> int:
    """Return the side of the square images that a network takes.

    Raises:
        ValueError: It takes something else, or several things, or images of another number of
            channels than three.
    """
    layers = config["config"].get("layers")
    inputs = [each for each in layers if isinstance(each, dict)] if isinstance(layers, list) else []
    shapes = [
        each["config"].get("batch_shape")
        for each in inputs
        if each.get("class_name") == "InputLayer" and isinstance(each.get("config"), dict)
    ]
    shape = shapes[0] if len(shapes) == 1 else None
    if not isinstance(shape, list) or len(shape) != 4:
        raise ValueError("expected one square image (side, side, 3) as its input")
    batch, height, width, channels = shape
    if batch is not None or height != width or channels != 3 or not isinstance(height, int):
        raise ValueError(f"expected a square image (side, side, 3). It takes {str(shape[1:])[:60]}")
    return height


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects at any depth."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _is_of_keras(item: dict[str, Any], named: Callable[[], Set[Kind]]) -> bool:
    """Return whether Keras itself has the class. Raises ValueError where it may not be there."""
    kind = kind_of(item)
    if kind.name in allowed.PLAIN and kind.module in (None, "builtins"):
        return False
    if allowed.is_known(kind):
        return True
    if allowed.is_registered(kind, item.get("config")):
        return False
    if not (allowed.may_be_named(kind) and kind in named()):
        name = item.get("config") if kind.name == "function" else kind.name
        full = ".".join(str(part)[:60] for part in (kind.module, name) if part)
        raise ValueError(
            f"its network has {full!r}, which no network of this"
            " package has. For a layer of your own, import the code that registers it first"
        )
    return False


def _check_values(item: dict[str, Any]) -> None:
    name, shape, dtype = item.get("name"), item.get("batch_shape"), item.get("dtype")
    if isinstance(name, str) and not _NAME.fullmatch(name):
        raise ValueError(f"its network has a layer with the name {name[:40]!r}")
    if item.get("data_format") not in (None, "channels_last"):
        raise ValueError("its network takes images with the channels first")
    if isinstance(dtype, str) and dtype not in _DTYPES:
        raise ValueError(f"its network has numbers of the kind {dtype[:40]!r}")
    if isinstance(shape, list):
        sides = [positive(size) for size in shape if size is not None]
        if len(sides) == 3 and max(sides[:2]) > _LARGEST_SIDE:
            raise ValueError(f"it takes images of {sides[0]} x {sides[1]} pixels")


def _check_nodes(item: dict[str, Any]) -> None:
    """Refuse an operation on constants, which Keras would run at once."""
    nodes = item["inbound_nodes"]
    for node in nodes if isinstance(nodes, list) else [nodes]:
        if not any(each.get("class_name") == "__keras_tensor__" for each in _objects(node)):
            raise ValueError(f"its layer {str(item.get('name'))[:40]!r} has no input")
