from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from toys import make_dataset, make_settings

import transfer
from transfer.errors import UsageError
from transfer.images.decode import decode
from transfer.networks.weights import Weights
from transfer.training.setup import prepare

MakeFolder = Callable[..., Path]
SIDE = 8


@pytest.fixture
def folder(make_folder: MakeFolder) -> Path:
    """Images whose val split is far brighter than train."""
    root = make_folder(per_class=6, splits=("train", "val"))
    for path in root.glob("val/*/*.png"):
        Image.new("RGB", (20, 20), (255, 240, 230)).save(path)
    return root


def pixels(root: Path) -> np.ndarray:
    paths = sorted(root.glob("*/*.png"))
    return np.stack([decode(path, SIDE) for path in paths]).astype(np.float64) / 255


def test_the_saved_model_normalises_by_the_training_images_alone(folder: Path) -> None:
    run = transfer.finetune(
        folder, output="run", backbone="dnn", image_size=SIDE, epochs=2, normalize="featurewise_std"
    )
    assert run.info.settings.normalize == "featurewise_std"
    model = keras.models.load_model(run.path / "model.keras")
    train = pixels(folder / "train")
    by_hand = (train - train.mean(axis=(0, 1, 2))) / train.std(axis=(0, 1, 2))
    inside = model.get_layer("normalisation").predict_on_batch(train.astype(np.float32))
    np.testing.assert_allclose(inside, by_hand, atol=1e-3)
    vectors = model.get_layer("dnn").predict_on_batch(by_hand.astype(np.float32))
    wanted = model.get_layer("head").predict_on_batch(vectors)
    found = list(run.predict(folder / "train"))
    got = np.array([[each.probabilities[name] for name in run.classes] for each in found])
    np.testing.assert_allclose(got, wanted, atol=1e-3)


def test_it_neither_trains_nor_is_shared_by_folds(folder: Path, tmp_path: Path) -> None:
    settings = make_settings(
        backbone="dnn", pretrained=False, image_size=SIDE, unfreeze="all", normalize="zca=0.1"
    )
    dataset = make_dataset(folder)
    swapped = ["val" if split == "train" else "train" for split in dataset.images.splits]
    bright = replace(dataset, images=dataset.images.with_splits(swapped))
    found = []
    for each in (dataset, bright):
        setup = prepare(settings, each, Weights("none"), tmp_path)
        model = setup.start(setup.new_head(), None).model
        names = [variable.path.split("/")[0] for variable in model.trainable_variables]
        assert names == ["dense_1", "dense_1", "head", "head"]
        found.append(model.get_layer("normalisation"))
    mean = pixels(folder / "train").mean(axis=(0, 1, 2))
    np.testing.assert_allclose(found[0].get_layer("featurewise").mean[0, 0, 0], mean, atol=1e-5)
    bright_mean = np.array([255, 240, 230]) / 255
    np.testing.assert_allclose(
        found[1].get_layer("featurewise").mean[0, 0, 0], bright_mean, atol=1e-5
    )


def test_an_older_run_has_no_normalisation(run: transfer.Run) -> None:
    path = run.path / "run.json"
    raw = json.loads(path.read_text())
    del raw["settings"]["normalize"]
    path.write_text(json.dumps(raw))
    assert transfer.Run(run.path).info.settings.normalize == "none"


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"normalize": "zca"}, "pretrained 'mobilenetv2' needs its images scaled"),
        ({"backbone": "small-cnn", "normalize": "zca"}, "the images have 180"),
        ({"backbone": "dnn", "normalize": "standard"}, "Unknown word 'standard'"),
    ],
)
def test_it_is_refused_before_any_image_is_read(knobs: dict[str, str], message: str) -> None:
    for verb in (transfer.finetune, transfer.lr_find, transfer.preview):
        with pytest.raises(UsageError, match=message):
            verb("no/such/folder", **knobs)


def test_a_network_that_scales_images_itself_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'efficientnetb0' scales pixels"):
        transfer.finetune(
            folder,
            output=tmp_path / "run",
            backbone="efficientnetb0",
            weights="none",
            image_size=32,
            normalize="featurewise_std",
        )
    assert not (tmp_path / "run").exists()
