"""Features read from the cache are verified; damaged ones are computed again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
from toys import make_settings

from transfer.data.audit.clean import audit
from transfer.features.cache import FeatureCache
from transfer.features.converted import convert, place_for
from transfer.features.engines import openvino_engine
from transfer.features.extract import Features, FrozenNetwork, extract
from transfer.features.store import Space, features_dir, stored_spaces
from transfer.images.folder import ImageFolder
from transfer.networks.backbones import get_backbone
from transfer.networks.classifier import Classifier
from transfer.networks.weights import Weights

SETTINGS = make_settings(augment="none")
ABOUT = {"backbone": "toy"}


@pytest.fixture
def extractor(toy: str) -> keras.Model:
    return Classifier.build("toy", 32, "linear", Weights("own")).extractor


@pytest.fixture
def folder(make_folder: Callable[..., Path]) -> ImageFolder:
    return ImageFolder.index(make_folder(per_class=3))


def run_toy(extractor: keras.Model, folder: ImageFolder) -> Features:
    cache = FeatureCache(ABOUT, ["vectors (avg)"], audit(folder).sha256)
    return extract(FrozenNetwork(extractor, SETTINGS), folder, cache=cache)


def overwrite(file: Path, start: int, count: int, value: int) -> None:
    content = bytearray(file.read_bytes())
    content[start : start + count] = bytes([value]) * count
    file.write_bytes(content)


def zero_rows(file: Path) -> None:
    overwrite(file, file.stat().st_size - 128, 128, 0)


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def put_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def put_a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


HARMS = [
    (zero_rows, ".npy"),
    (flip_a_bit, ".npy"),
    (put_a_pipe, ".npy"),
    (put_a_pipe, ".keys"),
    (put_a_link, ".npy"),
    (put_a_link, ".keys"),
]


@pytest.mark.parametrize(("harm", "suffix"), HARMS)
def test_damaged_features_are_computed_again(
    extractor: keras.Model,
    folder: ImageFolder,
    harm: Callable[[Path], None],
    suffix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = run_toy(extractor, folder)
    (shard,) = features_dir().glob(f"*/*{suffix}")
    harm(shard)
    after = run_toy(extractor, folder)
    assert after.computed == 9
    np.testing.assert_array_equal(after.vectors, before.vectors)
    assert caplog.text.count("is damaged and is removed") == 1
    caplog.clear()
    again = run_toy(extractor, folder)
    assert again.computed == 0
    np.testing.assert_array_equal(again.vectors, before.vectors)
    assert not caplog.text


def test_a_shard_of_another_space_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    one, other = (Space(features_dir(), {"number": number}) for number in (1, 2))
    for space in (one, other):
        space.append(["a" * 64], np.ones((1, 4), np.float32), np.array([0]))
    for file in one.path.glob("*.keys"):
        shutil.copy(file, other.path)
        shutil.copy(file.with_suffix(".npy"), other.path)
    assert len(other.rows((4,), np.dtype(np.float32))) == 1
    assert caplog.text.count("it belongs to another space") == 1


def test_rows_that_are_not_finite_are_not_kept() -> None:
    cache, space = FeatureCache({}, [], {}), Space(features_dir(), {"number": 1})
    array = np.ones((4, 3), np.float32)
    array[1, 2], array[3, 0] = np.nan, np.inf
    cache.write(space, list("abcd"), array, np.arange(4))
    assert sorted(space.rows((3,), np.dtype(np.float32))) == ["a", "c"]
    array[:] = np.nan
    cache.write(space, list("efgh"), array, np.arange(4))
    assert len(list(space.path.glob("*.keys"))) == 1


def test_a_pipe_for_a_description_hangs_nothing() -> None:
    space = Space(features_dir(), {"number": 1})
    space.append(["a" * 64], np.ones((1, 4), np.float32), np.array([0]))
    put_a_pipe(space.path / "space.json")
    (found,) = stored_spaces()
    assert (found.about, found.images()) == ({}, 1)


needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs OpenVINO")


def change_64_bytes(kept: Path) -> None:
    overwrite(kept.with_suffix(".bin"), 1000, 64, 77)


def swap_the_network(kept: Path) -> None:
    """Put a valid network of the same shape in its place, digests and all."""
    image = keras.Input((32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    other = keras.Model(image, keras.layers.Dense(16)(pooled))
    place = place_for({"network": "other"})
    assert place is not None
    convert(lambda: other, place)
    for suffix in (".xml", ".bin", ".json"):
        shutil.copy(place.with_suffix(suffix), kept.with_suffix(suffix))


NETWORK_HARMS = [
    change_64_bytes,
    swap_the_network,
    lambda kept: put_a_pipe(kept.with_suffix(".bin")),
    lambda kept: put_a_pipe(kept.with_suffix(".json")),
    lambda kept: put_a_link(kept.with_suffix(".bin")),
    lambda kept: kept.with_suffix(".json").write_text("[]"),
]


@needs_openvino
@pytest.mark.parametrize("harm", NETWORK_HARMS)
def test_a_damaged_network_is_converted_again(
    toy: str, harm: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    base = get_backbone(toy).build()
    model = keras.Model(base.input, keras.layers.GlobalAveragePooling2D()(base.output))
    kept = place_for({"network": "toy"})
    assert kept is not None
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    expected = openvino_engine(convert(lambda: model, kept))(images)[0]
    harm(kept)
    elsewhere = kept.parent / "elsewhere"
    linked = elsewhere.read_bytes() if elsewhere.exists() else None
    found = openvino_engine(convert(lambda: model, kept))(images)[0]
    np.testing.assert_array_equal(found, expected)
    assert caplog.text.count("is damaged and is made again") == 1
    caplog.clear()
    again = convert(lambda: pytest.fail("converted once more"), kept)
    np.testing.assert_array_equal(openvino_engine(again)(images)[0], expected)
    assert not caplog.text
    assert linked is None or elsewhere.read_bytes() == linked
    assert kept.with_suffix(".bin").is_file()


@needs_openvino
def test_a_network_without_checksums_is_converted_again_in_silence(
    toy: str, caplog: pytest.LogCaptureFixture
) -> None:
    model, kept = get_backbone(toy).build(), place_for({"network": "toy"})
    assert kept is not None
    convert(lambda: model, kept)
    kept.with_suffix(".json").unlink()
    assert convert(lambda: model, kept) is not None
    assert kept.with_suffix(".json").is_file()
    assert not caplog.text
