from __future__ import annotations

import numpy as np
import pytest

from transfer.evaluation.metrics import compute_metrics
from transfer.evaluation.report.album import Album
from transfer.evaluation.report.cells import cell_boxes, confused_pairs, worst_mistakes
from transfer.runs.predictions import Predictions

ROWS = np.array([[0.4, 0.6], [0.1, 0.9], [0.8, 0.2], [0.7, 0.3]], dtype=np.float32)
FOUND = Predictions(("a", "b", "c", "d"), np.array([0, 0, 0, 1]), ROWS, ("x", "y"))


def test_pairs_and_mistakes_show_the_surest_first() -> None:
    pairs = compute_metrics(FOUND, "val")["most_confused"]
    album = Album(lambda name: None, FOUND)
    first, second = confused_pairs(FOUND, pairs, album)
    assert (first.true, first.predicted, first.count, first.cell) == ("x", "y", 2, "c0-1")
    assert [shot.path for shot in first.shots] == ["b", "a"]
    assert [shot.path for shot in second.shots] == ["d"]
    worst = worst_mistakes(FOUND, album)
    assert [shot.path for shot in worst] == ["b", "d", "a"]
    assert worst[0].p_true == pytest.approx(0.1)


def test_each_photo_is_in_the_box_of_its_cell_and_in_the_album_once() -> None:
    album = Album(lambda name: f"data:{name}" if name != "c" else None, FOUND)
    worst = worst_mistakes(FOUND, album)
    boxes = {box.id: box for box in cell_boxes(FOUND, album)}
    assert {key: [s.path for s in box.shots] for key, box in boxes.items()} == {
        "c0-1": ["b", "a"],
        "c1-0": ["d"],
        "c0-0": ["c"],
    }
    assert (boxes["c0-1"].count, boxes["c0-1"].support) == (2, 3)
    assert boxes["c0-1"].shots[0].photo is worst[0].photo
    assert boxes["c0-0"].shots[0].photo is None
    assert [photo.path for photo in album.photos] == ["b", "d", "a"]
    assert len({photo.id for photo in album.photos}) == 3
    assert album.photos[0].cell == "c0-1"
    assert ("Probabilities", "\u2068y\u2069 90.0\u00a0%, \u2068x\u2069 10.0\u00a0%") in (
        album.photos[0].facts
    )
