from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from toys import make_settings

from transfer.errors import DataError, TransferError
from transfer.features import engines
from transfer.features.engines import Batch, Engine, keras_engine
from transfer.features.extract import Features, FrozenNetwork, extract
from transfer.images.decode import decode
from transfer.images.folder import ImageFolder
from transfer.networks.classifier import Classifier
from transfer.networks.weights import Weights

SETTINGS = make_settings(batch_size=4, augment="flip,shift=0.2")


@pytest.fixture
def extractor(toy: str) -> keras.Model:
    return Classifier.build("toy", 32, "linear", Weights("own")).extractor


def network(extractor: keras.Model) -> FrozenNetwork:
    return FrozenNetwork(extractor, SETTINGS)


@pytest.fixture
def folder(make_folder: Callable[..., Path]) -> ImageFolder:
    return ImageFolder.index(make_folder(per_class=3, splits=("train", "val"))).select("train")


def test_rows_are_images_view_by_view(extractor: keras.Model, folder: ImageFolder) -> None:
    features = extract(network(extractor), folder, views=2)
    assert len(features) == 9
    assert features.vectors.shape == (27, 16)
    assert features.labels.tolist() == list(folder.labels) * 3
    images = np.stack([decode(folder.file(path), 32) for path in folder.paths])
    expected = extractor.predict_on_batch(images.astype(np.float32))
    np.testing.assert_allclose(features.vectors[:9], expected, rtol=1e-4, atol=1e-5)
    for view in (features.vectors[9:18], features.vectors[18:]):
        assert not np.allclose(view, expected, atol=1e-4)
    assert not np.allclose(features.vectors[9:18], features.vectors[18:], atol=1e-4)
    again = extract(network(extractor), folder, views=1)
    np.testing.assert_allclose(again.vectors, features.vectors[:18], rtol=1e-5, atol=1e-6)


def test_activations_are_kept_where_asked(
    extractor: keras.Model, folder: ImageFolder, tmp_path: Path
) -> None:
    base = extractor.get_layer("toy")
    trunk = keras.Model(base.input, base.get_layer("add_1").output)
    both = keras.Model(extractor.input, [trunk(extractor.input), extractor.output])
    features = extract(network(both), folder, views=1, keep=tmp_path / "a.npy")
    assert features.activations is not None
    assert features.activations.shape == (18, 16, 16, 8)
    assert features.activations.dtype == np.float16
    images = np.stack([decode(folder.file(path), 32) for path in folder.paths])
    expected = trunk.predict_on_batch(images.astype(np.float32))
    np.testing.assert_allclose(features.activations[:9], expected, rtol=2e-3, atol=1e-1)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), features.activations)


def test_activations_beyond_half_precision_are_refused(
    extractor: keras.Model, folder: ImageFolder, tmp_path: Path
) -> None:
    huge = keras.layers.Rescaling(1e3)(extractor.input)
    both = keras.Model(extractor.input, [huge, extractor.output])
    with pytest.raises(TransferError, match=r"beyond the range of float16.*trunk_cache=0"):
        extract(network(both), folder, keep=tmp_path / "a.npy")


@pytest.mark.case("D42")
def test_a_file_that_vanished_is_named(extractor: keras.Model, folder: ImageFolder) -> None:
    folder.file(folder.paths[4]).unlink()
    with pytest.raises(DataError, match=folder.paths[4]):
        extract(network(extractor), folder)


def test_the_batches_are_not_those_of_the_training(
    extractor: keras.Model, folder: ImageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def engine_of(model: keras.Model) -> Engine:
        def run(images: Batch) -> list[np.ndarray]:
            sizes.append(len(images))
            return engine(images)

        engine = keras_engine(model)
        return run

    monkeypatch.setattr(engines, "keras_engine", engine_of)
    recipe = make_settings(batch_size=2)
    extract(FrozenNetwork(extractor, recipe), folder)
    assert sizes == [len(folder)]


def test_views_and_positions_are_averaged() -> None:
    maps = np.arange(2 * 3 * 8, dtype=np.float32).reshape(2, 3, 4, 2)  # views, n, positions, c
    features = Features(maps.reshape(6, 8), np.zeros(6, np.int64), None, 2)
    np.testing.assert_allclose(features.per_image(2), maps.mean(axis=(0, 2)))
