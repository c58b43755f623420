"""The networks that are trained from scratch: what they are, and a whole training of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import transfer
from transfer.errors import UsageError
from transfer.networks.backbones import Backbone, list_backbones
from transfer.networks.weights import locate

SCRATCH = [backbone for backbone in list_backbones() if backbone.scratch]


def test_the_yardsticks() -> None:
    names = {backbone.name: backbone.image_size for backbone in SCRATCH}
    assert names == {"dnn": 32, "lenet5": 32, "simple-cnn": 32, "small-cnn": 180}
    assert {locate(backbone).origin for backbone in SCRATCH} == {"none"}


@pytest.mark.parametrize("backbone", SCRATCH, ids=lambda b: b.name)
def test_its_row_is_true(backbone: Backbone, tmp_path: Path) -> None:
    network = backbone.build()
    assert network.count_params() == backbone.parameters
    assert network.output_shape == (None, backbone.feature_dim)
    assert {layer.__class__.__name__ for layer in network.layers}.isdisjoint({"Lambda"})
    image = keras.Input((32, 32, 3))
    model = keras.Model(image, backbone.build(32)(backbone.apply_preprocess(image)))
    x = np.full((2, 32, 32, 3), 255, np.float32)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict_on_batch(x), model.predict_on_batch(x))
    np.testing.assert_array_equal(backbone.apply_preprocess(x), np.ones_like(x))


@pytest.mark.parametrize("backbone", SCRATCH, ids=lambda b: b.name)
def test_the_smallest_image(backbone: Backbone) -> None:
    assert backbone.build(backbone.min_size).output_shape == (None, backbone.feature_dim)
    with pytest.raises(UsageError, match=f"at least {backbone.min_size}"):
        backbone.build(backbone.min_size - 1)


@pytest.mark.parametrize("unfreeze", ["auto", "all"])
def test_all_of_it_is_trained_in_one_phase(
    make_folder: Callable[..., Path], tmp_path: Path, unfreeze: str
) -> None:
    run = transfer.finetune(
        make_folder(),
        output=tmp_path / "run",
        backbone="lenet5",
        unfreeze=unfreeze,
        epochs=4,
        batch_size=8,
        monitor="loss",
    )
    assert list(run.info.phases) == ["finetune"]
    assert run.info.phase_kept == "finetune"
    assert (run.path / "history.csv").read_text().count("\nfinetune,") == 4
    network = keras.models.load_model(run.path / "model.keras").get_layer("lenet5")
    moved = {
        layer.name
        for layer in network.layers
        if layer.weights and np.abs(np.array(layer.weights[1])).max() > 0  # biases begin with 0
    }
    assert moved == {"conv_1", "conv_2", "dense_1", "dense_2"}
    assert len(list(run.predict(tmp_path / "colours" / "red"))) == 10


def test_an_untrained_network_that_is_kept_is_called_so(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    run = transfer.finetune(
        make_folder(),
        output=tmp_path / "run",
        backbone="lenet5",
        epochs=1,
        learning_rate=1e-20,
        monitor="val_accuracy",
    )
    assert run.info.phase_kept == ""


def test_gray_pictures_of_28_pixels(tmp_path: Path) -> None:
    from PIL import Image

    for name, bright in (("above", slice(0, 14)), ("below", slice(14, 28))):
        (tmp_path / "gray" / name).mkdir(parents=True)
        for i in range(12):
            noise = np.random.default_rng(i).normal(80, 20, (28, 28))
            noise[bright] += 80
            picture = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
            picture.save(tmp_path / "gray" / name / f"{i}.png")
    run = transfer.finetune(
        tmp_path / "gray", output=tmp_path / "run", backbone="dnn", epochs=15, batch_size=8
    )
    assert run.metrics["accuracy"] == 1.0
