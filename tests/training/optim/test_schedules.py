from __future__ import annotations

import keras
import numpy as np
import pytest

from transfer.errors import UsageError
from transfer.networks.backbones import get_backbone
from transfer.recipe import Recipe
from transfer.training.optim.schedules import OneCycle, make_schedule, settle, warm_cosine


@pytest.mark.parametrize(
    ("images", "epochs", "smoothing"),
    [(16, 50, 0.0), (320, 10, 0.0), (999, 8, 0.0), (1000, 8, 0.1), (100_000, 8, 0.1)],
)
def test_few_photos_get_more_epochs_and_hard_targets(
    toy: str, images: int, epochs: int, smoothing: float
) -> None:
    recipe = settle(Recipe(backbone=toy), images, get_backbone(toy).build())
    assert (recipe.epochs, recipe.label_smoothing) == (epochs, smoothing)
    assert settle(recipe, 5, get_backbone(toy).build()) == recipe  # what is given stays


def test_updates_are_counted_and_not_batches(toy: str) -> None:
    base = get_backbone(toy).build()
    assert settle(Recipe(backbone=toy, accumulate=4), 320, base).epochs == 40
    recipe = Recipe(backbone=toy, accumulate=8, epochs=1)
    assert settle(recipe, 8 * 32, base).accumulate == 8
    with pytest.raises(UsageError, match="--accumulate 8 never updates the weights: there are 7"):
        settle(recipe, 7 * 32, base)


@pytest.mark.parametrize(("name", "rate"), [("vgg16", 1e-4), ("convnexttiny", 5e-4)])
def test_networks_without_normalisation_learn_slower(name: str, rate: float) -> None:
    base = get_backbone(name).build(32)
    assert settle(Recipe(backbone=name), 100, base).learning_rate == rate
    assert settle(Recipe(backbone=name, learning_rate=0.3), 100, base).learning_rate == 0.3


def test_the_cosine_rises_and_falls() -> None:
    rate = warm_cosine(0.1, 100)
    values = [float(rate(step)) for step in (0, 5, 10, 55, 100)]
    np.testing.assert_allclose(values, [0.0, 0.05, 0.1, 0.05, 0.0], atol=1e-6)
    assert float(warm_cosine(0.1, 5)(0)) == pytest.approx(0.1)


def test_one_cycle_in_known_places() -> None:
    rate = make_schedule("onecycle", 0.5, 400)
    assert isinstance(rate, OneCycle)
    values = [float(rate(step)) for step in (0, 50, 100, 250, 400, 1000)]
    middle = (0.02 + 0.5) / 2
    np.testing.assert_allclose(values, [0.02, middle, 0.5, 0.250001, 2e-6, 2e-6], rtol=1e-5)


def test_a_constant_rate_is_a_number() -> None:
    assert make_schedule("constant", 0.5, 400) == 0.5


@pytest.mark.parametrize("name", ["cosine", "onecycle"])
def test_schedules_survive_their_config(name: str) -> None:
    rate = make_schedule(name, 0.1, 37)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert [float(again(i)) for i in range(40)] == [float(rate(i)) for i in range(40)]
