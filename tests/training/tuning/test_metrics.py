from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score

from transfer.statistics.metrics import score
from transfer.training.tuning.metrics import MacroF1

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


def test_judge_by_hand() -> None:
    """Two of three are right; F1 is 1 of class 0, and of class 2 (right once, found twice) 2/3."""
    answers = np.array([[0.5, 0.25, 0.25], [0.0, 0.25, 0.75], [0.125, 0.5, 0.375]])
    assert score(answers, np.array([0, 2, 2])) == {
        "loss": pytest.approx(-np.log([0.5, 0.75, 0.375]).mean()),
        "accuracy": pytest.approx(2 / 3),
        "macro_f1": pytest.approx((1 + 2 / 3) / 2),  # class 1 has no true image: it is left out
    }
    certain = score(np.array([[0.0, 1.0]]), np.array([0]))
    assert certain["loss"] == pytest.approx(-np.log(np.finfo(np.float32).eps))  # large, and finite


def test_judge_is_what_keras_says() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Activation("linear")])
    model.compile(
        loss="sparse_categorical_crossentropy", metrics=["accuracy", MacroF1(4)], jit_compile=False
    )
    figures = model.evaluate(ANSWERS, LABELS, verbose=0, return_dict=True)
    assert score(ANSWERS, LABELS) == pytest.approx(figures, abs=1e-5)
