"""Networks from scratch beside pretrained ones: trained whole, judged on images not seen."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer import signals
from transfer.backbones import get_backbone
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import image_dataset, naming_bad_files
from transfer.progress import Advance, bar, say, warn
from transfer.recipe import MONITORS, Recipe
from transfer.training.balance import resolve_monitor, weigh_classes
from transfer.training.batches import Tuning, with_targets
from transfer.training.checkpoint import BestCheckpoint, Patience
from transfer.training.classifier import build_extractor, image_size
from transfer.training.compare import Measured, measure_speed
from transfer.training.frozen import frozen_network
from transfer.training.head import build_head, parse_head
from transfer.training.history import check_loss
from transfer.training.metrics import MacroF1
from transfer.training.optimizers import make_optimizer
from transfer.training.schedules import settle, settled
from transfer.weights import Weights

MINUTES = 10.0  # at most, for all trainings of one network


def measure_from_scratch(folds: Sequence[ImageFolder], recipe: Recipe) -> Measured:
    """Train a network from its first weight, once per fold, and judge it on that fold's test side.

    It is trained as `transfer.finetune` trains it, the best epoch being chosen on the fold's val
    side. Folds are done while `MINUTES` allow another, but one at least; a training that is not
    done by then is ended. Nothing is kept.

    Args:
        folds: From `transfer.training.folds.divide`.
        recipe: Names the network; says how it is trained.

    Returns:
        What `transfer.training.compare.measure` returns of a pretrained one; ``right`` has one
        entry per image of the test sides of the folds that were done.

    Raises:
        TransferError: The training diverged.
    """
    recipe = replace(recipe, head="linear", unfreeze="auto")
    say(f"Training it from scratch, in as many of {len(folds)} folds as {MINUTES:g} minutes allow")
    began = time.monotonic()
    right: list[np.ndarray] = []
    for number, fold in enumerate(folds, start=1):
        if right and time.monotonic() - began > 60 * MINUTES * len(right) / number:
            break
        label = f"Fold {number} of {len(folds)}"
        classifier, epoch = _train(fold, recipe, began + 60 * MINUTES, label)
        right.append(_judge(classifier, fold.select("test"), recipe))
        say(
            f"{label}: {int(right[-1].sum()):,} of {len(right[-1]):,} images recognised,"
            f" best epoch {epoch}"
        )
    extractor = _extractor(recipe)
    network = frozen_network(extractor, extractor.get_layer(recipe.backbone), None, recipe)
    return Measured(
        np.concatenate(right),
        measure_speed(network.engine(None), network.model),
        extractor.count_params(),
    )


def _train(
    fold: ImageFolder, recipe: Recipe, deadline: float, label: str
) -> tuple[keras.Model, int]:
    """Return the classifier as it was at its best, and the number of that epoch."""
    keras.utils.set_random_seed(recipe.seed)
    sides = fold.select("train"), fold.select("val")
    counts = np.bincount(sides[0].labels, minlength=len(fold.classes)).tolist()
    recipe = replace(recipe, monitor=resolve_monitor(recipe, counts))
    recipe = settle(recipe, sum(counts))
    class_weights = weigh_classes(counts, recipe.balance)
    extractor = _extractor(recipe)
    base = extractor.get_layer(recipe.backbone)
    layers = {layer.name for layer in base.layers}
    spec = parse_head(recipe.head)
    head = build_head(spec, extractor.output_shape[-1], len(counts), recipe.seed)
    tuning = Tuning(extractor, base, layers, None, class_weights)
    _, classifier, batches = tuning.start(head, sides, None, recipe)
    batches = with_targets(batches, len(counts), recipe)
    steps = batches.steps_per_epoch * settled(recipe)
    classifier.compile(
        optimizer=make_optimizer(recipe, steps),
        loss="categorical_crossentropy",
        metrics=["accuracy", MacroF1(len(counts))],
        jit_compile=False,
    )
    mode = MONITORS[recipe.monitor]
    with (
        tempfile.TemporaryDirectory() as scratch,
        naming_bad_files(),
        bar(label, steps) as advance,
        signals.patiently(),
    ):
        path = Path(scratch) / "best.weights.h5"
        best = BestCheckpoint(path, recipe.monitor, mode)
        clock = _Clock(recipe, deadline, advance)
        patience = Patience(recipe.monitor, mode=mode, patience=recipe.patience)
        classifier.fit(
            batches.train,
            steps_per_epoch=batches.steps_per_epoch,
            epochs=settled(recipe),
            validation_data=batches.val,
            shuffle=False,  # the dataset does it
            verbose=0,
            callbacks=[best, patience, clock],
        )
        clock.check_loss(best.best_logs.get("loss", math.nan))  # no epoch had finite figures
        classifier.load_weights(path)
    return classifier, (best.best_epoch or 0) + 1


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Moves the bar, and ends the training when its time is over or its loss is no number."""

    def __init__(self, recipe: Recipe, deadline: float, advance: Advance) -> None:
        super().__init__()
        self.recipe, self.deadline, self.advance = recipe, deadline, advance
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        self.check_loss(logs["loss"])
        self.advance(1)
        if time.monotonic() > self.deadline and not self.model.stop_training:
            self.model.stop_training = True
            warn(
                f"The {MINUTES:g} minutes are over: the training ends in epoch {self.epoch} of"
                f" {self.recipe.epochs}. {self.recipe.backbone} may be better than it looks here."
            )

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        signals.check()

    def check_loss(self, loss: float) -> None:
        """Raise TransferError where the loss is no finite number."""
        recipe = self.recipe
        check_loss(loss, recipe.backbone, self.epoch, recipe.learning_rate, "learning_rate")


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


def _extractor(recipe: Recipe) -> keras.Model:
    backbone = get_backbone(recipe.backbone)
    return build_extractor(backbone, parse_head(recipe.head), image_size(recipe), Weights("none"))
