"""Networks of users: thirty kinds of them work, or are refused in one line before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import transfer
from transfer.errors import UsageError
from transfer.networks.backbones import register_backbone
from transfer.networks.blocks import find_blocks, find_cuts, split_at
from transfer.networks.own import check_saving

Shape = tuple[int, int, int]
KINDS: dict[str, tuple[Callable[[Shape], Any], str]] = {}  # name -> constructor, what is said


def kind(said: str = "") -> Callable[[Callable[[Shape], Any]], Callable[[Shape], Any]]:
    def add(build: Callable[[Shape], Any]) -> Callable[[Shape], Any]:
        KINDS[build.__name__.replace("_", "-")] = build, said
        return build

    return add


@keras.saving.register_keras_serializable("tests")
class Scale(layers.Layer):  # type: ignore[misc]
    """A registered layer with an argument and a weight."""

    def __init__(self, start: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.start = start

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(
            (), initializer=keras.initializers.Constant(self.start), name="factor"
        )

    def call(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"start": self.start}


class Forgetful(layers.Layer):  # type: ignore[misc]
    """Its file lacks an argument of its __init__."""

    def __init__(self, start: float, **options: Any) -> None:
        super().__init__(**options)

    def call(self, x: Any) -> Any:
        return x


class Subclassed(keras.Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.conv = layers.Conv2D(4, 3)

    def call(self, x: Any) -> Any:
        return self.conv(x)


@kind()
def plain(shape: Shape) -> Any:
    image = keras.Input(shape)
    return keras.Model(image, layers.Conv2D(4, 3)(image))


@kind()
def sequential(shape: Shape) -> Any:
    return keras.Sequential([keras.Input(shape), layers.Conv2D(4, 3), layers.ReLU()])


@kind()
def residual(shape: Shape) -> Any:
    image = keras.Input(shape)
    x = layers.Conv2D(3, 3, padding="same")(image)
    return keras.Model(image, layers.Conv2D(4, 3)(layers.Add()([x, image])))


@kind()
def nested(shape: Shape) -> Any:
    image = keras.Input(shape)
    return keras.Model(image, layers.Conv2D(4, 3)(plain(shape)(image)))


@kind()
def nested_sequential(shape: Shape) -> Any:
    image = keras.Input(shape)
    return keras.Model(image, layers.BatchNormalization()(sequential(shape)(image)))


@kind()
def of_keras_applications(shape: Shape) -> Any:
    return keras.applications.MobileNetV2(
        input_shape=shape, alpha=0.35, include_top=False, weights=None
    )


@kind()
def nested_application(shape: Shape) -> Any:
    image = keras.Input(shape)
    x = of_keras_applications(shape)(layers.Rescaling(1 / 127.5, offset=-1)(image))
    return keras.Model(image, x)


@kind()
def convolution_used_twice(shape: Shape) -> Any:
    image = keras.Input(shape)
    conv = layers.Conv2D(4, 3, padding="same")
    x = layers.Conv2D(4, 3)(image)
    return keras.Model(image, layers.Conv2D(4, 3)(conv(layers.ReLU()(conv(x)))))


@kind()
def one_relu_throughout(shape: Shape) -> Any:
    image, relu = keras.Input(shape), layers.ReLU(name="relu")
    x = relu(layers.Conv2D(4, 3, name="a")(image))
    return keras.Model(image, relu(layers.Conv2D(4, 3, name="b")(x)))


@kind()
def one_batchnorm_twice(shape: Shape) -> Any:
    image, norm = keras.Input(shape), layers.BatchNormalization()
    x = norm(layers.Conv2D(4, 3)(image))
    return keras.Model(image, norm(layers.Conv2D(4, 3)(x)))


@kind()
def one_dropout_throughout(shape: Shape) -> Any:
    image, drop = keras.Input(shape), layers.Dropout(0.2)
    x = drop(layers.Conv2D(4, 3)(image))
    return keras.Model(image, drop(layers.Conv2D(4, 3)(x)))


@kind()
def twins(shape: Shape) -> Any:
    image, inner = keras.Input(shape), plain(shape)
    x = layers.Concatenate()([inner(image), inner(image * 0.5)])
    return keras.Model(image, layers.Conv2D(4, 3)(x))


@kind()
def bare_operators(shape: Shape) -> Any:
    image = keras.Input(shape)
    x = layers.Conv2D(4, 3)(image / 127.5 - 1)
    return keras.Model(image, ops.relu(x) + ops.mean(x, axis=(1, 2), keepdims=True))


@kind()
def vector(shape: Shape) -> Any:
    image = keras.Input(shape)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3)(image))
    return keras.Model(image, layers.Dense(4)(x))


@kind()
def tokens(shape: Shape) -> Any:
    image = keras.Input(shape)
    x = layers.Reshape((-1, 8))(layers.Conv2D(8, 8, strides=8)(image))
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(x, x)])
    return keras.Model(image, layers.LayerNormalization()(x))


@kind()
def any_size(shape: Shape) -> Any:
    image = keras.Input((None, None, 3))
    return keras.Model(image, layers.Conv2D(4, 3)(image))


@kind()
def squeeze_and_excite(shape: Shape) -> Any:
    image = keras.Input(shape)
    x = layers.Conv2D(4, 3)(image)
    gate = layers.Dense(4, "sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return keras.Model(image, layers.Multiply()([x, gate]))


@kind()
def a_registered_layer(shape: Shape) -> Any:
    image = keras.Input(shape)
    return keras.Model(image, Scale(0.5)(layers.Conv2D(4, 3)(image)))


@kind()
def one_output_in_a_list(shape: Shape) -> Any:
    image = keras.Input(shape)
    return keras.Model([image], [layers.Conv2D(4, 3)(image)])


@kind()
def one_output_in_a_dict(shape: Shape) -> Any:
    image = keras.Input(shape, name="image")
    return keras.Model({"image": image}, {"map": layers.Conv2D(4, 3)(image)})


@kind()
def split_and_joined(shape: Shape) -> Any:
    image = keras.Input(shape)
    left, right = ops.split(layers.Conv2D(4, 3)(image), 2, axis=-1)
    return keras.Model(image, layers.Conv2D(4, 3)(layers.Concatenate()([right, left])))


@kind()
def weights_that_are_frozen(shape: Shape) -> Any:
    model = plain(shape)
    model.trainable = False
    return model


@kind("one input and one output. Received: 1 and 2")
def several_outputs(shape: Shape) -> Any:
    image = keras.Input(shape)
    return keras.Model(image, [layers.Conv2D(4, 3)(image), layers.Conv2D(4, 3)(image)])


@kind("one input and one output. Received: 1 and 2")
def outputs_in_a_dict(shape: Shape) -> Any:
    image = keras.Input(shape)
    return keras.Model(image, {k: layers.Conv2D(4, 3)(image) for k in "ab"})


@kind("one input and one output. Received: 2 and 1")
def two_inputs(shape: Shape) -> Any:
    first, second = keras.Input(shape), keras.Input(shape)
    return keras.Model([first, second], layers.Conv2D(4, 3)(layers.Add()([first, second])))


@kind(r"Received: \(32, 32, 1\). Its constructor has to pass")
def grey(shape: Shape) -> Any:
    image = keras.Input((*shape[:2], 1))
    return keras.Model(image, layers.Conv2D(4, 3)(image))


@kind(r"to take images \(32, 32, 3\), height.* Received: \(48, 48, 3\)")
def another_size(shape: Shape) -> Any:
    return plain((48, 48, 3))


@kind(r"Received: \(12,\)")
def vectors_as_input(shape: Shape) -> Any:
    numbers = keras.Input((12,))
    return keras.Model(numbers, layers.Dense(4)(numbers))


@kind(r"a feature map \(b, h, w, c\).*Received: \(None, 1, 30, 30, 4\)")
def five_dimensions(shape: Shape) -> Any:
    image = keras.Input(shape)
    return keras.Model(image, layers.Conv2D(4, 3)(image)[:, None])


@kind("has a Lambda layer")
def a_lambda(shape: Shape) -> Any:
    image = keras.Input(shape)
    return keras.Model(image, layers.Lambda(lambda x: x * 2)(layers.Conv2D(4, 3)(image)))


@kind("could not be loaded once it is saved.*Register each")
def a_layer_without_its_argument(shape: Shape) -> Any:
    image = keras.Input(shape)
    return keras.Model(image, Forgetful(1.0)(layers.Conv2D(4, 3)(image)))


@kind("functional or Sequential model")
def subclassed(shape: Shape) -> Any:
    return Subclassed()


@kind("functional or Sequential model")
def sequential_without_input(shape: Shape) -> Any:
    return keras.Sequential([layers.Conv2D(4, 3)])


@kind("functional or Sequential model")
def no_model(shape: Shape) -> Any:
    return "mobilenet"


@kind("cannot be built at 32 pixels: out of luck")
def an_error(shape: Shape) -> Any:
    raise ValueError("out of luck. And more.")


@kind("to compute in float32. Received: float16")
def half_precision(shape: Shape) -> Any:
    image = keras.Input(shape)
    return keras.Model(image, layers.Conv2D(4, 3, dtype="mixed_float16")(image))


def register(name: str) -> Any:
    build, _ = KINDS[name]
    return register_backbone(
        f"own-{name}", lambda input_shape: build(input_shape), image_size=32, overwrite=True
    )


def test_there_are_thirty_kinds() -> None:
    assert len(KINDS) >= 30


@pytest.mark.parametrize("name", [name for name, (_, said) in KINDS.items() if not said])
def test_works(name: str) -> None:
    backbone = register(name)
    model = backbone.build()
    check_saving(model, backbone.name)
    blocks = find_blocks(model)
    held = [layer for block in blocks for layer in block.layers]
    assert sorted(held) == sorted(layer.name for layer in model.layers)
    assert sum(block.parameters for block in blocks) == model.count_params()
    pictures = np.random.default_rng(0).uniform(0, 1, (2, 32, 32, 3)).astype(np.float32)
    expected = np.asarray(model(pictures))
    for cut in find_cuts(model):
        trunk, top = split_at(model, cut)
        np.testing.assert_allclose(top(trunk(pictures)), expected, atol=1e-6)
        assert not {id(w) for w in trunk.weights} & {id(w) for w in top.weights}


@pytest.mark.parametrize("name", [name for name, (_, said) in KINDS.items() if said])
def test_is_refused_in_one_line_before_any_work(
    name: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    backbone = register(name)
    with pytest.raises(UsageError, match=KINDS[name][1]) as caught:
        transfer.finetune(make_folder(per_class=4), backbone=backbone.name, output=tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert "safe_mode" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_reused_layer_is_trained_or_frozen_as_a_whole() -> None:
    model = keras.Model(*_twice())
    assert find_cuts(model) == ["image", "stem", "last"]
    assert find_blocks(model)[0].layers[-1] == "last"


def _twice() -> tuple[Any, Any]:
    image = keras.Input((16, 16, 3), name="image")
    conv, relu = layers.Conv2D(4, 3, padding="same", name="conv"), layers.ReLU(name="relu")
    x = conv(layers.Conv2D(4, 3, name="stem")(image))
    return image, layers.Conv2D(4, 3, name="last")(conv(relu(x)))


@pytest.mark.parametrize("name", ["tokens", "one-relu-throughout", "one-output-in-a-dict"])
def test_trains_and_predicts(
    name: str, make_folder: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "transfer")
    backbone = register(name)
    run = transfer.finetune(
        make_folder(per_class=5),
        backbone=backbone.name,
        weights="none",
        output=tmp_path / "run",
        epochs=1,
        augment="none",
    )
    assert set(run.predict(np.zeros((40, 40, 3), np.uint8))[0].probabilities) == set(run.classes)
    assert ("returns 16 tokens: the head pools them" in caplog.text) == (name == "tokens")
