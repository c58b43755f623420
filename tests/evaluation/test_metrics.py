from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from transfer.errors import DataError, TransferError
from transfer.evaluation.metrics import compute_metrics, image_losses
from transfer.runs.predictions import Predictions
from transfer.statistics.intervals import wilson_interval


def two_sure_one_wrong() -> Predictions:
    rows = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]], dtype=np.float32)
    return Predictions(("a", "b", "c", "d"), np.array([0, 1, 1, 0]), rows, ("x", "y"))


def test_loss_of_a_certain_mistake_is_finite() -> None:
    wrong = Predictions(("a",), np.array([1]), np.array([[1, 0]], dtype=np.float32), ("x", "y"))
    assert image_losses(wrong)[0] == pytest.approx(15.942, abs=1e-3)


def test_figures_are_those_of_scikit_learn(make_predictions) -> None:
    found = make_predictions([f"c{i}" for i in range(7)], [3, 8, 20, 5, 11, 2, 30])
    ours = compute_metrics(found, "val")
    predicted, labels = found.probabilities.argmax(axis=1), range(7)
    p, r, f, s = sk.precision_recall_fscore_support(found.true, predicted, labels=labels)
    rows = ours["per_class"]
    assert [row["precision"] for row in rows] == pytest.approx(p)
    assert [row["recall"] for row in rows] == pytest.approx(r)
    assert [row["f1"] for row in rows] == pytest.approx(f)
    assert [row["support"] for row in rows] == list(s)
    shares = found.probabilities.astype(float)
    shares /= shares.sum(axis=1, keepdims=True)
    assert ours["accuracy"] == pytest.approx(sk.accuracy_score(found.true, predicted))
    assert ours["macro_f1"] == pytest.approx(f.mean())
    assert ours["balanced_accuracy"] == pytest.approx(r.mean())
    assert ours["log_loss"] == pytest.approx(sk.log_loss(found.true, shares), rel=1e-6)
    assert ours["top5_accuracy"] == pytest.approx(
        sk.top_k_accuracy_score(found.true, shares, k=5, labels=labels)
    )
    expected = sk.confusion_matrix(found.true, predicted, labels=labels)
    assert ours["confusion_matrix"] == expected.tolist()


@pytest.mark.case("R02")
def test_a_class_without_images_keeps_its_row_and_spoils_nothing() -> None:
    rows = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]], dtype=np.float32)
    found = Predictions(("a", "b"), np.array([0, 1]), rows, ("x", "y", "absent"))
    ours = compute_metrics(found, "val")
    assert np.shape(ours["confusion_matrix"]) == (3, 3)
    assert ours["per_class"][2] == {
        "class": "absent",
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
        "recall_ci95": None,
    }
    assert ours["macro_f1"] == ours["balanced_accuracy"] == 1.0
    json.dumps(ours, allow_nan=False)


@pytest.mark.case("R03")
@pytest.mark.parametrize("count", [1, 2, 200])
def test_any_number_of_classes(count: int, make_predictions) -> None:
    ours = compute_metrics(make_predictions([f"c{i}" for i in range(count)], 3), "val")
    assert np.shape(ours["confusion_matrix"]) == (count, count)
    assert ("top5_accuracy" in ours) == (count > 5)
    json.dumps(ours, allow_nan=False)


def test_most_confused_is_sorted_and_shares_are_of_the_true_class() -> None:
    true = np.array([0, 0, 0, 1, 1, 2])
    rows = np.eye(3, dtype=np.float32)[[1, 1, 0, 2, 1, 1]]
    found = Predictions(tuple("abcdef"), true, rows, ("x", "y", "z"))
    assert compute_metrics(found, "val")["most_confused"] == [
        {"true": "x", "predicted": "y", "count": 2, "share": 2 / 3},
        {"true": "y", "predicted": "z", "count": 1, "share": 0.5},
        {"true": "z", "predicted": "y", "count": 1, "share": 1.0},
    ]


@pytest.mark.case("R05")
def test_zero_images_are_refused_with_a_hint() -> None:
    none = Predictions((), np.zeros(0, np.int64), np.zeros((0, 2), np.float32), ("x", "y"))
    with pytest.raises(DataError, match=r"split 'test'.*Received: 0\. Add images") as caught:
        compute_metrics(none, "test")
    assert caught.value.exit_code == 2


def test_nan_is_refused() -> None:
    broken = Predictions(("a",), np.array([0]), np.array([[np.nan, 1]], np.float32), ("x", "y"))
    with pytest.raises(TransferError, match="diverged"):
        compute_metrics(broken, "val")


def test_leaked_images_are_counted_apart() -> None:
    found = two_sure_one_wrong()  # the third is wrong
    assert "leaked" not in compute_metrics(found, "val", {"elsewhere"})
    low, high = wilson_interval(1, 2)
    assert compute_metrics(found, "val", {"a", "b", "elsewhere"})["leaked"] == {
        "images": 2,
        "n_without": 2,
        "accuracy_without": 0.5,
        "accuracy_without_ci95": [low, high],
    }
    everything = compute_metrics(found, "val", set("abcd"))
    assert everything["leaked"]["accuracy_without"] is None
    json.dumps(everything, allow_nan=False)
