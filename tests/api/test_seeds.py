from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import transfer
from transfer.api import finetune_seeds
from transfer.errors import RunError, UsageError

KNOBS = {"backbone": "toy", "views": 0, "unfreeze": "none"}


def test_seeds_are_summarised_and_only_what_is_missing_is_trained(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    data, folder = make_folder(), tmp_path / "seeds"
    transfer.finetune(data, output=folder / "seed-5", seed=5, **KNOBS)
    kept = (folder / "seed-5/model.keras").stat().st_mtime_ns
    found = finetune_seeds(data, 2, folder, seed=5, **KNOBS)
    assert [each.run for each in found.runs] == ["seed-5", "seed-6"]
    assert (folder / "seed-5/model.keras").stat().st_mtime_ns == kept
    runs = [transfer.Run(folder / each.run) for each in found.runs]
    assert [run.info.settings.seed for run in runs] == [5, 6]
    accuracies = [run.metrics["accuracy"] for run in runs]
    assert found.accuracy.mean == pytest.approx(np.mean(accuracies))
    assert found.accuracy.std == pytest.approx(np.std(accuracies, ddof=1))
    assert json.loads((folder / "seeds.json").read_text()) == json.loads(
        json.dumps(found.to_dict())
    )
    before = {path: path.stat().st_mtime_ns for path in folder.glob("seed-*/*")}
    assert finetune_seeds(data, 2, folder, seed=5, **KNOBS) == found
    assert {path: path.stat().st_mtime_ns for path in folder.glob("seed-*/*")} == before
    with pytest.raises(RunError, match=r"seed-5 was trained with another recipe"):
        finetune_seeds(data, 2, folder, seed=5, **KNOBS | {"head": "avg"})
    other = tmp_path / "roses"
    data.rename(other)
    with pytest.raises(RunError, match=r"seed-5 was trained on '.*', not on 'roses'; nothing"):
        finetune_seeds(other, 2, folder, seed=5, **KNOBS)


def test_what_cannot_be_seeds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Expected seeds= of 2 to 100\. Received: 1"):
        finetune_seeds("data", 1, tmp_path)
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(RunError, match=r"holds other files, such as 'thesis\.txt'"):
        finetune_seeds("data", 2, tmp_path)
    with pytest.raises(RunError, match="It is a file"):
        finetune_seeds("data", 2, tmp_path / "thesis.txt")
