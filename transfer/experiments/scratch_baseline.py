"""The baseline from scratch: networks trained whole, evaluated on images new to them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.data.dataset import Dataset
from transfer.experiments.compare import Measured, measure_speed
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import image_batches, naming_bad_files
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.settings import Settings
from transfer.system.progress import say, silenced, warn
from transfer.training.keep.checkpoint import save_model
from transfer.training.settle import settle
from transfer.training.setup import Setup, prepare
from transfer.training.tuning.batches import options_of
from transfer.training.tuning.fit import Record, fine_tune
from transfer.training.tuning.history import History

MINUTES = 10.0  # at most, for all trainings of one network
WITHOUT = Weights("none")


def measure_from_scratch(folds: Sequence[Dataset], recipe: Recipe) -> Measured:
    """Train a network from scratch, once per fold, and evaluate it on that fold's test split.

    It is trained as `transfer.finetune` trains it, with the best epoch chosen on the fold's val
    split. Folds run while `MINUTES` allow another one, but at least one; a training that exceeds
    the time is stopped. Nothing is kept.

    Args:
        folds: From `transfer.data.folds`.
        recipe: Names the network, and says how it is trained.

    Returns:
        As `transfer.experiments.compare.measure`; the images are those of the test splits of the
        folds that were done.

    Raises:
        TransferError: The training diverged.
    """
    say(f"Training it from scratch, in as many of {len(folds)} folds as {MINUTES:g} minutes allow")
    began = time.monotonic()
    right: list[np.ndarray] = []
    for number, fold in enumerate(folds, start=1):
        if right and time.monotonic() - began > 60 * MINUTES * len(right) / number:
            break
        deadline = Deadline(began + 60 * MINUTES)
        with silenced(), tempfile.TemporaryDirectory() as scratch:  # one line per fold
            settings, base = settle(recipe, fold, WITHOUT)
            setup = prepare(settings, fold, WITHOUT, Path(scratch), base)
            classifier, epoch = _train(setup, deadline)
        if deadline.missed_in is not None:
            warn(
                f"The {MINUTES:g} minutes are over: the training ended in epoch"
                f" {deadline.missed_in}. {recipe.backbone} may do better with more time."
            )
        test = fold.select("test").images
        right.append(_recognised(classifier, test, settings))
        say(
            f"Fold {number} of {len(folds)}: {int(right[-1].sum()):,} of {len(right[-1]):,} images"
            f" recognised, best epoch {epoch}"
        )
    return Measured(
        np.concatenate(right),
        tuple(path for fold in folds[: len(right)] for path in fold.select("test").images.paths),
        measure_speed(setup.network.engine(None), setup.network.model),
        setup.classifier.base.count_params(),
    )


def _train(setup: Setup, deadline: Deadline) -> tuple[keras.Model, int]:
    """Return the classifier at its best epoch, and the number of that epoch; 0 for none."""
    tunable = setup.start(setup.new_head(), None)
    record = Record(setup.scratch / "model.keras", History(setup.scratch / "history.csv"))
    save_model(tunable.classifier, record.path)
    tuned = fine_tune(tunable, setup.settings, record, [deadline])
    tunable.classifier.load_weights(record.path)
    return tunable.classifier, 0 if tuned.best_epoch is None else tuned.best_epoch + 1


class Deadline(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training after the first step past a given time.

    Args:
        until: The time, by `time.monotonic`.
    """

    def __init__(self, until: float) -> None:
        super().__init__()
        self.until = until
        self.epoch = 0
        self.missed_in: int | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if time.monotonic() > self.until:
            self.missed_in, self.model.stop_training = self.epoch, True


def _recognised(classifier: keras.Model, images: ImageFolder, settings: Settings) -> np.ndarray:
    """Return for each image whether its most probable class is the given one: bool (n,)."""
    batches = image_batches(images, options_of(settings), labels=False)
    with naming_bad_files():
        rows = np.concatenate([np.asarray(classifier(batch, training=False)) for batch in batches])
    right: np.ndarray = rows.argmax(axis=1) == np.array(images.labels)
    return right
