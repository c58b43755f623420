from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from toys import make_dataset

from transfer.api.recipes import make_recipe
from transfer.data.dataset import Dataset
from transfer.data.folds import folds_from_scratch
from transfer.data.split import SplitOptions
from transfer.errors import DataError, TransferError
from transfer.experiments import scratch_baseline
from transfer.experiments.scratch_baseline import WITHOUT, Deadline, measure_from_scratch
from transfer.recipe import Recipe
from transfer.training.settle import settle
from transfer.training.setup import Setup, prepare
from transfer.training.tuning import fit


@pytest.fixture
def folds(make_folder: Callable[..., Path]) -> list[Dataset]:
    return folds_from_scratch(make_dataset(make_folder(per_class=10)), SplitOptions())


def recipe(**knobs: object):  # type: ignore[no-untyped-def]
    return make_recipe(None, {"backbone": "dnn", "batch_size": 4, "augment": "none"} | knobs)


def set_up(fold: Dataset, recipe: Recipe, scratch: Path) -> Setup:
    settings, base = settle(recipe, fold, WITHOUT)
    return prepare(settings, fold, WITHOUT, scratch, base)


def test_it_learns_and_leaves_nothing_behind(
    folds: list[Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    measured = measure_from_scratch(folds[:2], recipe(epochs=8))
    assert measured.right.shape == (12,)
    assert measured.right.mean() > 0.8
    assert measured.images_per_second > 0
    assert measured.parameters == 393_344
    left = (path.name for path in (tmp_path / "temporary").iterdir())
    assert not [name for name in left if not name.startswith("__autograph")]  # TensorFlow's own


def test_the_images_that_are_judged_are_not_looked_at_before(
    folds: list[Dataset], said: Callable[[], str]
) -> None:
    test = folds[0].select("test").images
    for path in test.paths:
        test.file(path).unlink()
    with pytest.raises(DataError, match=r"\.png"):  # when they are predicted, at the end
        measure_from_scratch(folds[:1], recipe(epochs=2))
    assert re.search(r"Training it from scratch", said())


def test_the_best_epoch_counts(
    folds: list[Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[list[np.ndarray]] = []

    class Noted(fit.BestCheckpoint):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_end(epoch, logs)
            kept.append(self.whole.get_weights())

    monkeypatch.setattr(fit, "BestCheckpoint", Noted)

    class Spoiling(Deadline):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_begin(epoch, logs)
            if epoch == 3:
                self.model.set_weights([0 * weights for weights in self.model.get_weights()])

    knobs = recipe(epochs=4, monitor="val_loss", learning_rate=1e-4)
    classifier, epoch = scratch_baseline._train(set_up(folds[0], knobs, tmp_path), Spoiling(np.inf))
    assert (epoch, len(kept)) == (3, 4)
    for own, best, last in zip(classifier.get_weights(), kept[2], kept[3], strict=True):
        np.testing.assert_array_equal(own, best)
        assert (own != last).any()


def test_it_is_trained_as_the_recipe_says(
    folds: list[Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[keras.optimizers.Optimizer] = []
    compiled = fit.compile_for_tuning

    def noted(*arguments: Any) -> keras.Model:
        model = compiled(*arguments)
        seen.append(model.optimizer)
        return model

    monkeypatch.setattr(fit, "compile_for_tuning", noted)
    knobs = recipe(epochs=1, ema=0.9, layer_decay=0.5, monitor="val_loss")
    scratch_baseline._train(set_up(folds[0], knobs, tmp_path), Deadline(np.inf))
    assert seen[0].use_ema
    assert sorted(set(seen[0].get_config()["factors"])) == [0.5, 1.0]


def test_it_ends_when_its_time_is_over(
    folds: list[Dataset], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scratch_baseline, "MINUTES", 0.0)
    measured = measure_from_scratch(folds, recipe())
    assert len(measured.right) == len(folds[0].select("test"))  # one fold, whatever it takes
    assert "minutes are over: the training ended in epoch 1. dnn may do better" in caplog.text


def test_a_loss_that_is_no_number_is_told(folds: list[Dataset]) -> None:
    with pytest.raises(TransferError, match=r"diverged in epoch \d.*learning_rate="):
        measure_from_scratch(folds, recipe(optimizer="sgd", learning_rate=1e30, epochs=3))
