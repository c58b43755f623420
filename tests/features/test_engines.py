from __future__ import annotations

import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest
import tensorflow as tf

from transfer.errors import UsageError
from transfer.features import engines
from transfer.features.converted import convert
from transfer.features.engines import choose_engine, keras_engine, openvino_engine
from transfer.networks.backbones import get_backbone, list_backbones


@pytest.fixture
def model(toy: str) -> keras.Model:
    base = get_backbone(toy).build()
    rng = np.random.default_rng(0)
    for weight in base.weights:  # BatchNormalization with statistics that fold into something
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return base


IMAGES = np.random.default_rng(1).uniform(0, 255, (5, 32, 32, 3)).astype(np.float32)


@pytest.mark.parametrize("limit", [engines.MAX_FROZEN_BYTES, 0])
def test_an_engine_computes_what_the_model_does(
    model: keras.Model, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "MAX_FROZEN_BYTES", limit)
    expected = model(IMAGES, training=False).numpy()
    (found,) = keras_engine(model)(tf.constant(IMAGES))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_openvino_computes_what_the_model_does(model: keras.Model, precision: str) -> None:
    if find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    both = keras.Model(model.input, [model.get_layer("add_1").output, model.output])
    expected = [output.numpy() for output in both(IMAGES, training=False)]
    found = openvino_engine(convert(lambda: both), precision)(tf.constant(IMAGES))
    for one, other in zip(found, expected, strict=True):
        close = {"f32": 1e-4, "bf16": 5e-2}[precision]
        assert np.abs(one - other).max() <= close * np.abs(other).max()
    assert "openvino_telemetry.main" not in sys.modules


def test_which_engine_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "has_openvino", lambda: True)
    assert choose_engine("auto", "f32") == "openvino"
    assert choose_engine("auto", "bf16") == "openvino"
    assert choose_engine("openvino", "f32") == "openvino"
    assert choose_engine("keras", "f32") == "keras"
    assert choose_engine("auto", "auto") == "openvino"
    with pytest.raises(UsageError, match="precision='bf16' needs OpenVINO"):
        choose_engine("keras", "bf16")
    monkeypatch.setattr(engines, "has_nncf", lambda: True)
    assert choose_engine("auto", "int8") == "openvino"
    monkeypatch.setattr(engines, "has_nncf", lambda: False)
    assert choose_engine("auto", "auto") == "openvino"
    with pytest.raises(UsageError, match=r"precision='int8' needs NNCF.*pip install 'nncf>=3"):
        choose_engine("auto", "int8")
    monkeypatch.setattr(engines, "_has_gpu", lambda: True)
    assert choose_engine("auto", "f32") == "keras"
    monkeypatch.setattr(engines, "_has_gpu", lambda: False)
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    assert choose_engine("auto", "f32") == "keras"
    with pytest.raises(UsageError, match="pip install 'openvino>="):
        choose_engine("openvino", "f32")


def test_an_engine_has_all_outputs_in_order(model: keras.Model) -> None:
    both = keras.Model(model.input, [model.get_layer("add_1").output, model.output])
    first, second = keras_engine(both)(tf.constant(IMAGES))
    expected = [output.numpy() for output in both(IMAGES, training=False)]
    np.testing.assert_allclose(first, expected[0], rtol=1e-4)
    np.testing.assert_allclose(second, expected[1], rtol=1e-4)


def test_an_engine_is_a_snapshot_in_inference_mode(model: keras.Model) -> None:
    engine = keras_engine(model)
    (before,) = engine(tf.constant(IMAGES))
    moving = {w.path: np.array(w) for w in model.weights}
    (again,) = engine(tf.constant(IMAGES))
    np.testing.assert_array_equal(before, again)
    for weight in model.weights:
        np.testing.assert_array_equal(np.array(weight), moving[weight.path])
        weight.assign(weight * 0)
    np.testing.assert_array_equal(engine(tf.constant(IMAGES))[0], before)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 20])
def test_batches_of_any_size_give_the_same_bits(model: keras.Model, count: int) -> None:
    if find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    images = np.random.default_rng(2).uniform(0, 255, (20, 32, 32, 3)).astype(np.float32)
    engine = openvino_engine(convert(lambda: model))
    (whole,) = engine(images)
    (part,) = engine(images[:count])
    np.testing.assert_array_equal(part, whole[:count])
    (alone,) = engine(images[count - 1 : count])
    np.testing.assert_array_equal(alone, whole[count - 1 : count])


# The smallest of each family: of two with the same key, the one that comes last stays.
SMALLEST = {
    each.family: each
    for each in sorted(list_backbones(), key=lambda each: -each.parameters)
    if each.parameters
}


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(SMALLEST))
def test_engines_agree_for_every_family(family: str) -> None:
    if find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    backbone = SMALLEST[family]
    base = backbone.build(max(backbone.min_size, 64))
    rng = np.random.default_rng(0)
    for layer in base._flatten_layers():  # statistics that fold into something
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight, low in ((layer.gamma, 0.8), (layer.beta, -0.1), (layer.moving_mean, -0.1)):
                if weight is not None:
                    weight.assign(rng.uniform(low, low + 0.3, weight.shape))
            layer.moving_variance.assign(rng.uniform(0.8, 1.2, layer.moving_variance.shape))
    image = keras.Input(base.input.shape[1:])
    model = keras.Model(image, base(backbone.apply_preprocess(image)))
    images = rng.uniform(0, 255, (2, *base.input.shape[1:])).astype(np.float32)
    (slow,) = keras_engine(model)(images)
    (fast,) = openvino_engine(convert(lambda: model))(images)
    assert np.abs(slow).max() > 0
    assert np.abs(fast - slow).max() <= 1e-4 * np.abs(slow).max()
