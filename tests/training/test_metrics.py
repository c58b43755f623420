from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score

from transfer.training.metrics import MacroF1

RNG = np.random.default_rng(0)
LABELS = RNG.choice(4, size=103, p=[0.7, 0.2, 0.06, 0.04])
ANSWERS = RNG.dirichlet([0.6, 0.3, 0.3, 0.3], 103).astype(np.float32)


def measured(labels: np.ndarray, answers: np.ndarray, size: int = 10) -> float:
    metric = MacroF1(4)
    for start in range(0, len(labels), size):
        metric.update_state(labels[start : start + size], answers[start : start + size])
    return float(metric.result())


@pytest.mark.parametrize("form", ["sparse", "column", "one-hot", "soft"])
def test_it_is_that_of_the_whole_set_however_it_is_batched(form: str) -> None:
    expected = f1_score(LABELS, ANSWERS.argmax(axis=1), average="macro")
    targets = {
        "sparse": LABELS,
        "column": LABELS[:, None].astype(np.float32),
        "one-hot": np.eye(4, dtype=np.float32)[LABELS],
        "soft": 0.8 * np.eye(4, dtype=np.float32)[LABELS] + 0.05,
    }[form]
    for size in (7, 103):
        assert measured(targets, ANSWERS, size) == pytest.approx(expected, abs=1e-6)


def test_a_class_without_a_true_image_is_left_out() -> None:
    there = LABELS < 3
    expected = f1_score(
        LABELS[there], ANSWERS[there].argmax(axis=1), average="macro", labels=[0, 1, 2]
    )
    assert measured(LABELS[there], ANSWERS[there]) == pytest.approx(expected, abs=1e-6)


def test_nothing_seen_is_zero_and_a_reset_forgets() -> None:
    metric = MacroF1(4)
    assert float(metric.result()) == 0
    metric.update_state(np.array([0, 1, 2, 3]), np.eye(4))
    assert float(metric.result()) == 1
    metric.reset_state()
    assert float(metric.result()) == 0


def test_in_fit_it_is_that_of_the_epoch(tmp_path: Path) -> None:
    x = RNG.normal(size=(103, 3)).astype(np.float32)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[MacroF1(4)], jit_compile=False)
    log = model.fit(x, LABELS, validation_data=(x, LABELS), epochs=2, verbose=0, batch_size=16)
    found = model.predict(x, verbose=0).argmax(axis=1)
    expected = f1_score(LABELS, found, average="macro", zero_division=0)
    assert log.history["val_macro_f1"][-1] == pytest.approx(expected, abs=1e-6)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.evaluate(x, LABELS, verbose=0)[1] == pytest.approx(expected, abs=1e-6)
