"""Pictures of more than 8 bits, from training to prediction."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transfer
from transfer.images.decode import decode
from transfer.runs.run import Run
from transfer.settings import EARLIER_DECODING, Decoding


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of 12 bits in 16, of which each class uses another part."""
    rng = np.random.default_rng(0)
    for name, top in {"dark": 400, "light": 4000}.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            values = rng.integers(0, top, (32, 32), dtype=np.uint16)
            Image.fromarray(values).save(tmp_path / "data" / name / f"{number}.tif")
    return tmp_path / "data"


@pytest.mark.case("F02")
def test_a_run_reads_new_pictures_as_those_it_was_trained_on(
    toy: str, folder: Path, said: Callable[[], str]
) -> None:
    run = transfer.finetune(folder, backbone=toy, unfreeze="none", color_profiles="ignore")
    decoding = Run(run.path).info.settings.decoding
    assert decoding == Decoding(integers=(0, 4095), profiles="ignore")
    assert "12 image(s) of more than 8 bits: 0 to 4095 becomes 0 to 255." in said()
    size = run.info.settings.image_size
    for path in sorted(folder.rglob("*.tif")):
        array = decode(path, size, decoding=decoding)
        assert array.mean() < 20 or array.mean() > 100
        (shown,) = run.predict(path)
        (expected,) = run.predict(array)
        assert shown.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


def test_a_run_on_pictures_that_mark_missing_values(toy: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, top in {"dark": 0.2, "light": 1.0}.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            values = rng.uniform(0, top, (32, 32)).astype(np.float32)
            values[0, number] = (-3.4028235e38, 3.4028235e38, np.nan)[number % 3]
            Image.fromarray(values).save(tmp_path / "data" / name / f"{number}.tif")
    run = transfer.finetune(tmp_path / "data", backbone=toy, unfreeze="none")
    assert Run(run.path).info.settings.decoding == Decoding(floats=(0, 1))
    assert run.predict(tmp_path / "data" / "dark" / "0.tif")


def test_runs_of_earlier_versions_read_as_they_did(toy: str, folder: Path) -> None:
    run = transfer.finetune(folder, backbone=toy, unfreeze="none")
    record = json.loads((run.path / "run.json").read_text())
    assert record["settings"]["decoding"]["profiles"] == "convert"
    del record["settings"]["decoding"]
    (run.path / "run.json").write_text(json.dumps(record))
    assert Run(run.path).info.settings.decoding == EARLIER_DECODING
