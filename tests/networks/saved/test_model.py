"""What comes out of a saved model that Keras has loaded."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from tampering import CLASSES, change_config, change_weights, layers_of, saved_run

from transfer.errors import RunError
from transfer.networks.classifier import load_classifier
from transfer.runs.run import Run

IMAGES = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)


def two_inputs() -> keras.Model:
    images = [keras.Input((32, 32, 3)), keras.Input((32, 32, 3))]
    x = layers.GlobalAveragePooling2D()(layers.Add()(images))
    return keras.Model(images, layers.Dense(len(CLASSES), "softmax")(x))


def two_outputs() -> keras.Model:
    image = keras.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(image)
    return keras.Model(image, [layers.Dense(len(CLASSES), "softmax")(x) for _ in range(2)])


def chain(*stack: keras.Layer) -> Callable[[], keras.Model]:
    return lambda: keras.Sequential([keras.Input((32, 32, 3)), *stack])


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (two_inputs, "expected one square image"),
        (two_outputs, "expected one input and one output. It has 1 and 2"),
        (
            chain(layers.Flatten(), layers.Dense(3)),
            "softmax as its last activation. It has 'linear'",
        ),
        (
            chain(layers.Flatten(), layers.Dense(3, "sigmoid")),
            "softmax as its last activation. It has 'sigmoid'",
        ),
        (chain(layers.Conv2D(3, 3, activation="softmax")), r"has shape \(30, 30, 3\)"),
        (
            chain(
                layers.UpSampling2D(1000),
                layers.GlobalMaxPooling2D(),
                layers.Dense(3, "softmax"),
            ),
            r"computes a tensor of the shape \(32000, 32000, 3\)",
        ),
    ],
)
def test_it_is_a_classifier_of_the_run(
    toy: str, tmp_path: Path, build: Callable[[], keras.Model], said: str
) -> None:
    run = saved_run(tmp_path / "run", toy, build())
    with pytest.raises(RunError, match=f"is not a valid model: .*{said}"):
        load_classifier(run)


@pytest.mark.case("M05")
def test_what_keras_cannot_load_is_one_line_without_its_advice(toy: str, tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run", toy)
    file = run.path / "model.keras"
    change_weights(file, lambda weights: weights["layers"].pop("functional"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RunError, match=r"Keras cannot load it|holds") as caught:
            load_classifier(run)
    assert "\n" not in str(caught.value)
    assert "safe_mode" not in str(caught.value)

    run = saved_run(tmp_path / "another", toy)
    change_config(
        run.path / "model.keras",
        lambda config: layers_of(config)["stem"]["config"].update(strides="wrong"),
    )
    with pytest.raises(RunError, match="Keras cannot load it") as caught:
        load_classifier(run)
    assert "\n" not in str(caught.value)


def test_a_run_that_did_not_record_its_side_loads(run: Run) -> None:
    expected = load_classifier(run).predict_on_batch(IMAGES)
    text = (run.path / "run.json").read_text()
    (run.path / "run.json").write_text(text.replace('"image_size": 32', '"image_size": 0'))
    assert Run(run.path).info.settings.image_size == 0
    found = load_classifier(Run(run.path)).predict_on_batch(IMAGES)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_a_changed_region_is_refused_or_changes_nothing(toy: str, tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run", toy)
    file = run.path / "model.keras"
    expected = load_classifier(run).predict_on_batch(IMAGES)
    whole, refused = file.read_bytes(), 0
    for seed in range(50):
        draw = random.Random(seed)
        length = draw.choice([1, 16, 300])
        start = draw.randrange(len(whole) - length)
        file.write_bytes(whole[:start] + draw.randbytes(length) + whole[start + length :])
        try:
            model = load_classifier(run)
        except RunError:
            refused += 1
        else:
            np.testing.assert_array_equal(model.predict_on_batch(IMAGES), expected)
    assert refused > 40
