"""Networks from scratch beside pretrained ones: trained whole, judged on images not seen."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.experiments.compare import Measured, measure_speed
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import image_dataset, naming_bad_files
from transfer.networks.classifier import build_extractor, image_size, layers_to_unfreeze
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.system.progress import hushed, say, warn
from transfer.training.balance import resolve_monitor, weigh_classes
from transfer.training.feature_plan import frozen_network
from transfer.training.keep.checkpoint import save_model
from transfer.training.optim.precision import resolve_mixed_precision
from transfer.training.optim.schedules import settle
from transfer.training.seeds import sow
from transfer.training.tuning.batches import Tuning
from transfer.training.tuning.fit import fine_tune
from transfer.training.tuning.history import History

MINUTES = 10.0  # at most, for all trainings of one network
WITHOUT = Weights("none")


def measure_from_scratch(folds: Sequence[ImageFolder], recipe: Recipe) -> Measured:
    """Train a network from its first weight, once per fold, and judge it on that fold's test side.

    It is trained as `transfer.finetune` trains it, the best epoch being chosen on the fold's val
    side. Folds are done while `MINUTES` allow another, but one at least; a training that is not
    done by then is ended. Nothing is kept.

    Args:
        folds: From `transfer.data.folds.divide`.
        recipe: Names the network; says how it is trained.

    Returns:
        What `transfer.experiments.compare.measure` returns of a pretrained one; its images are
        those of the test sides of the folds that were done.

    Raises:
        TransferError: The training diverged.
    """
    recipe = replace(recipe, mixed_precision=resolve_mixed_precision(recipe.mixed_precision))
    say(f"Training it from scratch, in as many of {len(folds)} folds as {MINUTES:g} minutes allow")
    began = time.monotonic()
    right: list[np.ndarray] = []
    for number, fold in enumerate(folds, start=1):
        if right and time.monotonic() - began > 60 * MINUTES * len(right) / number:
            break
        deadline = Deadline(began + 60 * MINUTES)
        with hushed():  # one line per fold, and not per epoch
            classifier, epoch = _train(fold, recipe, deadline)
        if deadline.missed_in is not None:
            warn(
                f"The {MINUTES:g} minutes are over: the training ended in epoch"
                f" {deadline.missed_in}. {recipe.backbone} may be better than it looks here."
            )
        right.append(_judge(classifier, fold.select("test"), recipe))
        say(
            f"Fold {number} of {len(folds)}: {int(right[-1].sum()):,} of {len(right[-1]):,} images"
            f" recognised, best epoch {epoch}"
        )
    extractor = build_extractor(recipe, WITHOUT)
    network = frozen_network(extractor, extractor.get_layer(recipe.backbone), None, recipe)
    return Measured(
        np.concatenate(right),
        tuple(path for fold in folds[: len(right)] for path in fold.select("test").paths),
        measure_speed(network.engine(None), network.model),
        extractor.count_params(),
    )


def _train(fold: ImageFolder, recipe: Recipe, deadline: Deadline) -> tuple[keras.Model, int]:
    """Return the classifier as it was at its best, and the number of that epoch; 0 for none."""
    sow(recipe)
    sides = fold.select("train"), fold.select("val")
    counts = np.bincount(sides[0].labels, minlength=len(fold.classes)).tolist()
    extractor = build_extractor(recipe, WITHOUT)
    base = extractor.get_layer(recipe.backbone)
    recipe = settle(recipe, sum(counts), base)
    recipe = replace(recipe, monitor=resolve_monitor(recipe, counts))
    layers = layers_to_unfreeze(base, "all")
    tuning = Tuning(extractor, base, layers, None, weigh_classes(counts, recipe.balance))
    classifier, model, batches = tuning.start(tuning.new_head(recipe), sides, None, recipe)
    with tempfile.TemporaryDirectory() as scratch:
        path, history = Path(scratch) / "model.keras", History(Path(scratch) / "history.csv")
        save_model(classifier, path)
        tuned = fine_tune(
            model, classifier, batches, recipe, path, history, {}, callbacks=[deadline]
        )
        classifier.load_weights(path)
    return classifier, 0 if tuned.best_epoch is None else tuned.best_epoch + 1


class Deadline(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training after the first step behind a moment.

    Args:
        until: The moment, by `time.monotonic`.
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


def _judge(classifier: keras.Model, images: ImageFolder, recipe: Recipe) -> np.ndarray:
    """Return for each image whether its likeliest class is the given one: bool (n,)."""
    batches = image_dataset(
        images,
        size=image_size(recipe),
        resize=recipe.resize,
        batch_size=recipe.batch_size,
        labels=False,
    )
    with naming_bad_files():
        found = np.concatenate([np.asarray(classifier(batch, training=False)) for batch in batches])
    right: np.ndarray = found.argmax(axis=1) == np.array(images.labels)
    return right
