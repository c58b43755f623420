"""Small helpers that tests of several rooms share."""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transfer.data.audit.clean import audit
from transfer.data.dataset import Dataset
from transfer.data.groups import group_images
from transfer.data.sources.prepare import resolve
from transfer.evaluation.evaluate import write_evaluation
from transfer.images.folder import ImageFolder
from transfer.networks.backbones import register_backbone
from transfer.recipe import Recipe
from transfer.recipe.reading import Reading
from transfer.runs.info import RunInfo, WeightsInfo
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run
from transfer.settings import Settings
from transfer.system.digests import sha256_of

NETWORK = """
import keras

def build(input_shape):
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="conv_1")(image)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="conv_2")(x)
    return keras.Model(image, keras.layers.Conv2D(8, 3, activation="relu", name="conv_3")(x))
"""

PROGRESS: dict[str, Any] = {  # of a training, as its state holds it
    "recipe": {},
    "classes": ["a", "b"],
    "split.csv": "ab",
    "weights": None,
    "stopped": False,
    "best": {"best": float("nan"), "best_epoch": None, "best_logs": {}},
    "patience": {"best": float("inf"), "wait": 1},
    "history": [{"phase": "head", "epoch": 1, "seconds": 0.5, "loss": float("nan")}],
}

SETTINGS: dict[str, Any] = {
    "backbone": "toy",
    "pretrained": True,
    "image_size": 32,
    "resize": "stretch",
    "head": "linear",
    "augment": "light",
    "views": 0,
    "least_views": 0,
    "most_views": 0,
    "solve_on_views": True,
    "unfreeze": "none",
    "cut": "",
    "head_epochs": 100,
    "head_patience": 10,
    "head_learning_rate": 1e-3,
    "epochs": 8,
    "most_epochs": 50,
    "patience": 5,
    "learning_rate": 5e-4,
    "optimizer": "adamw",
    "schedule": "cosine",
    "layer_decay": 0.8,
    "weight_decay": 0.01,
    "label_smoothing": 0.0,
    "clip_norm": 0.0,
    "ema": 0.0,
    "mix": "none",
    "interpolate": True,
    "accumulate": 1,
    "batch_size": 32,
    "engine": "keras",
    "engine_required": False,
    "precision": "f32",
    "views_precision": "f32",
    "mixed_precision": False,
    "monitor": "val_accuracy",
    "balance": "none",
    "class_weights": (1.0, 1.0, 1.0),
    "val": 0.2,
    "folds": 0,
    "folds_finetune": False,
    "seconds": 0.0,
    "seed": 0,
    "deterministic": False,
}


def make_settings(**changes: Any) -> Settings:
    """Return settings of the toy backbone, with some changed."""
    return Settings(**SETTINGS | changes)


def make_info(**changes: Any) -> RunInfo:
    """Return the run.json record of a finished run of the toy, with some fields changed."""
    known: dict[str, Any] = {
        "data": "",
        "split": "val",
        "counts": {},
        "weights": WeightsInfo("own"),
        "settings": make_settings(),
        "status": "done",
    }
    return RunInfo(**known | changes)


def make_dataset(root: Path) -> Dataset:
    """Return the images of a folder, with the splits of its folders."""
    folder = ImageFolder.index(root)
    known = audit(folder)
    groups = group_images(folder, known.sha256, known.groups)
    return Dataset(folder, known.sha256, groups, {})


def evaluated_run(
    path: Path,
    data: Path,
    predicted: Mapping[str, tuple[str, str]],
    classes: Sequence[str] = ("ant", "bee", "cat"),
    *,
    trained: Sequence[str] = (),
    **changes: Any,
) -> Run:
    """Return a run that was evaluated, without a model; nothing is trained.

    Args:
        path: Its directory.
        data: Folder of the photos; those that are missing are drawn, each in a colour of its own.
        predicted: Photo to its class and to the class that is predicted, in the split val.
        classes: Class names in the order of the outputs.
        trained: Photos that it was trained on, of the first class.
        changes: Fields of run.json.
    """
    paths = [*predicted, *trained]
    for number, name in enumerate(paths):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        if not (data / name).exists():
            colour = (number, zlib.crc32(name.encode()) % 256, 90)
            Image.new("RGB", (60, 40), colour).save(data / name)
    true = np.array([classes.index(each) for each, _ in predicted.values()], dtype=np.int64)
    rows = np.full((len(predicted), len(classes)), 0.2 / max(1, len(classes) - 1), np.float32)
    rows[np.arange(len(rows)), [classes.index(each) for _, each in predicted.values()]] = 0.8
    path.mkdir(parents=True)
    run = Run.create(path, Recipe(), classes, make_info(data=str(data), **changes))
    write_evaluation(path, Predictions(tuple(predicted), true, rows, tuple(classes)), "val")
    labels = (*true.tolist(), *[0] * len(trained))
    splits = ("val",) * len(predicted) + ("train",) * len(trained)
    digests = {name: sha256_of(data / name) for name in paths}
    folder = ImageFolder(data, tuple(classes), tuple(paths), labels, splits)
    Dataset(folder, digests, digests, {}).write(path / "split.csv")
    return run


def place(data: str | os.PathLike[str], **reading: Any) -> tuple[Path, str]:
    """Return the folder and the name that `data` resolves to."""
    resolved = resolve(data, Reading(**reading))
    return resolved.root, resolved.name


def register_small(modules: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a registered backbone that is known by import strings alone.

    Args:
        modules: New folder for its code.
        monkeypatch: Puts it on the path.
    """
    modules.mkdir()
    (modules / "small_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(modules)
    monkeypatch.delitem(sys.modules, "small_network", raising=False)
    register_backbone(
        "small",
        "small_network:build",
        preprocess="keras.applications.mobilenet_v2:preprocess_input",
        image_size=32,
        overwrite=True,
    )
    return "small"
