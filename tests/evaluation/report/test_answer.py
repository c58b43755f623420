from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transfer.evaluation.metrics import compute_metrics
from transfer.evaluation.report.answer import _beyond_chance, headline, recommend
from transfer.runs.info import FoldsInfo, LabelErrors
from transfer.runs.metrics import Metrics
from transfer.runs.predictions import Predictions


def metrics_of(matrix: list[list[int]]) -> Metrics:
    true, predicted = [], []
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            true += [i] * count
            predicted += [j] * count
    names = tuple("abcdefgh"[: len(matrix)])
    shares = np.full((len(true), len(matrix)), 0.1 / (len(matrix) - 1), np.float32)
    shares[np.arange(len(true)), predicted] = 0.9
    paths = tuple(f"{i}.jpg" for i in range(len(true)))
    return compute_metrics(Predictions(paths, np.array(true), shares, names), "val")


def test_the_headline_leaves_out_leaked_images() -> None:
    metrics = metrics_of([[20, 5], [0, 25]])
    leaked = {
        "images": 10,
        "n_without": 40,
        "accuracy_without": 0.7,
        "accuracy_without_ci95": [0.55, 0.82],
    }
    clean = headline(metrics | {"leaked": leaked}, uneven=True)
    assert (clean.kind, clean.accuracy, clean.interval, clean.n) == ("clean", 0.7, (0.55, 0.82), 40)
    assert clean.macro_f1 is None  # it is only known with the leaked images
    nothing = leaked | {"n_without": 0, "accuracy_without": None, "accuracy_without_ci95": None}
    assert headline(metrics | {"leaked": nothing}, uneven=False).accuracy == 0.9


def test_the_headline_is_the_figure_to_trust() -> None:
    metrics = metrics_of([[20, 5], [0, 25]])
    folds = FoldsInfo("head", 1.0, 5, 400, 0.85, (0.81, 0.88), 0.84)
    shown = headline(metrics, False, "chose_the_model", folds)
    assert (shown.kind, shown.accuracy, shown.n) == ("folds", 0.85, 400)
    assert headline(metrics, False, None, folds).kind == "all"


def test_a_class_with_one_image_is_named() -> None:
    shown = headline(metrics_of([[20, 0], [1, 0]]), uneven=True)
    assert (shown.uneven, shown.thin) == (True, ("b",))
    assert shown.macro_f1_interval is not None
    low, high = shown.macro_f1_interval
    assert low < (shown.macro_f1 or 0) <= high


def test_no_class_of_many_equal_ones_is_called_weak() -> None:
    rng, called = np.random.default_rng(0), 0
    for _ in range(100):
        right = rng.binomial(20, 0.8, size=40)
        rows: Any = [
            {"class": f"{i}", "recall": hits / 20, "support": 20} for i, hits in enumerate(right)
        ]
        called += bool(_beyond_chance(rows))
    assert called <= 5  # where each class is looked at alone, more than half of the time


@pytest.mark.parametrize(
    ("matrix", "caveat", "labels", "words", "target"),
    [
        ([[90, 10], [5, 95]], "trained_on", None, "not trained on", ""),
        ([[90, 10], [5, 95]], None, LabelErrors(42, 1000), "Look at 42 labels", "label-errors"),
        ([[90, 10], [5, 95]], None, LabelErrors(42, 1000, reliable=False), "images of", "mistakes"),
        ([[60, 40], [1, 99]], None, None, "Collect images of \u2068a\u2069: 60", "classes"),
        ([[95, 5], [0, 3]], None, None, "with 3 to evaluate", "classes"),
        ([[18, 2], [3, 17]], None, None, "Evaluate on more images: 40", ""),
        ([[300, 0], [0, 300]], None, None, "Nothing stands out", ""),
    ],
)
def test_one_recommendation(
    matrix: list[list[int]], caveat: str | None, labels: LabelErrors | None, words: str, target: str
) -> None:
    advice = recommend(metrics_of(matrix), caveat, {"a": 7}, labels)
    assert words in advice.words
    assert advice.target == target
