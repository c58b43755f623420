"""Cuts and blocks: toy graphs with known answers, and (slow) every real network."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transfer.errors import UsageError
from transfer.networks.backbones import Backbone, get_backbone, list_backbones
from transfer.networks.blocks import Block, find_blocks, find_cuts, split_at

# TensorFlow's, under NumPy 2, wherever Keras reads a variable
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
KERAS = [b for b in list_backbones() if str(b.constructor).startswith("keras.applications:")]


@pytest.fixture
def clean() -> Iterator[None]:
    yield
    import keras

    keras.utils.clear_session()
    gc.collect()


def conv(x: Any, name: str, filters: int = 4, strides: int = 1) -> Any:
    import keras

    return keras.layers.Conv2D(filters, 3, strides=strides, padding="same", name=name)(x)


def residual() -> Any:
    """Two residual sums with a squeeze-and-excite product between them, and a lone norm on top."""
    import keras
    from keras import layers

    image = keras.Input((16, 16, 3), name="image")
    x = stem = conv(image, "stem")
    x = layers.Add(name="sum1")([conv(x, "a"), stem])
    x = body = layers.ReLU(name="relu1")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    gate = layers.Dense(4, activation="sigmoid", name="excite")(gate)
    x = layers.Multiply(name="gated")([x, gate])
    x = conv(x, "b")
    x = x + body  # an operation that is not a layer
    x = layers.BatchNormalization(name="norm")(x)
    return keras.Model(image, x, name="residual")


def dense() -> Any:
    """A dense block (two growth steps), a transition, and an Inception-like concatenation."""
    import keras
    from keras import layers

    image = keras.Input((16, 16, 3), name="image")
    x = conv(image, "stem")
    x = layers.Concatenate(name="grow1")([x, conv(x, "g1")])
    x = layers.Concatenate(name="grow2")([x, conv(x, "g2")])
    x = layers.AveragePooling2D(2, name="pool")(x)
    x = layers.Concatenate(name="mixed")([conv(x, "left"), conv(x, "right")])
    x = conv(x, "last")
    return keras.Model(image, x, name="dense")


def chain() -> Any:
    """Convolutions and pools (VGG), then a strided depthwise pair (MobileNet)."""
    import keras
    from keras import layers

    image = keras.Input((32, 32, 3), name="image")
    x = conv(image, "a1", 8)
    x = conv(x, "a2", 8)
    x = layers.MaxPooling2D(name="a_pool")(x)
    x = conv(x, "b1", 8)
    x = layers.Conv2D(8, 3, name="b_valid")(x)  # 16 -> 14: no change of resolution
    x = layers.DepthwiseConv2D(3, 2, padding="same", name="depthwise")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(16, 1, name="pointwise")(x)
    return keras.Model(image, x, name="chain")


def ends(blocks: list[Block]) -> list[str]:
    return [block.last for block in blocks]


def test_cuts_of_a_residual_network() -> None:
    cuts = find_cuts(residual())
    assert cuts[:4] == ["image", "stem", "sum1", "relu1"]
    assert cuts[4].startswith("add")  # nothing between relu1 and the second sum
    assert cuts[5:] == ["norm"]


def test_cuts_of_a_chain_are_all_its_layers() -> None:
    model = chain()
    assert find_cuts(model) == [layer.name for layer in model.layers]


def test_blocks_of_a_residual_network() -> None:
    top, bottom = find_blocks(residual())
    assert (bottom.first, bottom.last) == ("image", "relu1")
    assert bottom.layers == ("image", "stem", "a", "sum1", "relu1")
    assert top.last == "norm"  # a block of its own would hold no kernel
    assert set(top.layers) == {"squeeze", "excite", "gated", "b", "norm"}


def test_blocks_of_a_dense_network() -> None:
    assert ends(find_blocks(dense())) == ["last", "mixed", "pool"]


def test_blocks_of_a_chain() -> None:
    blocks = find_blocks(chain())
    assert ends(blocks) == ["pointwise", "b_valid", "a_pool"]
    assert blocks[0].layers == ("depthwise", "relu", "pointwise")


def test_a_strided_block_belongs_with_what_follows() -> None:
    import keras
    from keras import layers

    image = keras.Input((16, 16, 3), name="image")
    x = stem = conv(image, "stem", 2)
    x = layers.Add(name="sum1")([conv(x, "a", 2), stem])
    x = conv(x, "wide", 16)
    x = shrunk = conv(x, "strided", 16, strides=2)  # 8*8*16 = 1024 > 16*16*2 = 512
    x = layers.Add(name="sum2")([conv(x, "b", 16), shrunk])
    blocks = find_blocks(keras.Model(image, x))
    assert ends(blocks) == ["sum2", "sum1"]


def test_a_padded_image_is_no_block() -> None:
    import keras
    from keras import layers

    image = keras.Input((16, 16, 3), name="image")
    x = layers.ZeroPadding2D(1, name="pad")(image)
    x = layers.Conv2D(8, 3, strides=2, name="stem")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = conv(x, "next", 8)
    blocks = find_blocks(keras.Model(image, x))
    assert [block.layers for block in blocks] == [
        ("next",),
        ("image", "pad", "stem", "norm", "relu"),
    ]


def test_blocks_hold_every_layer_once_and_count_it() -> None:
    for model in (residual(), dense(), chain()):
        blocks = find_blocks(model)
        names = [name for block in reversed(blocks) for name in block.layers]
        assert sorted(names) == sorted(layer.name for layer in model.layers)
        assert sum(block.parameters for block in blocks) == model.count_params()


def test_work_is_multiply_adds() -> None:
    import keras
    from keras import layers

    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(5, 3, strides=2, padding="same")(image)  # 4x4 positions
    x = layers.SeparableConv2D(6, 3, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(7)(x)
    blocks = find_blocks(keras.Model(image, x))
    expected = 16 * 3 * 3 * 3 * 5 + 16 * (3 * 3 * 5 + 5 * 6) + 6 * 7
    assert sum(block.work for block in blocks) == expected


@pytest.mark.parametrize("make", [residual, dense, chain])
def test_both_parts_together_are_the_whole(make: Any) -> None:
    model = make()
    x = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype("float32")
    expected = np.asarray(model(x))
    for cut in find_cuts(model):
        trunk, top = split_at(model, cut)
        np.testing.assert_array_equal(np.asarray(top(trunk(x))), expected)
    again, _ = split_at(model, find_cuts(model)[2])  # layers that are shared many times
    assert find_cuts(model)[:3] == find_cuts(again)


def test_layers_are_shared_and_the_whole_can_still_be_saved(tmp_path: Path) -> None:
    import keras

    model = residual()
    trunk, top = split_at(model, "relu1")
    assert trunk.get_layer("stem") is model.get_layer("stem")
    assert top.get_layer("b") is model.get_layer("b")
    model.save(tmp_path / "whole.keras")
    again = keras.models.load_model(tmp_path / "whole.keras")
    x = np.ones((1, 16, 16, 3), "float32")
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(model(x)))


def test_training_the_top_is_training_the_whole() -> None:
    import keras

    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 32, 32, 3)).astype("float32")
    whole = chain()
    y = rng.normal(size=(4, *whole.output_shape[1:])).astype("float32")
    other = chain()
    other.set_weights(whole.get_weights())
    blocks = find_blocks(whole)

    for layer in whole.layers:
        layer.trainable = layer.name in blocks[0].layers
    whole.compile(keras.optimizers.SGD(0.1), "mse")
    whole.train_on_batch(x, y)

    trunk, top = split_at(other, blocks[1].last)
    top.compile(keras.optimizers.SGD(0.1), "mse")
    top.train_on_batch(trunk.predict_on_batch(x), y)

    before = chain().get_layer("pointwise").get_weights()[0]
    assert not np.array_equal(whole.get_layer("pointwise").get_weights()[0], before)
    for a, b in zip(whole.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_errors_say_what_was_expected() -> None:
    import keras

    with pytest.raises(UsageError, match=r"cannot be cut at 'relu2'\. Did you mean 'relu1'"):
        split_at(residual(), "relu2")
    with pytest.raises(UsageError, match="every path"):
        split_at(residual(), "excite")
    image = keras.Input((8, 8, 3))
    two = keras.Model(image, [conv(image, "a"), conv(image, "b")])
    with pytest.raises(UsageError, match="one input and one output"):
        find_cuts(two)
    free = keras.Input((None, None, 3))
    with pytest.raises(UsageError, match="input of a fixed size"):
        find_blocks(keras.Model(free, conv(free, "a")))


def test_vgg16_ends_at_its_pools() -> None:
    blocks = find_blocks(get_backbone("vgg16").build(64))
    assert ends(blocks) == [f"block{i}_pool" for i in (5, 4, 3, 2, 1)]


def test_mobilenetv2_is_never_cut_inside_an_inverted_residual() -> None:
    blocks = find_blocks(get_backbone("mobilenetv2").build(96))
    stems = ("_add", "_project_BN", "Conv1_relu", "out_relu")
    assert len(blocks) == 13
    assert all(last.endswith(stems) for last in ends(blocks))
    assert ends(blocks)[:3] == ["out_relu", "block_15_add", "block_14_add"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count", "top"),
    [
        ("resnet50", 17, ["conv5_block3_out", "conv5_block2_out", "conv5_block1_out"]),
        ("resnet50v2", 17, ["post_relu", "conv5_block2_out", "conv5_block1_out"]),
        ("densenet121", 5, ["relu", "pool4_pool", "pool3_pool"]),
        ("inceptionv3", 14, ["mixed10", "mixed9", "mixed8"]),
        ("efficientnetb0", 12, ["top_activation", "block6d_add", "block6c_add"]),
        ("mobilenet", 5, ["conv_pw_13_relu", "conv_pw_11_relu", "conv_pw_5_relu"]),
    ],
)
def test_known_tables(name: str, count: int, top: list[str], clean: None) -> None:
    blocks = find_blocks(get_backbone(name).build())
    assert len(blocks) == count
    assert ends(blocks)[:3] == top


@pytest.mark.slow
@pytest.mark.parametrize("backbone", KERAS, ids=lambda b: b.name)
def test_every_network_can_be_cut(backbone: Backbone, clean: None) -> None:
    model = backbone.build(max(backbone.min_size, 64))
    blocks = find_blocks(model)
    names = [name for block in blocks for name in block.layers]
    assert sorted(names) == sorted(layer.name for layer in model.layers)
    assert sum(block.parameters for block in blocks) == model.count_params()
    assert all(block.work for block in blocks)
    assert len(blocks) >= (2 if backbone.family == "NASNet" else 5)

    x = np.random.default_rng(0).uniform(0, 255, (1, *model.input_shape[1:])).astype("float32")
    x = np.asarray(backbone.apply_preprocess(x))
    expected = np.asarray(model(x))
    scale = np.abs(expected).max()
    for end in ends(blocks)[1 :: max(1, len(blocks) // 3)][:3]:
        trunk, top = split_at(model, end)
        found = np.asarray(top(trunk(x)))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * scale)
