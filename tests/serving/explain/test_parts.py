from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest

from transfer.errors import RunError, UsageError
from transfer.networks.backbones import register_backbone
from transfer.serving.explain.parts import Parts

MakeParts = Callable[..., Parts]


@pytest.mark.parametrize("head", ["linear", "avg+max,8", "flatten,8,dropout=0.5", "max,batchnorm"])
def test_the_parts_make_the_whole(head: str, make_parts: MakeParts, image: np.ndarray) -> None:
    parts = make_parts(head)
    batch = image[None].astype(np.float32)
    vectors = parts.above(parts.base(parts.scale(batch)))
    np.testing.assert_allclose(
        parts.predictions(vectors), parts.model(batch, training=False), rtol=1e-5, atol=1e-7
    )
    assert parts.pooling == head.partition(",")[0].replace("linear", "avg")


def test_another_model(toy: str) -> None:
    x = image = keras.Input((32, 32, 3))
    x = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    with pytest.raises(RunError, match=r"a head that ends in a Dense layer in m\.keras"):
        Parts.of(keras.Model(image, x), "m.keras")


def test_an_unknown_layer_leads_to_known_ones(make_parts: MakeParts) -> None:
    parts = make_parts()
    with pytest.raises(UsageError, match=r"Did you mean 'out_relu'\? Layers with a .*: out_relu, "):
        parts.check_layer("out_rely")
    parts.check_layer("block_2")


def test_layers_without_a_map(make_parts: MakeParts) -> None:
    parts = make_parts(backbone="lenet5")
    assert parts.last_map() == "pool_2"
    assert parts.pooling == ""
    with pytest.raises(UsageError, match=r"'dense_2' of lenet5 gives no feature map .* pool_2, "):
        parts.check_layer("dense_2")
    assert make_parts(backbone="dnn").last_map() == ""


def test_the_last_map_is_no_branch(make_parts: MakeParts) -> None:
    def branched(input_shape: tuple[int, int, int]) -> keras.Model:
        image = keras.Input(input_shape)
        x = keras.layers.Conv2D(4, 3, 4, "same", name="whole")(image)
        left = keras.layers.Conv2D(4, 1, name="branch")(x)
        left = keras.layers.MaxPooling2D(4, name="left")(left)
        right = keras.layers.MaxPooling2D(4, name="right")(x)
        return keras.Model(image, keras.layers.Add(name="merged")([left, right]))

    register_backbone("branched", branched, image_size=32, overwrite=True)
    parts = make_parts(backbone="branched")
    assert parts.map_layers[2:] == ["branch", "left", "right", "merged"]
    assert parts.last_map() == "whole"
