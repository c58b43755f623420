from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from transfer.errors import UsageError
from transfer.recipe import BOUNDS, CHOICES, Recipe, is_uneven


def test_a_recipe_survives_json(tmp_path: Path) -> None:
    recipe = Recipe(backbone="vgg16", image_size=96, val=0.1, follow_links=True)
    (tmp_path / "recipe.json").write_text(json.dumps(recipe.to_dict()))
    assert Recipe.load(tmp_path / "recipe.json") == recipe


@pytest.mark.case("T15")
def test_a_typo_in_the_monitor_is_told_before_training() -> None:
    with pytest.raises(UsageError, match=r"Unknown monitor='val_acuracy'\. Did you mean 'val_acc"):
        Recipe(monitor="val_acuracy")


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"batch_size": 0}, "batch_size= between 1"),
        ({"batch_size": "32"}, "batch_size= as a whole number between 1 and 65536. Received: '32'"),
        ({"seed": True}, "seed= as a whole number between 0"),
        ({"val": 1.0}, "val= between 0 and 1"),
        ({"test": 0.8}, "test= between 0 and 1 - val"),
        ({"test": -0.1}, "test= between 0 and 1 - val"),
        ({"learning_rate": 0}, "learning_rate= above 0"),
        ({"learning_rate": float("nan")}, "learning_rate= above 0"),
        ({"learning_rate": float("inf")}, "learning_rate= above 0"),
        ({"learning_rate": "1e-4"}, "learning_rate= as a number above 0, or None"),
        ({"unfreeze": 2.5}, "unfreeze= as text"),
        ({"layer_decay": 1.5}, "layer_decay= above 0 and at most 1"),
        ({"label_smoothing": 1.0}, "label_smoothing= from 0 to below 1"),
        ({"ema": 1.0}, "ema= from 0 to below 1"),
        ({"ema": 0.99, "monitor": "loss"}, "Expected monitor= as val_loss, since ema"),
        ({"weight_decay": -0.1}, "weight_decay= of 0 or more"),
        ({"clip_norm": float("nan")}, "clip_norm= of 0 or more"),
        ({"accumulate": 0}, "accumulate= between 1"),
        ({"optimizer": "adamv"}, "Did you mean 'adam"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"mix": "mixdown"}, "Expected one of: auto, none"),
        ({"resize": "squash"}, "stretch, crop, pad"),
        ({"folds": 1}, "folds= between 2 and 20, or 0. Received: 1"),
        ({"folds": 21}, "Received: 21"),
        ({"folds": True}, "folds= as a whole number between 2 and 20, or 0"),
        ({"folds": 2.5}, "folds= as a whole number between 2 and 20, or 0"),
        ({"folds_finetune": True}, "Expected folds= between 2 and 20 with folds_finetune=True"),
        ({"trunk_cache": "lots"}, "2GB or 500MB"),
        ({"time": "10"}, "10m, 90s or 1h30m. Received: '10'"),
        ({"resize": 2.5}, "resize= as one of stretch, crop, pad. Received: 2.5"),
        ({"out": "x"}, "Unknown argument 'out'. Did you mean 'output'"),
        ({"rotation_range": 9}, "It is a word of augment='flip,rotate=10,shift=0.1,fill=reflect'"),
        ({"zca_whitening": True}, "It is a word of normalize='featurewise_std'"),
        ({"gpu": 0}, "Unknown argument 'gpu'. It runs on the GPU"),
        ({"time": 10}, "Received: '10'"),
        ({"time": None}, "time= as text"),
        ({"views": 33}, "views= between 0 and 32. Received: 33"),
        ({"views": -1}, "views= between 0"),
        ({"image_size": 7}, "image_size= between 8 and 2048"),
        ({"seed": -1}, "seed= between 0"),
        ({"patience": 0}, "patience= between 1"),
        ({"interpolate": 1}, "interpolate= as True or False"),
        ({"epoch": 3}, "Unknown argument 'epoch'. Did you mean 'epochs'"),
    ],
)
def test_bad_knobs_are_named(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Recipe.from_dict(knobs)


def test_every_field_is_documented() -> None:
    missing = [f.name for f in dataclasses.fields(Recipe) if f"{f.name}: " not in Recipe.__doc__]
    assert missing == []


@pytest.mark.parametrize("text", ["{", "[]", "", "\xff"])
def test_a_broken_recipe_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=r"recipe.*r\.json"):
        Recipe.load(tmp_path / "r.json")


def test_what_a_notebook_passes() -> None:
    knobs = {"unfreeze": 2, "epochs": np.int64(3), "weights": Path("w"), "learning_rate": 1}
    knobs |= {"val": np.float32(0.25), "head": np.str_("avg"), "dedupe": np.bool_(True)}
    recipe = Recipe.from_dict(knobs | {"seed": np.array(7)})
    assert (type(recipe.head), recipe.dedupe, recipe.seed) == (str, True, 7)
    assert (recipe.unfreeze, recipe.weights) == ("2", "w")
    assert (type(recipe.epochs), type(recipe.learning_rate), type(recipe.val)) == (
        int,
        float,
        float,
    )
    json.dumps(recipe.to_dict())


def test_choices_and_bounds_are_of_fields_whose_defaults_they_allow() -> None:
    default = Recipe().to_dict()
    assert all(default[name] in words for name, words in CHOICES.items())
    assert BOUNDS.keys() <= default.keys()
    for name, (low, high) in BOUNDS.items():
        assert Recipe.from_dict({name: low}).to_dict()[name] == low
        assert Recipe.from_dict({name: high}).to_dict()[name] == high


def test_what_uneven_means() -> None:
    assert not is_uneven([30, 10])
    assert is_uneven([31, 10])
    assert not is_uneven([30, 0, 10])
    assert not is_uneven([])
