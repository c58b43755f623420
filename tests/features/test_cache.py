from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageCms
from toys import make_dataset, make_settings, register_small

import transfer
from transfer.data.audit.clean import audit
from transfer.errors import UsageError
from transfer.features import cache as caching
from transfer.features import engines, shards, store
from transfer.features import extract as extracting
from transfer.features.cache import FeatureCache
from transfer.features.extract import Features, FrozenNetwork, extract
from transfer.features.spec import fingerprint
from transfer.features.store import Space, clear, features_dir, stored_spaces
from transfer.images.decode import variant
from transfer.images.folder import ImageFolder
from transfer.networks.backbones import get_backbone, register_backbone
from transfer.networks.classifier import Classifier
from transfer.networks.weights import Weights, resolve_weights
from transfer.runs.info import FeatureInfo
from transfer.runs.run import Run
from transfer.settings import EARLIER_DECODING, Decoding, Settings
from transfer.training.sources import Sources

SETTINGS = make_settings(batch_size=4, augment="flip,shift=0.2")
ABOUT = {"backbone": "toy", "weights": "0" * 64}


class Counter:
    """Counts the engines that are made and the images that they run, and still runs them."""

    def __init__(self) -> None:
        self.engines = self.images = 0
        self._make = extracting.make_engine

    def __call__(self, model: keras.Model, *options: Any) -> tuple[engines.Engine, str]:
        engine, name = self._make(model, *options)
        if len(model.input.shape) == 2:  # a head alone
            return engine, name
        self.engines += 1

        def run(images: tf.Tensor) -> list[np.ndarray]:
            self.images += int(np.asarray(images).any(axis=(1, 2, 3)).sum())  # padding is black
            return engine(images)

        return run, name

    def take(self) -> tuple[int, int]:
        taken = self.engines, self.images
        self.engines = self.images = 0
        return taken


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    made = Counter()
    monkeypatch.setattr(extracting, "make_engine", made)
    return made


@pytest.fixture
def folder(make_folder: Callable[..., Path]) -> ImageFolder:
    return ImageFolder.index(make_folder(per_class=3, splits=("train",)))


@pytest.fixture
def extractor(toy: str) -> keras.Model:
    return Classifier.build("toy", 32, "linear", Weights("own")).extractor


def run_toy(
    extractor: keras.Model, folder: ImageFolder, settings: Settings = SETTINGS, **about: Any
) -> Features:
    cache = FeatureCache(ABOUT | about, ["vectors (avg)"], audit(folder).sha256)
    return extract(FrozenNetwork(extractor, settings), folder, views=2, cache=cache)


def index(folder: ImageFolder) -> ImageFolder:
    return ImageFolder.index(folder.root)


def repaint(folder: ImageFolder, path: str) -> None:
    Image.new("RGB", (40, 40), "orange").save(folder.file(path))


def test_a_second_run_builds_no_engine_and_gives_the_same_numbers(
    extractor: keras.Model, folder: ImageFolder, counter: Counter
) -> None:
    plain = extract(FrozenNetwork(extractor, SETTINGS), folder, views=2)
    assert counter.take() == (1, 27)
    first = run_toy(extractor, folder)
    assert counter.take() == (1, 27)
    second = run_toy(extractor, folder)
    assert counter.take() == (0, 0)
    assert (first.computed, second.computed) == (9, 0)
    np.testing.assert_array_equal(plain.vectors, first.vectors)
    np.testing.assert_array_equal(first.vectors, second.vectors)
    np.testing.assert_array_equal(first.labels, second.labels)


def test_activations_are_kept_and_the_vectors_serve_without_them(
    extractor: keras.Model, folder: ImageFolder, tmp_path: Path, counter: Counter
) -> None:
    base = extractor.get_layer("toy")
    trunk = keras.Model(base.input, base.get_layer("add_1").output)
    both = keras.Model(extractor.input, [trunk(extractor.input), extractor.output])
    found = []
    for number in range(2):
        cache = FeatureCache(ABOUT, ["at add_1", "vectors (avg)"], audit(folder).sha256)
        network = FrozenNetwork(both, SETTINGS)
        found.append(
            extract(network, folder, views=1, keep=tmp_path / f"{number}.npy", cache=cache)
        )
    assert counter.take() == (1, 18)
    one, two = (np.asarray(each.activations) for each in found)
    assert one.dtype == np.float16
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(found[0].vectors, found[1].vectors)
    cache = FeatureCache(ABOUT, ["at add_1", "vectors (avg)"], audit(folder).sha256)
    alone = extract(FrozenNetwork(both, SETTINGS), folder, views=1, cache=cache)
    assert counter.take() == (0, 0)
    np.testing.assert_array_equal(alone.vectors, found[0].vectors)
    assert run_toy(extractor, folder).computed == 9  # of which only view 2 is new
    assert counter.take() == (1, 9)
    kinds = [(each.about["what"], each.about["view"], each.images()) for each in stored_spaces()]
    assert sorted(kinds) == [
        ("at add_1", 0, 9),
        ("at add_1", 1, 9),
        *(("vectors (avg)", view, 9) for view in range(3)),
    ]


def test_a_changed_photo_is_computed_alone(
    extractor: keras.Model, folder: ImageFolder, counter: Counter
) -> None:
    before = run_toy(extractor, folder)
    counter.take()
    repaint(folder, folder.paths[4])
    after = run_toy(extractor, folder)
    assert counter.take() == (1, 3)
    assert after.computed == 1
    changed = np.abs(after.vectors - before.vectors).max(axis=1) > 1e-4
    assert np.flatnonzero(changed).tolist() == [4, 13, 22]
    fresh = extract(FrozenNetwork(extractor, SETTINGS), folder, views=2)
    np.testing.assert_allclose(after.vectors, fresh.vectors, rtol=1e-5, atol=1e-6)


def test_a_renamed_photo_keeps_its_own_view(
    extractor: keras.Model, folder: ImageFolder, counter: Counter
) -> None:
    run_toy(extractor, folder)
    counter.take()
    old = folder.file(folder.paths[0])
    old.rename(old.with_name("renamed.png"))  # its augmented views are drawn from its path
    assert run_toy(extractor, index(folder)).computed == 1
    assert counter.take() == (1, 2)


def test_what_features_depend_on(
    extractor: keras.Model, folder: ImageFolder, counter: Counter
) -> None:
    run_toy(extractor, folder)
    counter.take()
    for knobs, about, images in (
        ({"augment": "shift=0.2, flip"}, {}, 0),
        ({"batch_size": 3}, {}, 0),
        ({"augment": "flip"}, {}, 18),
        ({"seed": 1}, {}, 18),
        ({}, {"weights": "1" * 64}, 27),
    ):
        run_toy(extractor, folder, replace(SETTINGS, **knobs), **about)
        assert counter.take()[1] == images, (knobs, about)


def test_a_file_replaced_after_the_audit_does_not_get_in(
    extractor: keras.Model, folder: ImageFolder, counter: Counter
) -> None:
    original = folder.file(folder.paths[2]).read_bytes()
    sha256 = audit(folder).sha256
    repaint(folder, folder.paths[2])
    cache = FeatureCache(ABOUT, ["vectors (avg)"], sha256)
    extract(FrozenNetwork(extractor, SETTINGS), folder, cache=cache)
    assert [each.images() for each in stored_spaces()] == [8]
    folder.file(folder.paths[2]).write_bytes(original)
    counter.take()
    cache = FeatureCache(ABOUT, ["vectors (avg)"], sha256)
    found = extract(FrozenNetwork(extractor, SETTINGS), folder, cache=cache)
    assert counter.take() == (1, 1)
    fresh = extract(FrozenNetwork(extractor, SETTINGS), folder)
    np.testing.assert_allclose(found.vectors, fresh.vectors, rtol=1e-5, atol=1e-6)


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def garble(file: Path) -> None:
    file.write_bytes(b"\x93NUMPY\x01\x00\x76\x00{'descr': (" + bytes(range(256)))


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("harm", [truncate, garble, empty])
@pytest.mark.parametrize("suffix", [".npy", ".keys"])
def test_a_damaged_shard_is_removed_with_a_warning(
    caplog: pytest.LogCaptureFixture, harm: Callable[[Path], None], suffix: str
) -> None:
    space = Space(features_dir(), {"number": 1})
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    space.append(keys("a"), array, np.array([0]))
    (shard,) = space.path.glob(f"*{suffix}")
    space.append(keys("b", "c"), array, np.array([1, 2]))
    harm(shard)
    expected = dict(zip(keys("b", "c"), array[1:].tolist(), strict=True))
    assert rows_of(space) == expected
    assert caplog.text.count("is damaged and is removed; its features are computed again") == 1
    assert len(list(space.path.iterdir())) == 3
    assert rows_of(space) == expected
    assert caplog.text.count("is damaged") == 1
    assert space.rows((5,), np.dtype(np.float32)) == {}  # not of the shape that is expected
    assert "float32 of shape (2, 4)" in caplog.text


def test_a_shard_that_another_process_removes_is_no_damage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    space = Space(features_dir(), {"number": 1})
    space.append(keys("a"), np.ones((1, 4), np.float32), np.array([0]))
    next(space.path.glob("*.npy")).unlink()
    assert rows_of(space) == {}
    assert not caplog.text


@pytest.mark.parametrize("error", [PermissionError(13, "no"), OSError(24, "many"), MemoryError()])
def test_a_shard_that_cannot_be_read_now_is_no_damage(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    space = Space(features_dir(), {"number": 1})
    space.append(keys("a"), np.ones((1, 4), np.float32), np.array([0]))

    def fail(*arguments: object, **options: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(np, "memmap", fail)
        assert rows_of(space) == {}
    assert rows_of(space) == {"a" * 64: [1.0] * 4}
    assert not caplog.text


def test_what_a_damaged_shard_held_is_computed_anew(
    extractor: keras.Model, folder: ImageFolder, counter: Counter
) -> None:
    before = run_toy(extractor, folder)
    counter.take()
    truncate(next(features_dir().glob("*/*.npy")))
    after = run_toy(extractor, folder)
    assert counter.take() == (1, 9)
    np.testing.assert_array_equal(before.vectors, after.vectors)
    assert run_toy(extractor, folder).computed == 0


def test_shards_are_written_as_the_images_are_computed(
    extractor: keras.Model, folder: ImageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extracting, "SHARD", 4)
    monkeypatch.setattr(extracting, "BATCH_SIZE", 4)
    monkeypatch.setattr(shards, "CHUNK", 3)
    before = run_toy(extractor, folder)
    assert len(list(features_dir().glob("*/*.keys"))) == 3 * 3
    np.testing.assert_array_equal(run_toy(extractor, folder).vectors, before.vectors)


def test_a_full_disk_stops_the_cache_and_not_the_run(
    extractor: keras.Model,
    folder: ImageFolder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain = extract(FrozenNetwork(extractor, SETTINGS), folder, views=2)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards, "atomic", full)
    found = run_toy(extractor, folder)
    np.testing.assert_array_equal(found.vectors, plain.vectors)
    assert caplog.text.count("No space left on device") == 1
    assert list(features_dir().glob("*/*.keys")) == []


def keys(*names: str) -> list[str]:
    return [name * 64 for name in names]


def rows_of(space: Space) -> dict[str, list[float]]:
    found = space.rows((4,), np.dtype(np.float32))
    return {key: shard.array[row].tolist() for key, (shard, row) in found.items()}


def fill(cache: FeatureCache, number: int, count: int) -> Space:
    space = Space(cache.root, {"number": number})
    cache.in_use.add(space.path)
    names = [f"{number}-{i}" for i in range(count)]
    cache.write(space, names, np.ones((count, 250), np.float32), np.arange(count))
    return space


def test_the_spaces_not_used_for_longest_make_room(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRANSFER_CACHE", "50KB")
    spaces = [fill(FeatureCache({}, [], {}), number, 10) for number in range(4)]  # 10.5 KB each
    assert all(space.path.exists() for space in spaces)
    for age, space in enumerate((spaces[2], spaces[0], spaces[3])):  # 1 was used last
        os.utime(space.path / "space.json", (time.time() - 90 - age,) * 2)
    (features_dir() / "mine").mkdir()
    (features_dir() / "mine" / "a.txt").write_text("not ours")
    cache = FeatureCache({}, [], {})
    fill(cache, 5, 12)
    assert [space.path.exists() for space in spaces] == [True, True, True, False]
    fill(cache, 6, 20)
    assert [space.path.exists() for space in spaces] == [False, True, False, False]
    assert sum(each.size for each in stored_spaces()) <= 50_000
    assert not caplog.text
    fill(cache, 7, 40)  # would fit only in the place of 5 and 6, which are in use
    fill(cache, 8, 1)
    assert caplog.text.count("they need more than 5e-05 GB (raise TRANSFER_CACHE)") == 1
    assert {each.about["number"] for each in stored_spaces()} == {5, 6}
    assert clear() > 30_000
    assert [path.name for path in features_dir().rglob("*")] == ["mine", "a.txt"]


def test_two_processes_at_once() -> None:
    space = Space(features_dir(), {"number": 1})
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    jobs: list[tuple[Sequence[str], np.ndarray]] = [
        (keys("a", "b"), np.array([0, 1])),
        (keys("b", "c"), np.array([1, 2])),
    ] * 10
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for done in [pool.submit(space.append, names, array, rows) for names, rows in jobs]:
            done.result()
    assert rows_of(space) == dict(zip(keys("a", "b", "c"), array.tolist(), strict=True))
    assert len(list(space.path.glob("*.keys"))) == 20


KILLED = """
import os, signal, sys
import numpy as np
from transfer.features import shards, store

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

class Deadly:
    dtype, shape = np.dtype(np.float32), (64, 4)
    def __getitem__(self, rows):
        return die() if 40 in rows else np.ones((len(rows), 4), np.float32)

space = store.Space(store.features_dir(), {"number": 1})
array = np.ones((64, 4), np.float32)
space.append(["b" * 64], array, np.array([0]))
if sys.argv[1] == "rows":
    array = Deadly()
else:
    shards.write_text = die
space.append([f"{i:064}" for i in range(64)], array, np.arange(64))
"""


@pytest.mark.parametrize("when", ["rows", "keys"])
def test_a_kill_in_the_middle_of_writing_leaves_a_valid_cache(
    when: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, when])
    assert done.returncode == -signal.SIGKILL
    space = Space(features_dir(), {"number": 1})
    assert len(list(space.path.iterdir())) == 4  # the good shard, what is torn, and space.json
    assert rows_of(space) == {"b" * 64: [1.0] * 4}
    assert len(list(space.path.iterdir())) == 4  # another run might be writing it
    monkeypatch.setattr(store, "ORPHANED", -1.0)
    assert rows_of(space) == {"b" * 64: [1.0] * 4}
    assert len(list(space.path.iterdir())) == 3
    assert not caplog.text


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a registered backbone that is known by import strings alone."""
    return register_small(tmp_path / "modules", monkeypatch)


@pytest.fixture
def weights(small: str, tmp_path: Path) -> list[Path]:
    """Two weights files of it."""
    files = []
    for number in range(2):
        keras.utils.set_random_seed(number)
        files.append(tmp_path / f"{number}.weights.h5")
        get_backbone(small).build().save_weights(files[-1])
    return files


def finetune(folder: Path, output: Path, weights: Path, **knobs: Any) -> Run:
    defaults = {
        "backbone": "small",
        "engine": "keras",
        "head_epochs": 2,
        "epochs": 1,
        "views": 1,
        "unfreeze": "1",
    }
    return transfer.finetune(folder, output=output, weights=str(weights), **defaults | knobs)


def test_another_head_and_another_rate_need_no_inference(
    small: str,
    weights: list[Path],
    make_folder: Callable[..., Path],
    tmp_path: Path,
    counter: Counter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="transfer")
    folder = make_folder(per_class=2, splits=("train", "val"))
    run = finetune(folder, tmp_path / "1", weights[0])
    assert run.info.features == FeatureInfo(0, 12, "keras", "f32")
    assert "Features of 12 images: 0 from the cache, 12 computed" in caplog.text
    assert counter.take() == (1, 6 * 2 + 6)  # nothing is kept of the prediction afterwards
    again = finetune(folder, tmp_path / "2", weights[0])
    assert again.info.features == FeatureInfo(12, 0, "keras", "f32")
    head = again.info.phases["head"]["val_loss"]
    assert head == pytest.approx(run.info.phases["head"]["val_loss"], rel=1e-6)
    none = {"unfreeze": "none", "head": "avg,8", "head_learning_rate": 0.01}
    assert finetune(folder, tmp_path / "3", weights[0], **none).info.features.cached == 12
    assert counter.take() == (0, 0)
    Image.new("RGB", (40, 40), "orange").save(folder / "train" / "red" / "0.png")
    changed = finetune(folder, tmp_path / "4", weights[0], **none)
    assert changed.info.features.computed == 1
    assert "Features of 12 images: 11 from the cache, 1 computed" in caplog.text


def test_a_size_of_nothing_neither_reads_nor_writes(
    small: str,
    weights: list[Path],
    make_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, head = make_folder(per_class=5), {"unfreeze": "none", "head_epochs": 1}
    finetune(folder, tmp_path / "1", weights[0], **head)
    files = {path: path.stat().st_mtime_ns for path in features_dir().rglob("*")}
    monkeypatch.setenv("TRANSFER_CACHE", "0")
    run = finetune(folder, tmp_path / "2", weights[0], **head)
    assert run.info.features.computed == 15
    assert {path: path.stat().st_mtime_ns for path in features_dir().rglob("*")} == files
    monkeypatch.setenv("TRANSFER_CACHE", "much")
    with pytest.raises(UsageError, match=r"TRANSFER_CACHE.*'much'"):
        finetune(folder, tmp_path / "3", weights[0], **head)
    assert not (tmp_path / "3").exists()


def test_all_that_the_network_depends_on_is_in_the_key(
    small: str, weights: list[Path], folder: ImageFolder
) -> None:
    dataset = make_dataset(folder.root)

    def spaces(file: Path = weights[0], **knobs: Any) -> list[Path]:
        settings = make_settings(backbone=small, **knobs)
        origin = resolve_weights(get_backbone(small), str(file))
        network = Classifier.build(small, settings.image_size, settings.head, origin)
        sources = Sources(settings, dataset, origin, network)
        cache = sources.at(settings.engine, settings.precision).cache
        assert cache is not None
        return [space.path for space in cache.view(folder, 0, settings)._spaces]

    usual = spaces()
    assert spaces() == usual
    assert spaces(head="avg,100", learning_rate=1.0, batch_size=7) == usual
    assert spaces(cut="conv_1")[1:] == usual
    others = [
        spaces(file=weights[1]),
        spaces(image_size=64),
        spaces(resize="crop"),
        spaces(head="max"),
        spaces(cut="conv_1")[:1],
        spaces(cut="conv_2")[:1],
    ]
    if find_spec("openvino") is not None:
        others += [spaces(engine="openvino"), spaces(engine="openvino", precision="bf16")]
    assert len({path for each in [usual, *others] for path in each}) == len(others) + 1


def test_what_nothing_identifies_is_not_kept(
    toy: str, small: str, weights: list[Path], folder: ImageFolder
) -> None:
    known = Weights("file", weights[0])
    for name, origin in (
        (toy, known),  # a function made it
        (small, Weights("none")),
    ):
        network = Classifier.build(name, 32, "linear", Weights("own"))
        settings = make_settings(backbone=name)
        sources = Sources(settings, make_dataset(folder.root), origin, network)
        assert sources.at("keras", "f32").cache is None


def test_a_network_is_known_again_by_its_layers(toy: str) -> None:
    def build() -> keras.Model:
        base = get_backbone(toy).build()
        image = keras.Input(base.input.shape[1:])
        return keras.Model(image, base(image))

    one, two = build(), build()
    assert one.get_config() != two.get_config()  # Keras numbers what it makes
    assert fingerprint(one) == fingerprint(two)
    two.get_layer(toy).get_layer("out_relu").max_value = 6.0
    assert fingerprint(one) != fingerprint(two)


def test_compare_keeps_its_features_under_their_own_name(
    small: str, weights: list[Path], make_folder: Callable[..., Path]
) -> None:
    folder, knobs = make_folder(per_class=3), {"weights": str(weights[0]), "engine": "keras"}
    transfer.compare(folder, [small], **knobs)
    assert {each.about["what"] for each in stored_spaces()} == {"vectors (avg)"}


def test_photos_are_not_opened_again_for_their_keys(
    small: str, weights: list[Path], make_folder: Callable[..., Path], opened: list[str]
) -> None:
    folder = make_folder(per_class=3)
    ramp = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    Image.fromarray(ramp).save(next(folder.rglob("*.png")).with_name("deep.png"))
    run = finetune(folder, folder.parent / "run", weights[0], unfreeze="none")
    assert set(opened) == {"deep.png"}
    finetune(folder, folder.parent / "again", weights[0], unfreeze="none")
    assert set(opened) == {"deep.png"}
    assert run.info.features.computed


def test_other_preprocessing_behind_the_same_name_is_noticed(
    small: str, weights: list[Path], folder: ImageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "small_network:build", "small_network:scale"
    register_backbone(small, code[0], preprocess=code[1], image_size=32, overwrite=True)

    def space(factor: float) -> Path:
        monkeypatch.setattr("small_network.scale", lambda x: x * factor, raising=False)
        settings = make_settings(backbone=small)
        origin = resolve_weights(get_backbone(small), str(weights[0]))
        network = Classifier.build(small, 32, "linear", origin)
        cache = (
            Sources(settings, make_dataset(folder.root), origin, network).at("keras", "f32").cache
        )
        assert cache is not None
        return cache.view(folder, 0, settings)._spaces[0].path

    assert space(0.5) == space(0.5)
    assert space(0.5) != space(0.25)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are opened for their keys."""
    names = []

    def counted(file: Path, decoding: Decoding) -> str:
        names.append(file.name)
        return variant(file, decoding)

    monkeypatch.setattr(caching, "variant", counted)
    return names


@pytest.mark.case("F08")
def test_only_pictures_that_are_read_anew_have_other_keys(
    tree: Callable[..., Path],
    encoded: Callable[..., bytes],
    picture: Callable[..., Image.Image],
    opened: list[str],
) -> None:
    root = tree({"a": 1, "b": 0})
    gamma = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (root / "b" / "srgb.jpg").write_bytes(encoded(picture(), icc_profile=gamma))
    swapped = gamma.replace(b"rXYZ", b"xxxx").replace(b"bXYZ", b"rXYZ").replace(b"xxxx", b"bXYZ")
    (root / "b" / "swapped.jpg").write_bytes(encoded(picture(), icc_profile=swapped))
    gray = gamma.replace(b"RGB ", b"GRAY", 1)  # of another colour space: unusable
    (root / "b" / "damaged.jpg").write_bytes(encoded(picture(), icc_profile=gray))
    deep = Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64))
    deep.save(root / "b" / "deep.png")
    folder = ImageFolder.index(root)
    digests = {path: path.encode().hex() for path in folder.paths}
    unusual = audit(folder).unusual
    assert unusual == {"b/deep.png", "b/swapped.jpg"}

    def keys(decoding: Decoding) -> dict[str, str]:
        opened.clear()
        known = FeatureCache(ABOUT, ["x"], digests, unusual)._keys(folder, decoding)
        assert sorted(opened) == ["deep.png", "swapped.jpg"]
        assert known == FeatureCache(ABOUT, ["x"], digests)._keys(folder, decoding)
        return dict(zip(folder.paths, known, strict=True))

    assert keys(EARLIER_DECODING) == digests
    assert keys(Decoding((0.0, 65535.0), profiles="ignore")) == digests
    new = keys(Decoding((0.0, 65535.0)))
    assert [path for path in new if new[path] != digests[path]] == ["b/swapped.jpg"]
    new = keys(Decoding((0.0, 4095.0), profiles="ignore"))
    assert [path for path in new if new[path] != digests[path]] == ["b/deep.png"]
    assert new["b/deep.png"] != keys(Decoding((0.0, 1023.0), profiles="ignore"))["b/deep.png"]
