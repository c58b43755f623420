"""Made-up predictions and runs; nothing here trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toys import make_info

from transfer.data.dataset import Dataset
from transfer.evaluation.evaluate import write_evaluation
from transfer.images.folder import ImageFolder
from transfer.recipe import Recipe
from transfer.runs.directory import make_run_directory
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run
from transfer.system.digests import sha256_of

HISTORY = """phase,epoch,loss,accuracy,val_loss,val_accuracy
head,1,1.5,0.40,1.2,0.55
head,2,0.9,0.70,0.8,0.75
finetune,1,0.5,0.85,0.6,0.80
finetune,2,nan,0.90,0.5,0.85
"""

MakePredictions = Callable[..., Predictions]
MakeRun = Callable[..., Run]


@pytest.fixture
def make_predictions() -> MakePredictions:
    """Return a maker of seeded predictions, right about four times in five."""

    def make(
        classes: Sequence[str], per_class: int | Sequence[int] = 10, stem: str = "photo"
    ) -> Predictions:
        rng = np.random.default_rng(7)
        true = np.repeat(np.arange(len(classes)), per_class)
        logits = rng.normal(0, 1, (len(true), len(classes)))
        logits[np.arange(len(true)), true] += np.where(rng.random(len(true)) < 0.8, 4, 0)
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        paths = tuple(f"{c}/{stem}{i}.jpg" for i, c in enumerate(true))
        return Predictions(paths, true, shares.astype(np.float32), tuple(classes))

    return make


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Return a maker of evaluated runs, with images on disk where `images` is set."""

    def make(predictions: Predictions, name: str = "toy-001", images: bool = False) -> Run:
        data, digests = tmp_path / "my photos", {}
        if images:
            for path in predictions.paths:
                (data / path).parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (300, 200), "teal").save(data / path)
                digests[path] = sha256_of(data / path)
        counts = {"val": dict.fromkeys(predictions.classes, 10)}
        info = make_info(data=str(data), counts=counts)
        directory = make_run_directory(tmp_path / name, "")
        run = Run.create(directory, Recipe(), predictions.classes, info)
        (run.path / "history.csv").write_text(HISTORY, encoding="utf-8")
        write_evaluation(run.path, predictions, "val")
        if images:
            labels, splits = tuple(predictions.true.tolist()), ("val",) * len(predictions.paths)
            folder = ImageFolder(data, predictions.classes, predictions.paths, labels, splits)
            Dataset(folder, digests, digests, {}).write(run.path / "split.csv")
        return run

    return make
