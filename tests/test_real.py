"""On real weights and real photos, if they are on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import transfer
from transfer.features.converted import convert
from transfer.features.engines import keras_engine, openvino_engine
from transfer.images.decode import decode
from transfer.networks.backbones import get_backbone
from transfer.networks.classifier import Classifier
from transfer.networks.weights import resolve_weights
from transfer.runs.run import Run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bees(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    data = shared / "data" / "hymenoptera"
    output = tmp_path_factory.mktemp("bees") / "run"
    return transfer.finetune(data, output=output, unfreeze="1", epochs=2, views=0)


def test_ants_and_bees_are_told_apart(bees: Run) -> None:
    assert bees.metrics["n"] == 153
    assert bees.metrics["accuracy"] > 0.9
    assert bees.info.weights.origin == "bundled"


@pytest.mark.case("M02")
def test_real_photos_by_path_image_and_array(bees: Run) -> None:
    evaluated = bees.predictions()
    files = [Path(bees.info.data) / path for path in evaluated.paths[::10]]
    expected = evaluated.probabilities[::10]
    for sources in (files, [np.asarray(Image.open(file)) for file in files]):
        found = [list(each.probabilities.values()) for each in bees.predict(sources)]
        np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["mobilenetv2", "vgg16", "xception"])
def test_engines_agree_on_real_weights(shared: Path, name: str) -> None:
    if find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    backbone = get_backbone(name)
    weights = resolve_weights(backbone, str(shared / "weights"))
    extractor = Classifier.build(name, backbone.image_size, "linear", weights).extractor
    photos = sorted((shared / "data" / "hymenoptera" / "val" / "bees").iterdir())[:4]
    batch = tf.constant(np.stack([decode(p, backbone.image_size) for p in photos]), tf.float32)
    (slow,) = keras_engine(extractor)(batch)
    (fast,) = openvino_engine(convert(lambda: extractor))(batch)
    assert np.abs(fast - slow).max() <= 1e-4 * np.abs(slow).max()
