from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from transfer.api.training import make_recipe
from transfer.audit.clean import audit
from transfer.errors import DataError, TransferError
from transfer.images.folder import ImageFolder
from transfer.training import yardstick
from transfer.training.folds import divide
from transfer.training.yardstick import measure_from_scratch


@pytest.fixture
def folds(make_folder: Callable[..., Path]) -> list[ImageFolder]:
    folder = ImageFolder.index(make_folder(per_class=10))
    looked = audit(folder)
    return divide(folder, looked.sha256, looked.groups, val=0.2, seed=0)


def recipe(**knobs: object):  # type: ignore[no-untyped-def]
    return make_recipe(None, {"backbone": "dnn", "batch_size": 4, "augment": "none"} | knobs)


def test_it_learns_and_leaves_nothing_behind(
    folds: list[ImageFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


def test_the_images_that_are_judged_are_not_looked_at_before(folds: list[ImageFolder]) -> None:
    fold = folds[0]
    for path in fold.select("test").paths:
        fold.file(path).unlink()
    classifier, epoch = yardstick._train(fold, recipe(epochs=2), np.inf, "Training")
    assert epoch in (1, 2)
    with pytest.raises(DataError, match=r"\.png"):
        yardstick._judge(classifier, fold.select("test"), recipe())


def test_the_best_epoch_counts(folds: list[ImageFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []

    class Noted(yardstick.BestCheckpoint):
        def _save_model(self, epoch: int, batch: object, logs: object) -> None:
            super()._save_model(epoch, batch, logs)
            if self.best_epoch == epoch:
                kept.append(self.model.get_weights())

    monkeypatch.setattr(yardstick, "BestCheckpoint", Noted)
    classifier, epoch = yardstick._train(
        folds[0], recipe(epochs=6, learning_rate=0.1, optimizer="sgd"), np.inf, "Training"
    )
    assert 1 <= epoch <= 6
    for own, best in zip(classifier.get_weights(), kept[-1], strict=True):
        np.testing.assert_array_equal(own, best)


def test_it_ends_when_its_time_is_over(
    folds: list[ImageFolder], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(yardstick, "MINUTES", 0.0)
    measured = measure_from_scratch(folds, recipe())
    assert len(measured.right) == len(folds[0].select("test"))  # one fold, whatever it takes
    assert "minutes are over: the training ends in epoch 1 of 50" in caplog.text


def test_a_loss_that_is_no_number_is_told(folds: list[ImageFolder]) -> None:
    with pytest.raises(TransferError, match=r"diverged in epoch \d of phase 'dnn'.*learning_rate"):
        measure_from_scratch(folds, recipe(optimizer="sgd", learning_rate=1e30, epochs=3))
