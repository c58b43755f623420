"""Steps in half precision, which leave no trace in what is evaluated and saved."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import transfer
from transfer.training.optim.optimizers import LayerwiseSGD
from transfer.training.optim.precision import gains_from_half, mix_precision

IMAGES = np.random.default_rng(0).normal(size=(8, 6, 6, 3)).astype(np.float32)
TARGETS = np.eye(2, dtype=np.float32)[np.arange(8) % 2]


class Spy(keras.layers.Layer):
    """Records the dtype of its inputs."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self.note = notes.append

    def call(self, x: tf.Tensor) -> tf.Tensor:
        self.note(tf.as_dtype(x.dtype).name)
        return x


def classifier(inner: list[str], outer: list[str]) -> tuple[keras.Model, keras.Model]:
    """Return a model and its backbone, with a spy inside and one behind the pooling."""
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    base = keras.Model(image, Spy(inner)(keras.layers.Conv2D(5, 3)(x)), name="base")
    start = keras.Input((6, 6, 3))
    vectors = keras.layers.GlobalAveragePooling2D()(base(start))
    out = keras.layers.Dense(2, activation="softmax")(Spy(outer)(vectors))
    model = keras.Model(start, out)
    inner.clear()
    outer.clear()
    return model, base


@pytest.mark.parametrize(
    ("details", "gains"),
    [
        ({"device_name": "Tesla V100", "compute_capability": (7, 0)}, True),
        ({"device_name": "NVIDIA A100", "compute_capability": (8, 0)}, True),
        ({"device_name": "Tesla P100", "compute_capability": (6, 0)}, False),
        ({"device_name": "METAL"}, False),
        ({}, False),
    ],
)
def test_tensor_cores(details: dict[str, Any], gains: bool) -> None:
    assert gains_from_half(details) is gains


def test_only_the_backbone_and_only_its_training_steps_are_in_half() -> None:
    inner: list[str] = []
    outer: list[str] = []
    plain, base = classifier(inner, outer)
    model, optimizer = mix_precision(plain, base, LayerwiseSGD(learning_rate=0.1))
    assert [v.path for v in model.variables] == [v.path for v in plain.variables]
    model.compile(optimizer, "categorical_crossentropy", jit_compile=False)
    told = []
    for use in (
        lambda: model.evaluate(IMAGES, TARGETS, verbose=0),
        lambda: model.fit(IMAGES, TARGETS, batch_size=3, epochs=2, verbose=0),  # 3, 3 and 2
        lambda: plain.predict(IMAGES, verbose=0),
        lambda: model.predict(IMAGES, verbose=0),
    ):
        use()
        told.append((set(inner), set(outer)))
        inner.clear()
        outer.clear()
    full = {"float32"}, {"float32"}
    assert told == [full, ({"float16"}, {"float32"}), full, full]
    assert {layer.dtype_policy.name for layer in model._flatten_layers()} == {"float32"}
    assert {v.dtype for v in model.variables} == {"float32"}


def test_a_failing_step_leaves_no_layer_in_half() -> None:
    plain, base = classifier([], [])
    model, optimizer = mix_precision(plain, base, LayerwiseSGD(learning_rate=0.1))
    model.compile(optimizer, "categorical_crossentropy", jit_compile=False)
    with pytest.raises(ValueError, match="shape"):
        model.fit(IMAGES, TARGETS[:, :1].repeat(3, 1), verbose=0)
    assert {layer.dtype_policy.name for layer in model._flatten_layers()} == {"float32"}


def test_a_step_is_that_of_float32_but_for_rounding() -> None:
    after = []
    for mixed in (False, True):
        model, base = classifier([], [])
        optimizer: Any = LayerwiseSGD(learning_rate=1.0)
        before = [np.array(weight) for weight in model.weights]
        if mixed:
            model, optimizer = mix_precision(model, base, optimizer)
        model.compile(optimizer, "categorical_crossentropy", jit_compile=False)
        model.fit(IMAGES, TARGETS, batch_size=8, shuffle=False, verbose=0)
        moved = [np.array(w) - b for w, b in zip(model.weights, before, strict=True)]
        after.append(np.concatenate([each.ravel() for each in moved]))
    assert not np.array_equal(*after)
    np.testing.assert_allclose(after[1], after[0], rtol=0, atol=2e-3 * abs(after[0]).max())


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "tf.function"])
def test_gradients_that_overflow_move_nothing_but_the_scale(compiled: bool) -> None:
    variable = keras.Variable([1.0, 2.0])
    inner = LayerwiseSGD(
        learning_rate=1.0,
        factors=[0.5],
        use_ema=True,
        ema_momentum=0.9,
        gradient_accumulation_steps=2,
    )
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
    optimizer.build([variable])
    apply = tf.function(optimizer.apply) if compiled else optimizer.apply
    for row in ([16.0, 8.0], [np.inf, 0.0], [np.nan, 0.0]):
        apply([tf.constant(row)])
        np.testing.assert_array_equal(np.array(variable), [1.0, 2.0])
        np.testing.assert_array_equal(np.array(inner._averages[0]), [1.0, 2.0])
    assert float(optimizer.dynamic_scale) == 2.0
    apply([tf.constant([4.0, 8.0])])  # 2 and 4; with 2 and 1 of the first batch
    np.testing.assert_allclose(np.array(variable), [1 - 0.5 * 2, 2 - 0.5 * 2.5])
    share = 1 - 2 / 11  # of the first update
    expected = [1 - share * 1, 2 - share * 1.25]
    np.testing.assert_allclose(np.array(inner._averages[0]), expected, rtol=1e-6)
    assert int(inner.iterations) == 1
    saved = {id(each) for each in optimizer.variables}
    assert {
        id(optimizer.dynamic_scale),
        id(inner._averages[0]),
    } <= saved  # what a resumed run needs


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["toy", "simple-cnn"])
def test_the_model_is_an_ordinary_one_and_judged_as_it_is(
    toy: str,
    make_folder: Callable[..., Path],
    tmp_path: Path,
    backbone: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="transfer")
    run = transfer.finetune(
        make_folder(),
        output=tmp_path / "run",
        backbone=backbone,
        mixed_precision="on",
        ema=0.5,
        accumulate=2,
        optimizer="adamw",
        weight_decay=0.01,
        layer_decay=0.5,
        clip_norm=1.0,
        mix="mixup",
        monitor="val_loss",
        image_size=32,
        batch_size=4,
        epochs=4,
        head_learning_rate=1e-5,
        head="avg,8" if backbone == toy else "linear",  # trained slowly: much is left to learn
        head_epochs=1,
        learning_rate=0.003,
        views=0,
    )
    assert "Training in mixed precision" in caplog.text
    assert run.info.phase_kept == "finetune"
    assert run.info.settings.mixed_precision is True
    assert run.recipe.mixed_precision == "on"
    judged = run.info.phases["finetune"]["val_loss"]
    assert judged == pytest.approx(run.info.calibration.log_loss_before, rel=1e-5)
    with zipfile.ZipFile(run.path / "model.keras") as file:
        config = file.read("config.json").decode()
    assert "float32" in config
    assert "float16" not in config
