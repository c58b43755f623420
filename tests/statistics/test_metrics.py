"""Each metric against scikit-learn, and the corners by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax as scipy_softmax
from sklearn import metrics as sk

from transfer.statistics.metrics import (
    SMALLEST,
    accuracy,
    count_confusions,
    losses,
    macro_f1,
    score,
    softmax,
    top_k_accuracy,
)


@pytest.fixture(params=[2, 3, 12])
def sample(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (200, classes), float32 as networks give them, and labels that fit a little."""
    rng = np.random.default_rng(request.param)
    labels = rng.integers(0, request.param, 200)
    logits = rng.normal(size=(200, request.param)) + 1.5 * np.eye(request.param)[labels]
    return softmax(logits).astype(np.float32), labels


def test_against_scikit_learn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, labels = sample
    predicted, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    matrix = count_confusions(labels, predicted, classes)
    expected = sk.confusion_matrix(labels, predicted, labels=range(classes))
    np.testing.assert_array_equal(matrix, expected)
    assert accuracy(matrix) == pytest.approx(sk.accuracy_score(labels, predicted))
    assert macro_f1(matrix) == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    assert losses(probabilities, labels).mean() == pytest.approx(
        sk.log_loss(labels, exact), rel=1e-6
    )
    assert score(probabilities, labels) == {
        "loss": pytest.approx(sk.log_loss(labels, exact), rel=1e-6),
        "accuracy": accuracy(matrix),
        "macro_f1": macro_f1(matrix),
    }
    for k in range(2, classes):
        assert top_k_accuracy(probabilities, labels, k) == pytest.approx(
            sk.top_k_accuracy_score(labels, exact, k=k, labels=range(classes))
        )


def test_macro_f1_leaves_out_classes_without_images() -> None:
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    found = macro_f1(count_confusions(true, predicted, 4))
    present = sk.f1_score(true, predicted, labels=[0, 1], average="macro")
    assert found == pytest.approx(present) == pytest.approx((2 / 3 + 1) / 2)


def test_the_keras_metric_agrees(sample: tuple[np.ndarray, np.ndarray]) -> None:
    from transfer.training.tuning.metrics import MacroF1

    probabilities, labels = sample
    metric = MacroF1(probabilities.shape[1])
    for part in np.array_split(np.arange(len(labels)), 7):
        metric.update_state(labels[part], probabilities[part])
    expected = score(probabilities, labels)["macro_f1"]
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)


def test_the_loss_of_a_certain_mistake_is_that_of_scikit_learn() -> None:
    rows, labels = np.array([[1, 0], [1, 0]], np.float32), np.array([1, 0])
    assert losses(rows, labels) == pytest.approx([-np.log(SMALLEST), 0])
    assert losses(rows, labels).mean() == pytest.approx(sk.log_loss(labels, rows))
    assert pytest.approx(1.19e-7, rel=0.01) == SMALLEST


def test_losses_are_computed_in_double_precision() -> None:
    assert losses(np.array([[0.5, 0.5]], np.float16), np.array([0])).dtype == np.float64


def test_top_k_breaks_ties_as_argmax_does() -> None:
    assert top_k_accuracy(np.full((2, 4), 0.25), np.array([1, 2]), 2) == 0.5


def test_softmax_is_that_of_scipy_and_never_overflows() -> None:
    logits = np.array([[1.0, 2.0, 3.0], [1000.0, 0.0, -1000.0], [-1e4, -1e4, -1e4]])
    np.testing.assert_allclose(softmax(logits), scipy_softmax(logits, axis=1), rtol=1e-12)
    assert softmax(logits.astype(np.float32)).dtype == np.float32
