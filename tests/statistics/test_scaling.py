from __future__ import annotations

import keras
import numpy as np
import pytest

from transfer.statistics.scaling import common_scale, standardisation, standardise, unit

VECTORS = np.random.default_rng(0).normal(3, [1, 2, 4], (500, 3)).astype(np.float32)


def test_standardised_vectors_have_mean_0_and_about_deviation_1() -> None:
    found = standardise(VECTORS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=0.05)


def test_a_feature_that_is_nearly_always_0_cannot_outweigh_the_others() -> None:
    vectors = np.concatenate([VECTORS, np.zeros((500, 1), np.float32)], axis=1)
    vectors[0, 3] = 0.1
    mean, scale = standardisation(vectors)
    assert ((vectors[0] - mean) / scale)[3] < 1


def test_unit_vectors_are_those_of_keras() -> None:
    vectors = np.concatenate([VECTORS, VECTORS * 1e-8, VECTORS * 1e8, np.zeros((1, 3), np.float32)])
    found = unit(vectors)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, keras.layers.UnitNormalization()(vectors), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found[:-1], axis=1), 1, atol=1e-6)
    assert not found[-1].any()


def test_one_scale_for_all_columns_keeps_what_they_differ_in() -> None:
    mean, scale = common_scale(VECTORS)
    np.testing.assert_allclose(mean, VECTORS.mean(axis=0))
    assert scale.shape == (3,)
    assert scale.tolist() == [pytest.approx(np.sqrt(VECTORS.var(axis=0).mean()))] * 3
    assert common_scale(np.zeros((4, 3), np.float32))[1].min() > 0
