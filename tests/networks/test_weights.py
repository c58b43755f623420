"""Where weights are looked for, how they are downloaded, and how they get into a network."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transfer.errors import UsageError, WeightsError
from transfer.networks.backbones import Backbone, get_backbone, register_backbone
from transfer.networks.loading import load_weights
from transfer.networks.weights import Weights, keras_cache, locate, resolve_weights

# TensorFlow's, under NumPy 2, wherever Keras reads a variable
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
BODY = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 9000  # more than one chunk


def build_toy(input_shape: tuple[int, int, int]) -> Any:
    import keras
    from keras import layers

    image = keras.Input(input_shape)
    x = layers.Conv2D(3, 3, name="a")(image)
    x = layers.BatchNormalization(name="norm")(x)
    return keras.Model(image, layers.Conv2D(4, 3, name="b")(x))


@pytest.fixture
def toy() -> Backbone:
    return register_backbone("toy-weights", build_toy, image_size=8, overwrite=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("TRANSFER_WEIGHTS", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "models"


def put(path: Path, content: bytes = BODY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# Where they are looked for


def test_keras_cache_is_keras_own(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keras_cache() == cache
    monkeypatch.delenv("KERAS_HOME")
    assert keras_cache() == Path.home() / ".keras" / "models"


def test_auto_takes_the_bundled_file() -> None:
    weights = locate(get_backbone("mobilenetv2"))
    assert weights.origin == "bundled"
    assert weights.path is not None
    assert weights.path.parent.name == "bundled"
    assert weights.sha256 == hashlib.sha256(weights.path.read_bytes()).hexdigest()
    readme = (weights.path.parent / "README.md").read_text(encoding="utf-8")
    assert weights.sha256 in readme
    assert "Apache-2.0" in readme
    assert locate(get_backbone("mobilenetv2"), "bundled") == weights


def test_auto_prefers_the_folder_of_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("TRANSFER_WEIGHTS", str(folder))
    assert locate(get_backbone("mobilenetv2")).origin == "bundled"
    path = put(folder / "mobilenetv2_notop.weights.h5")
    found = locate(get_backbone("mobilenetv2"))
    assert found == Weights("file", path)
    assert locate(get_backbone("mobilenetv2"), "bundled").origin == "bundled"


def test_auto_needs_a_download_where_nothing_is_bundled() -> None:
    assert locate(get_backbone("vgg16")) == Weights("imagenet")


def test_auto_leaves_an_own_model_as_its_constructor_made_it(toy: Backbone) -> None:
    assert locate(toy) == resolve_weights(toy) == Weights("own")
    assert locate(toy, "none") == Weights("none")


def test_none_is_none() -> None:
    assert resolve_weights(get_backbone("mobilenetv2"), "none") == Weights("none")
    assert locate(get_backbone("lenet5")) == Weights("none")  # no constructor of the user's


@pytest.mark.parametrize("origin", ["own", "bundled", "imagenet", "file", "none"])
def test_random_weights_alone_are_not_pretrained(origin: str) -> None:
    assert Weights(origin).pretrained is (origin != "none")


def test_random_weights_are_no_remedy(toy: Backbone) -> None:
    """`weights="none"` instead of missing weights would train on noise."""
    for backbone, spec in ((get_backbone("vgg16"), "bundled"), (toy, "imagenet")):
        with pytest.raises(UsageError) as error:
            locate(backbone, spec)
        assert "none" not in str(error.value)


def test_imagenet_takes_a_sound_file_of_the_cache(cache: Path) -> None:
    mobilenet = get_backbone("mobilenet")  # Keras gives no hash for it
    path = put(cache / "mobilenet_1_0_224_tf_no_top.h5")
    assert locate(mobilenet, "imagenet") == Weights("imagenet", path)
    assert resolve_weights(mobilenet, "imagenet").path == path
    vgg = dataclasses.replace(get_backbone("vgg16"), weights_md5=hashlib.md5(BODY).hexdigest())
    put(cache / str(vgg.weights_file))
    assert resolve_weights(vgg, "imagenet").sha256 == hashlib.sha256(BODY).hexdigest()


def test_path_of_a_file_or_a_folder(tmp_path: Path) -> None:
    vgg = get_backbone("vgg16")
    path = put(tmp_path / "mine.h5")
    assert locate(vgg, str(path)).path == path
    official = put(tmp_path / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5")
    assert locate(vgg, str(tmp_path)).path == official
    own = put(tmp_path / "vgg16_notop.fp16.weights.h5")
    assert locate(vgg, str(tmp_path)).path == own
    with pytest.raises(
        UsageError, match=r"'vgg19' in the folder .*vgg19_notop\*\.weights\.h5 or vgg19_weights_tf"
    ):
        locate(get_backbone("vgg19"), str(tmp_path))


def test_a_path_of_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path / "mine.h5")
    assert locate(get_backbone("vgg16"), "~/mine.h5").path == tmp_path / "mine.h5"


def test_bad_specs_say_how_to_mend_them(tmp_path: Path, toy: Backbone) -> None:
    vgg = get_backbone("vgg16")
    with pytest.raises(UsageError, match=r"'imagnet' does not exist\. Did you mean 'imagenet'"):
        locate(vgg, "imagnet")
    with pytest.raises(UsageError, match=r"missing\.h5' does not exist"):
        locate(vgg, str(tmp_path / "missing.h5"))
    with pytest.raises(UsageError, match=r"\.weights\.h5 or \.h5 file\. Received: .*model\.keras"):
        locate(vgg, str(put(tmp_path / "model.keras")))
    with pytest.raises(UsageError, match=r"'vgg16' come with this package, only of: .*mobilenetv2"):
        locate(vgg, "bundled")
    with pytest.raises(UsageError, match=r"of 'toy-weights' are known\. Use weights='PATH'"):
        locate(toy, "imagenet")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(UsageError, match=r"pipe\.h5' does not exist"):
        locate(get_backbone("vgg16"), str(tmp_path / "pipe.h5"))


# Downloads


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/missing.h5" else 200)
        extra = 1000 if self.path == "/short.h5" else 0
        body = b"<html>Please log in</html>" if "missing" in self.path else BODY
        body = b"<html>Please log in</html>" if "portal" in self.path else body
        self.send_header("Content-Length", str(len(body) + extra))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def remote(url: str, md5: str | None = None) -> Backbone:
    return register_backbone(
        "toy-remote", build_toy, image_size=8, weights_url=url, weights_md5=md5, overwrite=True
    )


@pytest.mark.case("T21")
@pytest.mark.parametrize("algorithm", [None, "md5", "sha256"])
def test_download(server: str, cache: Path, algorithm: str | None) -> None:
    md5 = hashlib.new(algorithm, BODY).hexdigest() if algorithm else None
    backbone = remote(f"{server}/good.h5", md5)
    assert locate(backbone) == Weights("imagenet")
    weights = resolve_weights(backbone)
    assert weights == Weights("imagenet", cache / "good.h5")
    assert [path.name for path in cache.iterdir()] == ["good.h5"]
    assert (cache / "good.h5").read_bytes() == BODY
    offline = dataclasses.replace(backbone, weights_url="http://127.0.0.1:9/good.h5")
    assert resolve_weights(offline) == weights


@pytest.mark.case("T21")
@pytest.mark.parametrize(
    ("path", "md5", "reason"),
    [
        ("/short.h5", None, "it broke off after 2,304,008 of 2,305,008 bytes"),
        ("/good.h5", "0" * 32, "the file received is wrong: its md5 is"),
        ("/missing.h5", None, "HTTP Error 404"),
        ("/portal.h5", None, "the file received is wrong: it is not an HDF5 file"),
    ],
)
def test_failed_download_leaves_nothing(
    server: str, cache: Path, path: str, md5: str | None, reason: str
) -> None:
    with pytest.raises(WeightsError) as error:
        resolve_weights(remote(server + path, md5))
    message = str(error.value)
    assert "\n" not in message
    for part in (
        reason,
        server + path,
        str(cache / path[1:]),
        "weights='PATH'",
        "choose a backbone",
    ):
        assert part in message
    assert "none" not in message  # random weights are no remedy
    assert list(cache.iterdir()) == []


@pytest.mark.case("T21")
def test_no_network_leaves_nothing(cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"Cannot download good\.h5 .*refused"):
        resolve_weights(remote("http://127.0.0.1:9/good.h5"))
    assert list(cache.iterdir()) == []


@pytest.mark.case("T21")
def test_a_cache_that_cannot_be_written(cache: Path, server: str) -> None:
    put(cache.parent, b"a file where the folder should be")
    with pytest.raises(WeightsError, match="Cannot download"):
        resolve_weights(remote(f"{server}/good.h5"))


@pytest.mark.case("T21")
def test_a_wrong_file_in_the_cache_is_replaced(
    server: str, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backbone = remote(f"{server}/good.h5", hashlib.md5(BODY).hexdigest())
    path = put(cache / "good.h5", b"half of it")
    with caplog.at_level(logging.INFO, "transfer"):
        assert resolve_weights(backbone).path == path
    assert path.read_bytes() == BODY
    assert "good.h5 is not used: its md5 is" in caplog.text


# Loading


def test_load_both_formats(toy: Backbone, tmp_path: Path) -> None:
    source = toy.build()
    source.save_weights(tmp_path / "toy-weights_notop.weights.h5")
    save_legacy(source, tmp_path / "legacy.h5")
    for name in ("toy-weights_notop.weights.h5", "legacy.h5"):
        model = toy.build()
        load_weights(model, toy, resolve_weights(toy, str(tmp_path / name)))
        for found, expected in zip(model.get_weights(), source.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("origin", ["own", "none"])
def test_without_a_file_nothing_changes(toy: Backbone, origin: str) -> None:
    model = toy.build()
    before = model.get_weights()
    load_weights(model, toy, Weights(origin))
    for found, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_load_the_bundled_file() -> None:
    backbone = get_backbone("mobilenetv2")
    model = backbone.build(32)
    load_weights(model, backbone, resolve_weights(backbone))
    variance = model.get_layer("bn_Conv1").get_weights()[3]
    assert variance.dtype == np.float32
    assert not (variance == 1).any()


def test_unfit_files_are_named(toy: Backbone, tmp_path: Path) -> None:
    import h5py
    import keras

    whole = tmp_path / "whole.weights.h5"
    toy.build().save_weights(whole)
    image = keras.Input((8, 8, 3))
    other = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    other.save_weights(tmp_path / "other.weights.h5")
    save_legacy(other, tmp_path / "other.h5")
    put(tmp_path / "truncated.weights.h5", whole.read_bytes()[:3000])
    put(tmp_path / "text.h5", b"<html>")
    put(tmp_path / "empty.weights.h5", b"")
    h5py.File(tmp_path / "hollow.weights.h5", "w").close()
    h5py.File(tmp_path / "hollow.h5", "w").close()
    put(tmp_path / "misnamed.h5", whole.read_bytes())
    names = [path.name for path in tmp_path.glob("*.h5") if path != whole]
    assert len(names) == 8
    for name in names:
        weights = resolve_weights(toy, str(tmp_path / name))
        with pytest.raises(WeightsError, match=f"{name} does not fit 'toy-weights': ") as error:
            load_weights(toy.build(), toy, weights)
        assert "\n" not in str(error.value)


def test_numbers_that_are_not_finite_are_refused(toy: Backbone, tmp_path: Path) -> None:
    model = toy.build()
    values = model.get_weights()
    values[0][0, 0, 0, 0] = np.nan
    model.set_weights(values)
    model.save_weights(tmp_path / "nan.weights.h5")
    with pytest.raises(WeightsError, match=r"nan\.weights\.h5 holds no finite .* for a/kernel"):
        load_weights(toy.build(), toy, resolve_weights(toy, str(tmp_path / "nan.weights.h5")))


def test_a_layer_that_the_file_passes_over_is_noticed(tmp_path: Path) -> None:
    import h5py
    import keras

    class Nested(keras.layers.Layer):  # Keras skips such lists if an older file lacks them
        def __init__(self, **options: Any) -> None:
            super().__init__(**options | {"name": "nested"})
            self.groups = [[keras.layers.Dense(4, name="inner")]]

        def build(self, input_shape: Any) -> None:
            self.groups[0][0].build(input_shape)

        def call(self, x: Any) -> Any:
            return self.groups[0][0](x)

    def build(input_shape: tuple[int, int, int]) -> Any:
        image = keras.Input(input_shape)
        return keras.Model(image, Nested()(image))

    nested = register_backbone("toy-nested", build, image_size=8, overwrite=True)
    path = tmp_path / "older.weights.h5"
    nested.build().save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["layers/nested/groups/container"]
    with pytest.raises(WeightsError, match=r"older.* holds no finite numbers for .*inner/kernel"):
        load_weights(nested.build(), nested, resolve_weights(nested, str(path)))


def test_weights_yet_to_be_downloaded_are_refused(toy: Backbone) -> None:
    with pytest.raises(WeightsError, match="resolve_weights"):
        load_weights(toy.build(), toy, Weights("imagenet"))


def save_legacy(model: Any, path: Path) -> None:
    """Write the HDF5 layout of Keras 1 and 2, which all official files have."""
    import h5py
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)


@pytest.mark.slow
def test_efficientnet_computes_what_keras_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras
    from keras.src.utils import file_utils

    backbone = get_backbone("efficientnetb0")
    rng = np.random.default_rng(0)
    source = backbone.build(64)
    source.set_weights(
        [w + rng.uniform(0, 0.05, w.shape).astype(w.dtype) for w in source.get_weights()]
    )
    normalization = next(x for x in source.layers if isinstance(x, keras.layers.Normalization))
    mean, variance = np.array([0.485, 0.456, 0.406]), np.array([0.0524, 0.0502, 0.0506])
    normalization.set_weights([mean, variance, np.array(0)])
    official = tmp_path / "efficientnetb0_notop.h5"
    save_legacy(source, official)
    source.save_weights(tmp_path / "efficientnetb0_notop.weights.h5")

    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: str(official))
    theirs = keras.applications.EfficientNetB0(
        weights="imagenet", include_top=False, input_shape=(64, 64, 3)
    )
    x = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    expected = np.asarray(theirs(x))
    assert np.abs(np.asarray(source(x)) - expected).max() > 0.1 * np.abs(expected).max()
    for path in (official, tmp_path / "efficientnetb0_notop.weights.h5"):
        ours = backbone.build(64)
        load_weights(ours, backbone, resolve_weights(backbone, str(path)))
        found = np.asarray(ours(x))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    ours.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(again(x)), found)


def test_a_variable_that_names_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFER_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"folder in the variable TRANSFER_WEIGHTS.*nowhere"):
        locate(get_backbone("vgg16"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TRANSFER_WEIGHTS", "~/w")
    path = put(tmp_path / "w" / "vgg16_notop.weights.h5")
    assert locate(get_backbone("vgg16")) == Weights("file", path)
