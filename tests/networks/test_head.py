from __future__ import annotations

import numpy as np
import pytest

from transfer.errors import UsageError
from transfer.networks.head import (
    Head,
    absorb_scaling,
    build_head,
    is_linear,
    parse_head,
    pool,
    takes_scaled_features,
)
from transfer.statistics.scaling import unit
from transfer.training.head.logistic import softmax


def test_specs() -> None:
    assert parse_head("linear") == Head("avg", (("unitnorm", 0), ("dropout", 0.2)))
    assert parse_head("avg, UnitNorm,64").normalises
    assert parse_head("dropout=0.2,unitnorm").normalises
    assert not parse_head("avg,64").normalises
    assert parse_head("linear").bare == Head("avg", (("dropout", 0.2),))
    assert parse_head(" flatten, 1024 ,dropout=0.5") == Head(
        "flatten", (("dense", 1024), ("dropout", 0.5))
    )
    assert parse_head("avg+max,batchnorm,256") == Head(
        "avg+max", (("batchnorm", 0), ("dense", 256))
    )
    assert parse_head("64") == Head("avg", (("dense", 64),))
    assert parse_head("max") == Head("max", ())


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("", "pooling first"),
        ("avrg", "Did you mean 'avg'"),
        ("avg,dropout=2", "'dropout=2'"),
        ("avg,dropout=x", "'dropout=x'"),
        ("256,avg", "pooling first"),
        ("avg,0", "'0'"),
        ("avg,-3", "'-3'"),
        ("linaer", "Did you mean 'linear'"),
        ("unitnrom", "Did you mean 'unitnorm'"),
        ("avg,64,unitnorm", "Expected unitnorm next to the pooling in the head 'avg,64,unitnorm'"),
        ("avg,batchnorm,unitnorm", "next to the pooling"),
        ("avg,unitnorm,64,unitnorm", "next to the pooling"),
    ],
)
def test_bad_specs_are_named(spec: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        parse_head(spec)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("avg", [4.0, 5.0]),
        ("max", [7.0, 8.0]),
        ("avg+max", [4.0, 5.0, 7.0, 8.0]),
        ("flatten", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]),
    ],
)
def test_pooling(pooling: str, expected: list[float]) -> None:
    import keras

    image = keras.Input((2, 2, 2))
    model = keras.Model(image, pool(Head(pooling, ()), image))
    feature_map = np.arange(1, 9, dtype=np.float32).reshape(1, 2, 2, 2)
    np.testing.assert_allclose(model.predict_on_batch(feature_map)[0], expected)


def test_a_head_gives_probabilities_in_float32_whatever_the_policy() -> None:
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        head = build_head(parse_head("linear"), 8, 3, seed=0)
    finally:
        keras.config.set_dtype_policy("float32")
    rows = head.predict_on_batch(np.ones((2, 8), np.float32))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, 1 / 3, atol=1e-6)


@pytest.mark.parametrize("spec", ["max", "avg,dropout=0.3,16,dropout=0.5"])
def test_absorbed_scaling_changes_no_output(spec: str) -> None:
    rng = np.random.default_rng(0)
    head = build_head(parse_head(spec), 6, 3, seed=0)
    for weight in head.weights:
        weight.assign(rng.normal(size=weight.shape))
    x = rng.normal(50, 20, (10, 6)).astype(np.float32)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    before = head.predict_on_batch((x - mean) / scale)
    absorb_scaling(head, mean, scale)
    np.testing.assert_allclose(head.predict_on_batch(x), before, atol=1e-4)


def test_what_begins_with_batchnorm_scales_for_itself() -> None:
    assert not takes_scaled_features(parse_head("avg,dropout=0.2,batchnorm,64"))
    assert takes_scaled_features(parse_head("avg,64,batchnorm"))
    assert takes_scaled_features(parse_head("linear"))
    assert takes_scaled_features(parse_head("avg,unitnorm,64,batchnorm"))
    assert not takes_scaled_features(parse_head("avg,unitnorm,batchnorm,64"))


def test_what_is_linear() -> None:
    specs = ["linear", "max", "flatten,unitnorm", "avg,dropout=0.5", "avg,8", "unitnorm,batchnorm"]
    assert [is_linear(parse_head(spec)) for spec in specs] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_unitnorm_on_every_engine_is_the_plain_formula(engine: str) -> None:
    import keras

    from transfer.features.converted import convert
    from transfer.features.engines import keras_engine, openvino_engine

    rng = np.random.default_rng(0)
    head = build_head(parse_head("linear"), 6, 3, seed=0)
    vectors = keras.Input((6,))
    model = keras.Model(vectors, head(vectors))
    kernel, bias = rng.normal(size=(6, 3)), rng.normal(size=3)
    head.get_layer("predictions").set_weights([kernel, bias])
    x = rng.normal(size=(5, 6)).astype(np.float32)
    x = np.concatenate([x, x * 1e4, x * 1e-4, x * 1e-9, np.zeros_like(x[:1])])
    if engine == "openvino":
        pytest.importorskip("openvino")
        found = openvino_engine(convert(lambda: model), "f32")(x)[0]
    else:
        found = keras_engine(model)(x)[0]
    expected = softmax(unit(x) @ kernel + bias)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found[-1], softmax(bias[None])[0], atol=1e-6)
