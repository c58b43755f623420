from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from toys import make_info

from transfer.errors import RunError, UsageError
from transfer.networks.backbones import Backbone
from transfer.networks.classifier import (
    Classifier,
    layers_to_unfreeze,
    load_classifier,
    settle_unfreeze,
)
from transfer.networks.head import parse_head
from transfer.networks.normalisation import fit_normalisation
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.runs.directory import make_run_directory
from transfer.runs.run import Run

IMAGES = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)


def make_classifier(toy: str) -> tuple[keras.Model, keras.Model]:
    parts = Classifier.build(toy, 32, "linear", Weights("own"))
    return parts.join(parts.new_head(3, seed=0)), parts.base


def test_the_saved_model_takes_raw_rgb(toy: str, tmp_path: Path) -> None:
    classifier, base = make_classifier(toy)
    classifier.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        loaded.predict_on_batch(IMAGES), classifier.predict_on_batch(IMAGES)
    )
    by_hand = base.predict_on_batch(IMAGES / 127.5 - 1).mean(axis=(1, 2))
    head = classifier.get_layer("head")
    np.testing.assert_allclose(
        loaded.predict_on_batch(IMAGES), head.predict_on_batch(by_hand), atol=1e-5
    )


def test_nothing_of_the_extractor_trains(toy: str) -> None:
    classifier, _ = make_classifier(toy)
    names = [variable.path for variable in classifier.trainable_variables]
    assert names == ["head/predictions/kernel", "head/predictions/bias"]


@pytest.mark.parametrize(
    ("spec", "trained"),
    [
        ("2", {"down", "block_2"}),
        ("all", {"stem", "block_1", "down", "block_2"}),
        ("auto", {"block_2"}),
        ("none", set()),
        ("99", {"stem", "block_1", "down", "block_2"}),
        ("block_2", {"block_2"}),
    ],
)
def test_what_is_unfrozen(toy: str, spec: str, trained: set[str]) -> None:
    parts = Classifier.build(toy, 32, "linear", Weights("own"))
    base = parts.base
    layers = layers_to_unfreeze(base, settle_unfreeze(base, spec))
    parts.unfreeze(parts.join(parts.new_head(3, seed=0)), layers, normalise=False)
    assert {layer.name for layer in base.layers if layer.trainable_variables} == trained
    norms = [x for x in base.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert norms
    assert not any(layer.trainable for layer in norms)


def test_batchnorm_inside_a_nested_model_stays_frozen() -> None:
    inner = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()])
    image = keras.Input((8, 8, 3))
    base = keras.Model(image, inner(image))
    backbone = Backbone("nested", lambda input_shape: base, None, "own", 8, 1, 0, 0)
    parts = Classifier(backbone, base, parse_head("avg"))
    parts.unfreeze(parts.join(parts.new_head(2, 0)), {x.name for x in base.layers}, normalise=False)
    assert len(base.trainable_variables) == 2
    assert not inner.layers[1].trainable


def test_from_scratch_batchnorm_learns_too(toy: str) -> None:
    parts = Classifier.build(toy, 32, "linear", Weights("none"))
    everything = layers_to_unfreeze(parts.base, "all")
    model = parts.join(parts.new_head(3, seed=0))
    parts.unfreeze(model, everything, normalise=True)
    assert {id(weight) for weight in model.trainable_weights} >= {
        id(x.gamma) for x in parts.base.layers if isinstance(x, keras.layers.BatchNormalization)
    }


def test_the_normalisation_never_trains(toy: str) -> None:
    parts = Classifier.build(toy, 32, "linear", Weights("none"))
    parts = replace(parts, normalisation=fit_normalisation("zca", 32, [IMAGES / 255]))
    model = parts.join(parts.new_head(3, seed=0))
    model.trainable = False  # Keras ignores the next value otherwise: it is that of new models
    parts.unfreeze(model, layers_to_unfreeze(parts.base, "all"), normalise=True)
    assert model.trainable_variables
    assert not any("zca" in variable.path for variable in model.trainable_variables)


@pytest.mark.parametrize(
    ("spec", "hint"),
    [("blok_2", "Did you mean 'block_2'"), ("-1", "Expected auto, none, all")],
)
def test_bad_specs_are_named(toy: str, spec: str, hint: str) -> None:
    _, base = make_classifier(toy)
    with pytest.raises(UsageError, match=hint):
        settle_unfreeze(base, spec)


@pytest.mark.case("M05")
@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 cut off", b"<html>", b"\x89HDF\r\n\x1a\n", "a directory"]
)
def test_a_broken_model_is_no_traceback(tmp_path: Path, content: bytes | str) -> None:
    run = Run.create(make_run_directory(tmp_path / "r", ""), Recipe(), ["a", "b"], make_info())
    with pytest.raises(RunError, match=r"model\.keras is missing"):
        load_classifier(run)
    if isinstance(content, bytes):
        (run.path / "model.keras").write_bytes(content)
    else:
        (run.path / "model.keras").mkdir()
    with pytest.raises(RunError, match=r"model\.keras is not a valid model"):
        load_classifier(run)
