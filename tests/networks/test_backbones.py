"""The registry: its records, and (slow) whether Keras agrees with them."""

from __future__ import annotations

import dataclasses
import gc
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transfer.errors import UsageError
from transfer.networks.backbones import Backbone, get_backbone, list_backbones, register_backbone

# TensorFlow's, under NumPy 2, wherever Keras reads a variable
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
KERAS = [b for b in list_backbones() if str(b.constructor).startswith("keras.applications:")]


def toy(input_shape: tuple[int, int, int]) -> Any:
    import keras

    image = keras.Input(input_shape)
    return keras.Model(image, keras.layers.Conv2D(4, 3, strides=2)(image))


@pytest.fixture
def registered() -> Backbone:
    return register_backbone("toy-registry", toy, image_size=16, min_size=8, overwrite=True)


@pytest.fixture
def clean() -> Iterator[None]:
    yield
    import keras

    keras.utils.clear_session()
    gc.collect()


def test_import_is_light() -> None:
    code = (
        "import sys, transfer.networks.backbones, transfer.networks.blocks;"
        "import transfer.networks.weights, transfer.networks.loading;"
        "print(sorted({'keras', 'tensorflow', 'numpy', 'h5py'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_of_keras_applications_is_there() -> None:
    import keras

    names = {
        name
        for name, value in vars(keras.applications).items()
        if inspect.isfunction(value) and name[0].isupper()
    }
    assert {str(b.constructor).partition(":")[2] for b in KERAS} == names
    assert len(KERAS) == len(names) == 40


@pytest.mark.parametrize("backbone", KERAS, ids=lambda b: b.name)
def test_import_strings_resolve(backbone: Backbone) -> None:
    constructor = pkgutil.resolve_name(str(backbone.constructor))
    assert constructor.__name__.lower() == backbone.name
    assert callable(pkgutil.resolve_name(str(backbone.preprocess)))


def test_get_backbone_ignores_case() -> None:
    assert get_backbone("MobileNetV2") is get_backbone("mobilenetv2")


def test_unknown_name_gets_a_hint() -> None:
    with pytest.raises(UsageError, match=r"^Unknown backbone 'resnet5o'\. Did you mean 'resnet50"):
        get_backbone("resnet5o")
    with pytest.raises(
        UsageError, match=r"^Unknown backbone 'qqq'\. See transfer.list_backbones\(\)\.$"
    ):
        get_backbone("qqq")


def test_natural_order() -> None:
    names = [b.name for b in list_backbones("ResNet*")]
    assert names == [
        "resnet50",
        "resnet50v2",
        "resnet101",
        "resnet101v2",
        "resnet152",
        "resnet152v2",
    ]
    assert [b.name for b in list_backbones("efficientnetb?")] == [
        f"efficientnetb{i}" for i in range(8)
    ]
    assert list_backbones("nothing*") == []


def test_only_mobilenetv2_is_bundled() -> None:
    assert [b.name for b in KERAS if b.bundled] == ["mobilenetv2"]


def test_records_are_frozen(registered: Backbone) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        registered.name = "other"  # type: ignore[misc]


def test_register_checks_the_name(registered: Backbone) -> None:
    assert get_backbone("toy-registry") is registered
    with pytest.raises(UsageError, match=r"'toy-registry' exists.*overwrite=True"):
        register_backbone("toy-registry", toy, image_size=16)
    for name in ("", "Toy", "a b", "../x", "é"):
        with pytest.raises(UsageError, match="Expected a backbone name of a-z"):
            register_backbone(name, toy, image_size=16)


def test_build_own_model(registered: Backbone) -> None:
    model = registered.build()
    assert model.name == "toy-registry"
    assert model.input_shape == (None, 16, 16, 3)
    assert registered.build(9).input_shape == (None, 9, 9, 3)
    with pytest.raises(UsageError, match=r"at least 8 for 'toy-registry'\. Received: 7"):
        registered.build(7)


def test_build_makes_a_sequential_functional() -> None:
    import keras

    def sequential(input_shape: tuple[int, int, int]) -> Any:
        return keras.Sequential([keras.Input(input_shape), keras.layers.Conv2D(2, 1)])

    backbone = register_backbone("toy-sequential", sequential, image_size=8, overwrite=True)
    model = backbone.build()
    assert type(model).__name__ == "Functional"
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "Conv2D"]


def test_import_string_of_own_model() -> None:
    backbone = register_backbone(
        "toy-string", "keras.applications:MobileNet", image_size=32, overwrite=True
    )
    assert backbone.build().output_shape == (None, 1, 1, 1024)
    broken = dataclasses.replace(backbone, constructor="keras.applications:VGG61")
    with pytest.raises(UsageError, match=r"Cannot import 'keras.applications:VGG61'.*module:"):
        broken.build()


def test_preprocess_leaves_the_array_alone() -> None:
    image = np.full((1, 4, 4, 3), 255, np.float32)
    assert (get_backbone("mobilenetv2").apply_preprocess(image) == 1).all()
    vgg = get_backbone("vgg16").apply_preprocess(image)
    np.testing.assert_allclose(vgg[0, 0, 0], [255 - 103.939, 255 - 116.779, 255 - 123.68])
    assert (image == 255).all()
    assert get_backbone("efficientnetb0").apply_preprocess(image)[0, 0, 0, 0] == 255


def test_own_preprocess(registered: Backbone) -> None:
    assert registered.apply_preprocess(3.0) == 3.0
    halved = dataclasses.replace(registered, preprocess=lambda x: x / 2)
    assert halved.apply_preprocess(3.0) == 1.5


@pytest.mark.slow
@pytest.mark.case("M01")
@pytest.mark.parametrize("backbone", KERAS, ids=lambda b: b.name)
def test_row_is_true_and_the_whole_model_survives_saving(
    backbone: Backbone, tmp_path: Path, clean: None
) -> None:
    import keras

    side = backbone.min_size
    image = keras.Input((side, side, 3))
    network = backbone.build(side)
    assert network.name == backbone.name
    assert network.count_params() == backbone.parameters
    assert network.output_shape[-1] == backbone.feature_dim
    features = network(backbone.apply_preprocess(image))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(features))
    x = np.random.default_rng(0).uniform(0, 255, (2, side, side, 3)).astype("float32")
    expected = np.asarray(model(x))
    model.save(tmp_path / "model.keras")
    assert "Lambda" not in model.to_json()
    del model, network
    again = keras.models.load_model(tmp_path / "model.keras")
    (tmp_path / "model.keras").unlink()  # pytest keeps its folders, which would add up to gigabytes
    assert np.abs(np.asarray(again(x)) - expected).max() <= 1e-6


@pytest.mark.parametrize("backbone", KERAS, ids=lambda b: b.name)
def test_no_smaller_image_is_accepted(backbone: Backbone) -> None:
    side = backbone.min_size - 1
    with pytest.raises(ValueError, match="Input size must be at least"):
        pkgutil.resolve_name(str(backbone.constructor))(
            weights=None, include_top=False, input_shape=(side, side, 3)
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Weights for input shape:UserWarning")
@pytest.mark.parametrize("backbone", KERAS, ids=lambda b: b.name)
def test_weights_file_is_the_one_keras_asks_for(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, clean: None
) -> None:
    from keras.src.utils import file_utils

    class AskedError(Exception):
        pass

    def record(fname: str, origin: str, file_hash: str | None = None, **_: Any) -> None:
        raise AskedError(fname, origin, file_hash)

    monkeypatch.setattr(file_utils, "get_file", record)
    # NASNet takes its ImageNet weights only at the default size
    side = backbone.image_size if backbone.family == "NASNet" else backbone.min_size
    with pytest.raises(AskedError) as asked:
        pkgutil.resolve_name(str(backbone.constructor))(
            weights="imagenet", include_top=False, input_shape=(side, side, 3)
        )
    assert asked.value.args == (backbone.weights_file, backbone.weights_url, backbone.weights_md5)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", KERAS, ids=lambda b: b.name)
def test_default_size_is_keras_own(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, clean: None
) -> None:
    if backbone.family == "MobileNetV3":
        pytest.skip("its default is written in no argument; its weights file says 224")
    from keras.src.applications import imagenet_utils

    class AskedError(Exception):
        pass

    def record(*_: Any, default_size: int, **__: Any) -> None:
        raise AskedError(default_size)

    monkeypatch.setattr(imagenet_utils, "obtain_input_shape", record)
    if backbone.family in ("MobileNet", "MobileNetV2"):
        # they measure default_size on the input shape, and fall back to 224 for odd ones
        shape = (backbone.min_size, backbone.min_size, 3)
    else:
        shape = (backbone.image_size, backbone.image_size, 3)
    with pytest.raises(AskedError) as asked:
        pkgutil.resolve_name(str(backbone.constructor))(
            weights=None, include_top=False, input_shape=shape
        )
    assert asked.value.args == (backbone.image_size,)


def test_each_build_has_the_same_names(registered: Backbone) -> None:
    names = [[layer.name for layer in registered.build().layers] for _ in range(3)]
    assert names[0][1:] == ["conv2d"]
    assert names == names[:1] * 3


def test_a_model_of_the_user_is_not_changed_by_what_is_built_from_it(toy: str) -> None:
    import keras

    image = keras.Input((32, 32, 3))
    x = keras.layers.BatchNormalization(momentum=0.5)(keras.layers.Conv2D(4, 3)(image))
    inner = keras.Sequential([keras.Input((30, 30, 4)), keras.layers.Conv2D(4, 3)])
    mine = keras.Model(image, keras.layers.ReLU()(inner(x)), name="mine")
    before = mine.get_weights()
    backbone = register_backbone("my-object", lambda input_shape: mine, image_size=32)
    for _ in range(2):
        built = backbone.build()
        for found, expected in zip(built.get_weights(), before, strict=True):
            np.testing.assert_array_equal(found, expected)
        assert [each.name for each in built.layers[1:]] == [each.name for each in mine.layers[1:]]
        pictures = np.random.default_rng(0).uniform(0, 1, (2, 32, 32, 3)).astype(np.float32)
        np.testing.assert_array_equal(built(pictures), mine(pictures))
        built.trainable = False
        built.set_weights([weight + 1 for weight in before])
    assert (mine.name, mine.trainable) == ("mine", True)
    assert all(layer.trainable for layer in mine._flatten_layers())
    for found, expected in zip(mine.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_model_that_cannot_be_copied_is_refused_before_any_work(toy: str) -> None:
    import keras

    class Fixed(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="fixed")

        def call(self, x: Any) -> Any:
            return x

    def build(input_shape: tuple[int, int, int]) -> keras.Model:
        image = keras.Input(input_shape)
        return keras.Model(image, Fixed()(image))

    backbone = register_backbone("my-fixed", build, image_size=32)
    with pytest.raises(UsageError, match=r"'my-fixed' cannot be copied.*Give each layer of your"):
        backbone.build()
