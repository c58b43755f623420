"""Fine-tuning from kept activations does what fine-tuning the whole network does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np
import pytest
from toys import make_settings

from transfer.features.extract import Features
from transfer.networks.backbones import get_backbone
from transfer.networks.classifier import Classifier, layers_to_unfreeze
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.training.frozen import choose_cut
from transfer.training.tuning.batches import batches_of_activations, with_targets

SETTINGS = make_settings(head="avg", batch_size=4, epochs=3, augment="flip")
IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1])


def one_step(toy: str, above_the_cut: bool) -> dict[str, np.ndarray]:
    parts = Classifier.build(toy, 32, "avg", Weights("own"))
    head = parts.new_head(3, seed=0)
    head.weights[0].assign(np.random.default_rng(0).normal(size=(16, 3)))  # zeros pass nothing on
    classifier, base = parts.join(head), parts.base
    parts.unfreeze(classifier, layers_to_unfreeze(base, "2"), normalise=False)
    model, x = classifier, IMAGES
    if above_the_cut:
        cut, _ = choose_cut(base, "2", Recipe(), (8, 8))
        assert cut == "add_1"
        model = parts.above(cut, head)
        trunk = keras.Model(base.input, base.get_layer(cut).output)
        x = trunk.predict_on_batch(get_backbone(toy).apply_preprocess(IMAGES))
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.train_on_batch(x, LABELS)
    return {w.path: np.array(w) for w in base.weights + head.weights}


def test_one_step_above_the_cut_is_one_step_of_the_whole(toy: str) -> None:
    whole, top = one_step(toy, False), one_step(toy, True)
    assert whole.keys() == top.keys()
    start = {w.path: np.array(w) for w in get_backbone(toy).build().weights}
    for name in whole:
        np.testing.assert_allclose(top[name], whole[name], rtol=1e-4, atol=1e-6)
    moved = {name for name in start if not np.array_equal(start[name], whole[name])}
    assert moved == {"down/kernel", "block_2/kernel"}


def test_each_image_comes_once_an_epoch_in_one_of_its_views() -> None:
    count, views = 10, 3
    numbers = np.arange(count * views, dtype=np.float16).reshape(-1, 1, 1, 1)
    labels = np.tile(np.arange(count), views)
    train = Features(np.zeros((30, 1)), labels, numbers, views)
    val = Features(np.zeros((10, 1)), np.arange(10), numbers[:10], 1)
    batches = batches_of_activations(train, val, replace(SETTINGS, class_weights=(1.0, 2.0) * 5))
    assert batches.steps_per_epoch == 3
    assert len(batches.train) == 9
    epochs: list[list[int]] = [[], [], []]
    for step, (x, y, weights) in enumerate(batches.train):
        rows = x.numpy().reshape(-1).astype(int)
        np.testing.assert_array_equal(rows % count, y)
        np.testing.assert_array_equal(weights, np.where(y.numpy() % 2, 2.0, 1.0))
        epochs[step // 3] += rows.tolist()
    for rows in epochs:
        assert sorted(row % count for row in rows) == list(range(count))
    assert len({tuple(rows) for rows in epochs}) == 3
    assert len({row // count for rows in epochs for row in rows}) == views
    assert [int(v) for x, _ in batches.val for v in x.numpy().reshape(-1)] == list(range(10))


@pytest.mark.parametrize("views", [3, 5, 8])
def test_no_view_of_an_image_comes_again_before_all_have_come(views: int) -> None:
    count, settings = 40, make_settings(batch_size=16, epochs=6, class_weights=(1.0,))
    numbers = np.arange(count * views, dtype=np.float32).reshape(-1, 1, 1, 1)
    train = Features(np.zeros((count * views, 1)), np.zeros(count * views, int), numbers, views)
    rows: list[int] = []
    for first, last in ((0, 2), (2, 6)):  # as when it is resumed after the second epoch
        batches = batches_of_activations(train, train, settings, first_epoch=first)
        found = np.concatenate([x.numpy().reshape(-1) for x, _, _ in batches.train])
        rows += found[: (last - first) * count].astype(int).tolist()
    drawn = [[row // count for row in rows if row % count == image] for image in range(count)]
    assert {len(each) for each in drawn} == {6}
    for each in drawn:
        for start in range(0, 6, views):
            some = each[start : start + views]
            assert len(set(some)) == len(some)
    assert len({each[0] for each in drawn}) == views  # an epoch draws from all views


def test_oversampling_draws_every_class_equally_often_and_weighs_none() -> None:
    labels = np.array([0] * 10 + [1] * 2)
    train = Features(np.zeros((24, 1)), np.tile(labels, 2), np.zeros((24, 2, 2, 1)), 2)
    val = Features(np.zeros((2, 1)), np.array([0, 1]), np.zeros((2, 2, 2, 1)), 1)
    settings = make_settings(balance="oversample", batch_size=4, epochs=2, class_weights=(0.6, 3.0))
    batches = batches_of_activations(train, val, settings)
    rows = list(batches.train)
    assert len(rows) == 2 * batches.steps_per_epoch == 6
    assert np.bincount(np.concatenate([y for _, y, _ in rows])).tolist() == [12, 12]
    assert {float(w) for _, _, weights in rows for w in weights} == {1.0}


def test_an_image_that_is_drawn_several_times_comes_in_several_views() -> None:
    count, views = 12, 5
    labels = np.array([0] * 10 + [1] * 2)
    numbers = np.arange(count * views, dtype=np.float32).reshape(-1, 1, 1, 1)
    train = Features(np.zeros((count * views, 1)), np.tile(labels, views), numbers, views)
    settings = make_settings(
        balance="oversample", batch_size=12, epochs=3, class_weights=(1.0, 1.0)
    )
    for x, *_ in batches_of_activations(train, train, settings).train:  # an epoch each
        rows = x.numpy().reshape(-1).tolist()
        assert len(set(rows)) == 12
        assert sorted(row % count for row in rows)[-6:] == [10] * 3 + [11] * 3


def test_mixing_is_said(said: Callable[[], str]) -> None:
    rows = Features(np.zeros((10, 1)), np.arange(10), np.zeros((10, 2, 2, 1), np.float16), 1)
    settings = make_settings(mix="both", class_weights=(1.0,) * 10)
    with_targets(batches_of_activations(rows, rows, settings), 10, settings)
    assert "Training on mixtures of images (both)" in said()


@pytest.mark.parametrize("mix", ["none", "mixup", "cutmix"])
def test_the_loss_of_weighted_smoothed_mixtures_by_hand(mix: str) -> None:
    """The loss of a model that always answers (0.8, 0.2), with weighted labels, mixed or not.

    Smoothed by 0.1 the labels are (0.95, 0.05) and (0.05, 0.95), which cost
    0.95 x 0.2231 + 0.05 x 1.6094 = 0.2925 and 0.05 x 0.2231 + 0.95 x 1.6094 = 1.5401.
    Three of weight 1 and one of weight 5: (3 x 0.2925 + 5 x 1.5401) / 4 = 2.1445.
    """
    activations = np.random.default_rng(0).normal(size=(4, 3, 3, 1)).astype(np.float16)
    rows = Features(np.zeros((4, 1)), np.array([0, 0, 0, 1]), activations, 1)
    settings = make_settings(
        batch_size=4, epochs=5, mix=mix, label_smoothing=0.1, class_weights=(1.0, 5.0)
    )
    batches = with_targets(batches_of_activations(rows, rows, settings), 2, settings)
    model = keras.Sequential([keras.Input((3, 3, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(2, "softmax", kernel_initializer="zeros"))
    model.layers[-1].bias.assign(np.log([0.8, 0.2]))
    model.compile(loss="categorical_crossentropy")
    steps = list(batches.train)
    assert len(steps) == 5
    for x, targets, weights in steps:
        loss = model.test_on_batch(x, targets, weights)
        assert float(loss) == pytest.approx(2.1445, abs=1e-4)
        model.reset_metrics()
    mixed = any(((t > 0.051) & (t < 0.949)).numpy().any() for _, t, _ in steps)
    assert mixed is (mix != "none")
