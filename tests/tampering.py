"""Saved models of a toy, and ways to alter them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
from toys import make_info, make_settings

from transfer.networks.classifier import Classifier
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.runs.run import Run

CLASSES = ("ant", "bee", "cat")


def saved_run(path: Path, backbone: str, model: Any = None) -> Run:
    """Return a run with a model.keras: an untrained one of a registered backbone, or another."""
    if model is None:
        parts = Classifier.build(backbone, 32, "linear", Weights("own"))
        model = parts.join(parts.new_head(len(CLASSES), seed=0))
    path.mkdir(parents=True)
    info = make_info(settings=make_settings(backbone=backbone))
    run = Run.create(path, Recipe(backbone=backbone), CLASSES, info)
    model.save(path / "model.keras")
    return run


def members(file: Path) -> dict[str, bytes]:
    """Return the members of a saved model."""
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(file: Path, contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """Write a saved model of these members."""
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def change_config(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the object in config.json, in place."""
    contents = members(file)
    config = json.loads(contents["config.json"])
    change(config)
    write(file, contents | {"config.json": json.dumps(config).encode()})


def change_weights(file: Path, change: Callable[[h5py.File], object]) -> None:
    """Change model.weights.h5, in place."""
    contents = members(file)
    stream = io.BytesIO(contents["model.weights.h5"])
    with h5py.File(stream, "r+") as weights:
        change(weights)
    write(file, contents | {"model.weights.h5": stream.getvalue()})


def layers_of(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the layers of a serialized network at any depth, by name."""
    found = {}
    for layer in config["config"].get("layers", []):
        found[layer["config"]["name"]] = layer
        found |= layers_of(layer)
    return found


def kernel_of(weights: h5py.File) -> tuple[h5py.Group, str]:
    """Return where the largest array of the weights is."""
    found: list[h5py.Dataset] = []
    weights.visititems(lambda _, item: found.append(item) if hasattr(item, "dtype") else None)
    largest = max(found, key=lambda item: item.size)
    return largest.parent, largest.name.rsplit("/", 1)[-1]
