"""The second phase: the top of the backbone is unfrozen and trained at a low rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer import signals
from transfer.features.extract import Features
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import (
    PREFETCH,
    balanced_order,
    epoch_order,
    image_dataset,
    naming_bad_files,
    without_autotune,
)
from transfer.progress import Advance, bar, say
from transfer.recipe import MONITORS, Recipe
from transfer.training.averages import AveragedWeights
from transfer.training.checkpoint import BestCheckpoint, Patience, StateKeeper
from transfer.training.history import COLUMNS, History, check_loss
from transfer.training.metrics import MacroF1
from transfer.training.mixed_precision import mix_precision
from transfer.training.optimizers import layer_factors, make_optimizer
from transfer.training.state import State
from transfer.training.targets import hard_batches, resolve_mix, soft_batches


@dataclass(frozen=True)
class Batches:
    """What one fit needs: a dataset that runs over all epochs, and one that is run each epoch."""

    train: tf.data.Dataset
    val: tf.data.Dataset
    steps_per_epoch: int
    images: int  # in one epoch


@dataclass(frozen=True)
class Tuned:
    """What a fit has left, beside the model as it was after the last epoch.

    Attributes:
        best_epoch: Number, from 0, of the epoch that model.keras holds; None where none was better
            than the classifier before.
        best_logs: Its figures.
        start: Values of the model's trainable variables before the first epoch.
        val: Batches of inputs of the model with one-hot targets, for validation.
    """

    best_epoch: int | None
    best_logs: dict[str, float]
    start: Sequence[np.ndarray]
    val: tf.data.Dataset


def batches_of_activations(
    train: Features,
    val: Features,
    class_weights: Sequence[float],
    recipe: Recipe,
    first_epoch: int = 0,
) -> Batches:
    """Make batches of what the frozen trunk computed before, one of its views per image and epoch.

    Each image begins with a view of its own; no view of it comes again before all have come.

    Args:
        train: With activations (views * n, ...).
        val: With activations (m, ...), one view.
        class_weights: Weight in the loss of each class.
        recipe: Gives balance, seed, batch size and epochs.
        first_epoch: Epochs that a training which is taken up again has behind it.
    """
    count, size = len(train), recipe.batch_size
    weights = _loss_weights(class_weights, recipe)
    first_view = np.random.default_rng([recipe.seed, 1]).integers(train.views, size=count)

    def rows(features: Features, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        assert features.activations is not None
        labels = features.labels[chosen]
        return features.activations[chosen].astype(np.float32), labels, weights[labels]

    def order_of(epoch: int) -> np.ndarray:
        if recipe.balance == "oversample":
            return balanced_order(train.labels[:count], recipe.seed, epoch)
        return epoch_order(count, recipe.seed, epoch)

    def train_batches():  # type: ignore[no-untyped-def]
        for epoch in range(first_epoch, recipe.epochs):
            order = order_of(epoch)
            views = (first_view + epoch) % train.views
            for start in range(0, count, size):
                images = order[start : start + size]
                yield rows(train, views[images] * count + images)

    def val_batches():  # type: ignore[no-untyped-def]
        for start in range(0, len(val), size):
            yield rows(val, np.arange(start, min(start + size, len(val))))[:2]

    assert train.activations is not None
    signature = (
        tf.TensorSpec((None, *train.activations.shape[1:]), tf.float32),
        tf.TensorSpec((None,), tf.int64),
        tf.TensorSpec((None,), tf.float32),
    )
    steps = -(-count // size)
    return Batches(
        _dataset(train_batches, signature, steps * (recipe.epochs - first_epoch)),
        _dataset(val_batches, signature[:2], -(-len(val) // size)),
        steps,
        count,
    )


def _dataset(
    batches: Callable[[], Iterator[Any]], signature: tuple[tf.TensorSpec, ...], length: int
) -> tf.data.Dataset:
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    known = dataset.apply(tf.data.experimental.assert_cardinality(length))
    return known.prefetch(PREFETCH).with_options(without_autotune())


def batches_of_images(
    train: ImageFolder,
    val: ImageFolder,
    size: int,
    class_weights: Sequence[float],
    recipe: Recipe,
    first_epoch: int = 0,
) -> Batches:
    """Make batches of the images themselves, augmented anew in each epoch.

    Args:
        train: Training images.
        val: Validation images.
        size: Side of the images in pixels.
        class_weights: Weight in the loss of each class.
        recipe: Says how they are resized, augmented, shuffled and batched.
        first_epoch: Epochs that a training which is taken up again has behind it.
    """
    weights = _loss_weights(class_weights, recipe)
    read = partial(image_dataset, size=size, resize=recipe.resize, batch_size=recipe.batch_size)
    return Batches(
        read(
            train,
            augment=recipe.augment,
            shuffle=True,
            seed=recipe.seed,
            epoch=first_epoch,
            epochs=recipe.epochs - first_epoch,
            oversample=recipe.balance == "oversample",
            weights=[weights[label] for label in train.labels],
        ),
        read(val),
        -(-len(train) // recipe.batch_size),
        len(train),
    )


def _loss_weights(class_weights: Sequence[float], recipe: Recipe) -> np.ndarray:
    weights = np.asarray(class_weights, dtype=np.float32)
    return np.ones_like(weights) if recipe.balance == "oversample" else weights


def with_targets(
    batches: Batches, num_classes: int, recipe: Recipe, first_epoch: int = 0
) -> Batches:
    """Return batches with targets for the categorical cross-entropy in place of labels."""
    mix = resolve_mix(recipe, batches.images)
    if mix != "none":
        say(f"Training on mixtures of images ({mix}).")
    return replace(
        batches,
        train=soft_batches(
            batches.train, num_classes, recipe, mix, first_epoch * batches.steps_per_epoch
        ),
        val=hard_batches(batches.val, num_classes),
    )


def fine_tune(
    model: keras.Model,
    classifier: keras.Model,
    batches: Batches,
    recipe: Recipe,
    path: Path,
    history: History,
    about: dict[str, Any],
    saved: State | None = None,
) -> Tuned:
    """Train what is trainable in `model`, and write the classifier to `path` where it got better.

    The state is saved beside it before the first epoch and after each: a training that was
    stopped does the epoch anew that it was in, and all else only once.

    Args:
        model: The classifier, or the part of it above a cut that shares its layers.
        classifier: What is saved.
        batches: Inputs of `model`.
        recipe: The knobs.
        path: model.keras, which holds the classifier as it is now, or the best since.
        history: Where the epochs are recorded, as phase "finetune".
        about: JSON that is saved with the state.
        saved: The state to go on from, where there is one; `batches` begin at its epoch.

    Raises:
        TransferError: The loss stopped being a finite number.
    """
    first_epoch = saved.epoch if saved else 0
    steps = batches.steps_per_epoch * recipe.epochs
    batches = with_targets(batches, model.output_shape[-1], recipe, first_epoch)
    base = classifier.get_layer(recipe.backbone)
    optimizer = make_optimizer(recipe, steps, layer_factors(model, base, recipe.layer_decay))
    if recipe.mixed_precision == "on":
        model, optimizer = mix_precision(model, base, optimizer)
    model.compile(  # after unfreezing: what is trainable is settled here
        optimizer=optimizer,
        loss="categorical_crossentropy",
        metrics=["accuracy", MacroF1(model.output_shape[-1])],
        jit_compile=False,
    )
    mode = MONITORS[recipe.monitor]
    with naming_bad_files(), bar("Fine-tuning", steps) as advance:
        advance(first_epoch * batches.steps_per_epoch)
        before = evaluate(model, batches.val) if saved is None else {}
        best = BestCheckpoint(path, recipe.monitor, mode, before.get(recipe.monitor), classifier)
        patience = Patience(recipe.monitor, mode=mode, patience=recipe.patience)
        keeper = StateKeeper(path.parent, best, patience, history, about, saved)
        if saved is not None and (saved.progress["stopped"] or first_epoch == recipe.epochs):
            keeper.set_model(model)
            keeper.on_train_begin()
            model.optimizer.finalize_variable_values(model.trainable_variables)  # the averages
            return Tuned(best.best_epoch, best.best_logs, keeper.start, batches.val)
        with signals.patiently():
            model.fit(
                batches.train,
                steps_per_epoch=batches.steps_per_epoch,
                initial_epoch=first_epoch,
                epochs=recipe.epochs,
                validation_data=batches.val,
                shuffle=False,  # the dataset does it
                verbose=0,
                callbacks=[
                    best,
                    *([AveragedWeights()] if recipe.ema else []),
                    patience,
                    history.recorder("finetune"),
                    keeper,
                    _watcher(recipe, history, advance),
                ],
            )
    return Tuned(best.best_epoch, best.best_logs, keeper.start, batches.val)


def _watcher(recipe: Recipe, history: History, advance: Advance) -> keras.callbacks.Callback:
    half = recipe.mixed_precision == "on"
    hint = " Or float16 is too narrow for this network: --mixed-precision off." if half else ""

    def step_done(batch: int, logs: dict[str, float]) -> None:
        epoch = len([row for row in history.rows if row["phase"] == "finetune"]) + 1
        check_loss(logs["loss"], "finetune", epoch, recipe.learning_rate, "--learning-rate", hint)
        advance(1)

    return keras.callbacks.LambdaCallback(
        on_train_batch_end=step_done,
        on_test_batch_end=lambda batch, logs: signals.check(),
        on_epoch_end=lambda epoch, logs: say(_line(history.rows[-1], recipe)),
    )


def evaluate(model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
    """Return val_loss and val_accuracy of a compiled model."""
    figures = model.evaluate(batches, verbose=0, return_dict=True)
    return {f"val_{name}": float(value) for name, value in figures.items()}


def _line(row: dict[str, Any], recipe: Recipe) -> str:
    left = row["seconds"] * (recipe.epochs - row["epoch"])
    names = dict.fromkeys([*COLUMNS[2:6], recipe.monitor])
    figures = ", ".join(f"{name} {row.get(name, float('nan')):.4f}" for name in names)
    return f"Epoch {row['epoch']:>2}/{recipe.epochs}: {figures}; at most {left:.0f} s left"
