from __future__ import annotations

import os
import time
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from transfer.features.converted import convert, import_openvino, place_for
from transfer.features.engines import keras_engine, openvino_engine
from transfer.features.store import Space, features_dir, stored_spaces
from transfer.networks.backbones import get_backbone

if find_spec("openvino") is None:
    pytest.skip("OpenVINO is not installed", allow_module_level=True)


@pytest.fixture
def model(toy: str) -> keras.Model:
    return get_backbone(toy).build()


def an_older_space() -> Space:
    space = Space(features_dir(), {"number": 1})
    space.append(["a" * 64], np.ones((1, 2_500), np.float32), np.array([0]))
    os.utime(space.path / "space.json", (time.time() - 90,) * 2)
    return space


def test_a_converted_network_is_kept_and_read_without_the_model(model: keras.Model) -> None:
    kept = place_for({"network": "toy"})
    convert(lambda: model, kept)
    found = convert(lambda: pytest.fail("converted again"), kept)
    assert list(found.outputs[0].partial_shape)[-1].get_length() == 16


def test_it_counts_against_the_size_of_the_cache(
    model: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = place_for({"network": "toy"})
    assert kept is not None
    convert(lambda: model, kept)
    (network,) = stored_spaces()
    for file in kept.parent.glob("network.*"):
        file.unlink()
    older = an_older_space()
    monkeypatch.setenv("TRANSFER_CACHE", str(network.size - 1_000))
    assert convert(lambda: model, kept) is not None
    assert not kept.exists()
    assert older.path.exists()  # not evicted for what would not fit anyway
    monkeypatch.setenv("TRANSFER_CACHE", str(network.size + 1_000))
    convert(lambda: model, kept, [older.path])
    assert not kept.exists()
    assert older.path.exists()
    convert(lambda: model, kept)
    assert kept.exists()
    assert not older.path.exists()


def test_a_network_that_cannot_be_written_serves_all_the_same(
    model: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise RuntimeError("Could not open the file")

    monkeypatch.setattr(import_openvino(), "save_model", full)
    kept = place_for({"network": "toy"})
    assert convert(lambda: model, kept) is not None
    assert kept is not None
    assert not kept.exists()


def test_a_converted_network_has_weights_of_its_own() -> None:
    """Shared ones are freed with the model, and their memory may hold other arrays by then."""
    images = keras.Input((32, 32, 3))
    vectors = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(64, 3)(images))
    model = keras.Model(images, keras.layers.Dense(64)(vectors))
    for variable in model.weights:  # into arrays that nothing else refers to
        variable.assign_add(keras.ops.ones(variable.shape))
    batch = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    (before,) = keras_engine(model)(batch)
    network = convert(lambda: model)
    for variable in model.weights:
        variable.assign(keras.ops.zeros(variable.shape))
    (after,) = openvino_engine(network)(batch)
    np.testing.assert_allclose(after, before, rtol=1e-4)
