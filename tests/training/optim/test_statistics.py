"""BatchNormalization is judged by the statistics of its training data."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.toys import make_settings
from transfer.features.extract import Features
from transfer.training.head.fitting import fit_head
from transfer.training.optim import statistics
from transfer.training.optim.statistics import average_over_an_epoch, settle_statistics
from transfer.training.tuning.history import History

RNG = np.random.default_rng(0)


def test_statistics_are_those_of_what_reaches_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "ROWS", 16)  # several parts, the last one smaller
    vectors = RNG.normal(5, 3, (50, 4)).astype(np.float32)
    dense = keras.layers.Dense(3, "relu")
    norms = [keras.layers.BatchNormalization() for _ in range(2)]
    model = keras.Sequential(
        [keras.Input((4,)), norms[0], keras.layers.Dropout(0.5), dense, norms[1]]
    )
    settle_statistics(model.layers, vectors)
    np.testing.assert_allclose(norms[0].moving_mean, vectors.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(norms[0].moving_variance, vectors.var(axis=0), rtol=1e-5)
    hidden = np.asarray(dense(norms[0](vectors)))
    np.testing.assert_allclose(norms[1].moving_variance, hidden.var(axis=0), rtol=1e-4)
    found = np.asarray(model(vectors))
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)


@pytest.mark.parametrize(("steps", "expected"), [(1, 0.0), (4, 0.75), (1000, 0.99)])
def test_running_averages_span_an_epoch(steps: int, expected: float) -> None:
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4,)), keras.Sequential([norm])])
    average_over_an_epoch(model, steps)
    assert norm.momentum == pytest.approx(expected)


@pytest.mark.parametrize("head", ["batchnorm,16", "16,batchnorm", "batchnorm"])
def test_a_head_is_saved_with_the_statistics_of_its_training_vectors(
    head: str, tmp_path: Path
) -> None:
    labels = np.repeat(np.arange(3, dtype=np.int64), 30)
    vectors = RNG.normal(5, 40, (90, 8)).astype(np.float32)
    features = Features(vectors, labels, None, 1)
    fitted, _ = fit_head(
        features, features, make_settings(head=head, head_epochs=3), History(tmp_path / "h.csv")
    )
    found = fitted.get_weights()
    settle_statistics(fitted.layers, vectors)
    for one, other in zip(found, fitted.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
