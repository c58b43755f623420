"""Every open knob is decided once, by the images, the network and the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import make_dataset, make_settings

from transfer.data.dataset import Dataset
from transfer.errors import UsageError
from transfer.networks.backbones import get_backbone
from transfer.networks.weights import Weights
from transfer.recipe import BALANCES, MONITORS, Recipe
from transfer.settings import Settings
from transfer.training.frozen import FEW_VIEWS, MOST_VIEWS, choose_cut, views_of
from transfer.training.settle import (
    check_updates,
    settle,
    settle_monitor,
    wants_half,
    weigh_classes,
)

MakeFolder = Callable[..., Path]
OWN, NONE = Weights("own"), Weights("none")


def many(images: int, dataset: Dataset) -> Dataset:
    """Return a dataset that pretends to have that many training images."""
    folder = dataset.images
    times = -(-images // len(folder.select("train")))
    train, val = folder.select("train"), folder.select("val")
    numbers = range(images)
    rows = [(train.paths[i % len(train)], train.labels[i % len(train)]) for i in numbers]
    assert times * len(train) >= images
    grown = replace(
        folder,
        paths=tuple(path for path, _ in rows) + val.paths,
        labels=tuple(label for _, label in rows) + val.labels,
        splits=("train",) * images + val.splits,
    )
    return replace(dataset, images=grown)


@pytest.fixture
def dataset(make_folder: MakeFolder) -> Dataset:
    return make_dataset(make_folder(per_class=4, splits=("train", "val")))


def settled(dataset: Dataset, weights: Weights = OWN, **knobs: Any) -> Settings:
    return settle(Recipe(**{"backbone": "toy"} | knobs), dataset, weights)[0]


def test_nothing_is_left_open(toy: str, dataset: Dataset) -> None:
    settings = settled(dataset)
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    left = [name for name, value in values.items() if value in (None, "auto")]
    assert left == ["precision", "views_precision"]  # measured on the network with its weights
    assert settings.unfreeze == "1"
    assert settings.cut == "down_relu"
    assert (settings.views, settings.least_views, settings.most_views) == (8, 0, MOST_VIEWS)
    assert (settings.optimizer, settings.layer_decay, settings.weight_decay) == ("adamw", 0.8, 0.01)
    assert settings.mix == "none"


@pytest.mark.parametrize(
    ("images", "epochs", "smoothing"),
    [(16, 50, 0.0), (320, 10, 0.0), (999, 5, 0.0), (1000, 5, 0.1), (5000, 5, 0.1)],
)
def test_few_photos_get_more_epochs_and_hard_targets(
    toy: str, dataset: Dataset, images: int, epochs: int, smoothing: float
) -> None:
    settings = settled(many(images, dataset))
    assert (settings.epochs, settings.label_smoothing) == (epochs, smoothing)
    given = settled(many(images, dataset), epochs=3, label_smoothing=0.2)
    assert (given.epochs, given.label_smoothing) == (3, 0.2)


def test_updates_are_counted_and_not_batches(toy: str, dataset: Dataset) -> None:
    assert settled(many(320, dataset), accumulate=4).epochs == 40
    settings = make_settings(accumulate=8, epochs=1, unfreeze="1")
    check_updates(settings, 8 * 32)
    with pytest.raises(UsageError, match="accumulate=8 never updates the weights: there are 7"):
        check_updates(settings, 7 * 32)
    with pytest.raises(UsageError, match="accumulate=8 never"):
        settled(many(7 * 32, dataset), accumulate=8, epochs=1)


@pytest.mark.parametrize(("name", "rate"), [("vgg16", 1e-4), ("convnexttiny", 5e-4)])
def test_networks_without_normalisation_learn_slower(
    dataset: Dataset, name: str, rate: float
) -> None:
    knobs = {"backbone": name, "image_size": 32, "unfreeze": "none"}
    assert settled(dataset, **knobs).learning_rate == rate
    assert settled(dataset, **knobs, learning_rate=0.3).learning_rate == 0.3


def test_without_pretrained_weights_everything_trains(toy: str, dataset: Dataset) -> None:
    settings = settled(dataset, NONE)
    assert not settings.pretrained
    assert (settings.unfreeze, settings.cut, settings.views) == ("all", "", 0)
    assert (settings.epochs, settings.patience, settings.learning_rate) == (50, 15, 1e-3)
    assert (settings.optimizer, settings.layer_decay, settings.weight_decay) == ("adam", 1.0, 0.0)
    assert settled(many(2000, dataset), NONE).label_smoothing == 0.0
    assert settled(dataset, NONE, epochs=3).epochs == 3


def test_adam_has_no_weight_decay_unless_it_is_asked_for(toy: str, dataset: Dataset) -> None:
    assert settled(dataset, optimizer="adam").weight_decay == 0.0
    assert settled(dataset, optimizer="sgd").weight_decay == 0.01
    assert settled(dataset, optimizer="adam", weight_decay=0.1).weight_decay == 0.1


def test_many_images_are_mixed(toy: str, dataset: Dataset) -> None:
    assert settled(many(20_000, dataset), unfreeze="none").mix == "both"
    assert settled(many(19_999, dataset), unfreeze="none").mix == "none"
    assert settled(dataset, mix="cutmix").mix == "cutmix"


def test_what_a_time_limit_may_change(toy: str, dataset: Dataset) -> None:
    named = settled(dataset, views=3, epochs=2)
    assert (named.views, named.least_views, named.most_views) == (3, 3, 3)
    assert (named.epochs, named.most_epochs) == (2, 2)
    short = settled(dataset, epochs=2)  # more views than usual help more epochs alone
    assert (short.views, short.least_views, short.most_views) == (8, 0, 8)


def test_cuts(toy: str) -> None:
    base = get_backbone(toy).build()
    cut = lambda spec, **knobs: choose_cut(base, spec, Recipe(**knobs), (10, 5))[0]  # noqa: E731
    assert cut("block_2") == "down_relu"
    assert cut("2") == "add_1"
    assert cut("none") == ""
    assert cut("all") == cut("stem") == ""
    assert cut("block_2", trunk_cache="0") == ""


def test_room_for_fewer_views_is_no_reason_to_run_the_whole_network(
    toy: str, said: Callable[[], str]
) -> None:
    base = get_backbone(toy).build()
    row = 8 * 8 * 16 * 2

    def cut(rows: int, **knobs: Any) -> tuple[str, int]:
        recipe = Recipe(trunk_cache=str(rows * row), **knobs)
        return choose_cut(base, "block_2", recipe, (10, 5))

    assert cut(10 * 9 + 5) == ("down_relu", 8)
    assert cut(10 * 4 + 5) == ("down_relu", 3)
    assert cut(10 * (FEW_VIEWS + 1) + 5) == ("down_relu", FEW_VIEWS)
    assert cut(10**6) == ("down_relu", MOST_VIEWS)
    assert cut(10 * 9 + 5, views=8) == ("down_relu", 8)
    assert cut(15, augment="none") == ("down_relu", 0)
    assert said() == ""
    assert cut(10 * 9 + 4, views=8)[0] == ""
    assert cut(10 * (FEW_VIEWS + 1) + 4)[0] == ""
    assert cut(14, augment="none")[0] == ""
    assert said().count("more than trunk_cache=") == 3


def test_views_are_made_where_they_help() -> None:
    assert views_of(Recipe(views=3, augment="none"), 10, tuned=True) == 0
    assert views_of(Recipe(views=3, augment="flip"), 5000, tuned=False) == 3
    assert views_of(Recipe(), 5000, tuned=True) == 3
    assert [views_of(Recipe(), images, tuned=True) for images in (225, 180, 90)] == [4, 5, 8]
    assert views_of(Recipe(), 5000, tuned=False) == 0
    assert views_of(Recipe(), 50, tuned=False) == 8
    assert views_of(Recipe(head="avg,8"), 5000, tuned=False) == 0


def test_weights_are_averaged_where_the_head_is_a_start(toy: str, dataset: Dataset) -> None:
    assert settled(dataset).ema == 0.98
    assert settled(dataset, ema=0.5).ema == 0.5
    assert settled(dataset, ema=0.0).ema == 0.0
    assert settled(dataset, monitor="loss").ema == 0.0  # of the weights that train
    assert settle(Recipe(backbone="small-cnn", image_size=32), dataset, NONE)[0].ema == 0.0


def test_half_precision_where_it_is_asked_for_or_helps() -> None:
    assert [wants_half(wanted) for wanted in ("on", "off")] == [True, False]
    if not tf.config.list_physical_devices("GPU"):
        assert wants_half("auto") is False


def test_the_same_seed_builds_the_same_network(toy: str, dataset: Dataset) -> None:
    recipe = Recipe(backbone="small-cnn", image_size=32)
    one, two = (settle(recipe, dataset, NONE)[1] for _ in range(2))
    assert isinstance(one, keras.Model)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_class_weights_even_out() -> None:
    counts = [4, 4, 1]
    assert weigh_classes(counts, "none") == [1.0, 1.0, 1.0]
    np.testing.assert_allclose(weigh_classes(counts, "weights"), [0.75, 0.75, 3.0])
    assert weigh_classes(counts, "oversample") == weigh_classes(counts, "weights")
    root = np.array(weigh_classes(counts, "sqrt"))
    np.testing.assert_allclose(root[2] / root[0], 2.0)
    np.testing.assert_allclose((root * counts).sum(), 9.0)


@pytest.mark.parametrize("balance", BALANCES)
def test_a_class_without_images_has_a_finite_weight(balance: str) -> None:
    assert np.isfinite(weigh_classes([5, 0, 5], balance)).all()


def test_the_monitor_follows_the_classes() -> None:
    assert settle_monitor("auto", [30, 10]) == "val_accuracy"
    assert settle_monitor("auto", [95, 5]) == "val_macro_f1"
    assert settle_monitor("val_loss", [95, 5]) == "val_loss"
    assert {settle_monitor("auto", counts) for counts in ([1, 1], [9, 1])} <= MONITORS.keys()
