from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import make_settings

from transfer.training.tuning.mixing import (
    draw_rectangle,
    hard_batches,
    mix_batch,
    mix_targets,
    soft_batches,
)

EYE = np.eye(3, dtype=np.float32)


def batches(count: int = 3, size: int = 4) -> tf.data.Dataset:
    rng = np.random.default_rng(0)
    rows = count * size
    return tf.data.Dataset.from_tensor_slices(
        (
            rng.normal(size=(rows, 6, 6, 2)).astype(np.float32),
            np.arange(rows) % 3,
            np.where(np.arange(rows) % 3 == 0, 2.0, 1.0).astype(np.float32),
        )
    ).batch(size)


def test_smoothed_targets() -> None:
    soft = soft_batches(batches(), 3, make_settings(label_smoothing=0.3, mix="none"))
    assert len(soft) == 3
    x, targets, weights = next(iter(soft))
    np.testing.assert_array_equal(x, next(iter(batches()))[0])
    np.testing.assert_allclose(targets[1], [0.1, 0.8, 0.1], atol=1e-7)
    np.testing.assert_array_equal(weights, [2.0, 1.0, 1.0, 2.0])


def test_without_smoothing_it_is_the_sparse_loss() -> None:
    _, labels, weights = next(iter(batches()))
    answers = np.random.default_rng(1).dirichlet([1, 1, 1], 4).astype(np.float32)
    targets = next(iter(soft_batches(batches(), 3, make_settings(label_smoothing=0, mix="none"))))[
        1
    ]
    sparse = keras.losses.SparseCategoricalCrossentropy()(labels, answers, weights)
    assert float(keras.losses.CategoricalCrossentropy()(targets, answers, weights)) == float(sparse)


def test_validation_is_not_smoothed() -> None:
    val = hard_batches(batches().map(lambda x, y, w: (x, y)), 3)
    assert len(val) == 3
    np.testing.assert_array_equal(next(iter(val))[1], EYE[[0, 1, 2, 0]])


def test_mixed_targets_in_numbers() -> None:
    targets, weights = mix_targets(EYE[[0, 1]], np.array([1.0, 1.0]), np.array([1, 0]), 0.75)
    np.testing.assert_allclose(targets, [[0.75, 0.25, 0], [0.25, 0.75, 0]])
    np.testing.assert_allclose(weights, [1, 1])
    targets, weights = mix_targets(EYE[[0, 1]], np.array([3.0, 1.0]), np.array([1, 0]), 0.75)
    np.testing.assert_allclose(weights, [2.5, 1.5])
    np.testing.assert_allclose(targets, [[0.9, 0.1, 0], [0.5, 0.5, 0]], atol=1e-7)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mixture_costs_what_its_parts_cost(smoothing: float) -> None:
    rng = np.random.default_rng(0)
    labels, weights = rng.integers(3, size=8), rng.uniform(0.2, 5, 8)
    partners, share = rng.permutation(8), 0.3
    answers = rng.dirichlet([1, 1, 1], 8)
    smooth = lambda t: t * (1 - smoothing) + smoothing / 3  # noqa: E731
    cost = lambda t: -(smooth(t) * np.log(answers)).sum(axis=1)  # noqa: E731
    targets, mixed = mix_targets(EYE[labels], weights, partners, share)
    parts = share * weights * cost(EYE[labels])
    parts += (1 - share) * weights[partners] * cost(EYE[labels][partners])
    np.testing.assert_allclose(mixed * cost(targets), parts, rtol=1e-5)


def test_targets_of_weight_zero_are_finite() -> None:
    targets, weights = mix_targets(EYE[[0, 1]], np.array([0.0, 0.0]), np.array([1, 0]), 0.5)
    assert np.isfinite(targets).all()
    assert (weights == 0).all()


@pytest.mark.parametrize("kind", ["mixup", "cutmix", "both"])
def test_targets_are_the_share_of_the_pixels(kind: str) -> None:
    pictures = np.broadcast_to(EYE[:, None, None, :], (3, 8, 8, 3))  # each is of its own colour
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mixed, targets, weights = mix_batch(pictures, EYE, np.ones(3, np.float32), kind, rng)
        np.testing.assert_allclose(mixed.mean(axis=(1, 2)), targets, atol=1e-6)
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(weights, 1, atol=1e-6)
        if kind == "cutmix":
            assert set(np.unique(mixed)) <= {0.0, 1.0}
    assert (pictures == EYE[:, None, None, :]).all()


def test_vectors_cannot_be_cut() -> None:
    rng = np.random.default_rng(0)
    mixed, targets, _ = mix_batch(EYE, EYE, np.ones(3, np.float32), "cutmix", rng)
    np.testing.assert_allclose(mixed, targets, atol=1e-6)


def test_rectangles() -> None:
    areas = []
    for seed in range(300):
        rows, columns = draw_rectangle(20, 30, 0.75, np.random.default_rng(seed))
        assert 0 <= rows.start <= rows.stop <= 20
        assert 0 <= columns.start <= columns.stop <= 30
        areas.append((rows.stop - rows.start) * (columns.stop - columns.start))
    assert max(areas) == 10 * 15
    assert 0.5 * 150 < np.mean(areas) < 150


def test_mixtures_depend_on_seed_and_step_alone() -> None:
    settings = make_settings(seed=3, mix="both")
    whole = [x.numpy() for x, _, _ in soft_batches(batches(), 3, settings)]
    late = soft_batches(batches().skip(2), 3, settings, first_step=2)
    np.testing.assert_array_equal(next(iter(late))[0], whole[2])
    other = next(iter(soft_batches(batches(), 3, make_settings(seed=4, mix="both"))))[0]
    assert not np.array_equal(other, whole[0])
