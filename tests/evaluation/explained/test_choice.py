from __future__ import annotations

import numpy as np

from transfer.evaluation.explained.choice import choose, choose_multilabel
from transfer.runs.multilabel_predictions import MultilabelPredictions
from transfer.runs.predictions import Predictions


def predictions(rows: list[tuple[int, int, float]], count: int) -> Predictions:
    """Return predictions of (true, predicted, confidence)."""
    shares = np.zeros((len(rows), count), np.float32)
    for row, (true, guess, sure) in zip(shares, rows, strict=True):
        row[:] = (1 - sure) / (count - 1)
        row[guess] = sure
        if true != guess:
            row[true] = 0.01
            row /= row.sum()
    classes = tuple(f"c{i:03d}" for i in range(count))
    names = tuple(f"{number:03d}.jpg" for number in range(len(rows)))
    return Predictions(names, np.array([true for true, _, _ in rows]), shares, classes)


def test_mistakes_come_first_then_a_hit_of_each_class() -> None:
    rows = [(0, 0, 0.9), (0, 0, 0.99), (1, 1, 0.8), (2, 1, 0.9), (1, 0, 0.6), (2, 2, 0.5)]
    found = choose(predictions(rows, 3))
    assert [each.path for each in found] == [f"{i:03d}.jpg" for i in (3, 4, 1, 2, 5)]
    assert (found[0].true, found[0].predicted, found[0].number) == ("c002", "c001", 1)
    assert found[2].confidence == np.float32(0.99)


def test_there_are_24_in_all() -> None:
    rng = np.random.default_rng(0)
    mistakes = [(i % 5, (i + 1) % 5, 0.5 + rng.random() / 3) for i in range(60)]
    found = choose(predictions([*mistakes, *((i, i, 0.9) for i in range(5))], 5))
    assert len(found) == 24
    assert [each.true for each in found[19:]] == [f"c{i:03d}" for i in range(5)]
    assert all(each.true != each.predicted for each in found[:19])


def test_many_classes_share_the_places() -> None:
    hits = [(i, i, 0.9) for i in range(200)]
    few = choose(predictions([(150, 151, 0.7), *hits], 200))
    assert len(few) == 24
    assert {"c150", "c151"} < {each.true for each in few[1:]}
    many = choose(predictions([*((i, 0, 0.7) for i in range(100, 140)), *hits], 200))
    assert len(many) == 24
    assert sum(each.true == each.predicted for each in many) == 12


def test_nothing_right_or_nothing_wrong() -> None:
    assert len(choose(predictions([(0, 1, 0.9)] * 30, 2))) == 24
    assert len(choose(predictions([(0, 0, 0.9)] * 30, 2))) == 1


def test_several_classes_of_a_photo() -> None:
    true = np.array([[1, 0], [1, 1], [0, 1]], bool)
    shares = np.array([[0.9, 0.8], [0.7, 0.1], [0.2, 0.95]], np.float32)
    found = choose_multilabel(
        MultilabelPredictions(("a", "b", "c"), true, shares, ("x", "y"), (0.5, 0.5))
    )
    rows = [(each.path, each.true, each.predicted, each.number) for each in found]
    assert rows == [
        ("b", "x|y", "x", 1),  # missed
        ("a", "x", "x|y", 1),
        ("a", "x", "x|y", 0),  # hits
        ("c", "y", "y", 1),
    ]
    assert found[0].confidence == np.float32(0.1)
