from __future__ import annotations

import json
from pathlib import Path

import pytest

from transfer.evaluation.evaluate import find_caveat, write_evaluation


@pytest.mark.parametrize(
    ("split", "monitor", "epochs", "caveat"),
    [
        ("train", "val_accuracy", 9, "trained_on"),
        ("train", "val_accuracy", 1, "trained_on"),
        ("val", "val_accuracy", 9, "chose_the_model"),
        ("val", "val_accuracy", 1, None),
        ("val", "loss", 9, None),
        ("test", "val_accuracy", 9, None),
    ],
)
def test_what_images_were_used_for_before(
    split: str, monitor: str, epochs: int, caveat: str | None
) -> None:
    assert find_caveat(split, monitor, epochs) == caveat


def test_metrics_say_it(make_predictions, tmp_path: Path) -> None:
    found = make_predictions(["a", "b"])
    write_evaluation(tmp_path, found, "train", caveat="trained_on")
    assert json.loads((tmp_path / "metrics.json").read_text())["caveat"] == "trained_on"
    assert write_evaluation(tmp_path, found, "test")["caveat"] is None
