"""The second phase: the top of the backbone is unfrozen and trained at a low rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer.features.extract import Features
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import (
    PREFETCH,
    epoch_order,
    image_dataset,
    naming_bad_files,
    without_autotune,
)
from transfer.progress import bar, say
from transfer.recipe import MONITORS, Recipe
from transfer.training.checkpoint import BestCheckpoint
from transfer.training.history import COLUMNS, History


@dataclass(frozen=True)
class Batches:
    """What one fit needs: a dataset that runs over all epochs, and one that is run each epoch."""

    train: tf.data.Dataset
    val: tf.data.Dataset
    steps_per_epoch: int


def batches_of_activations(
    train: Features, val: Features, class_weights: Sequence[float], recipe: Recipe
) -> Batches:
    """Make batches of what the frozen trunk computed before, one of its views per image and epoch.

    Args:
        train: With activations (views * n, ...).
        val: With activations (m, ...), one view.
        class_weights: Weight in the loss of each class.
        recipe: Gives seed, batch size and epochs.
    """
    count, size = len(train), recipe.batch_size
    weights = np.asarray(class_weights, dtype=np.float32)

    def rows(features: Features, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        assert features.activations is not None
        labels = features.labels[chosen]
        return features.activations[chosen].astype(np.float32), labels, weights[labels]

    def train_batches():  # type: ignore[no-untyped-def]
        for epoch in range(recipe.epochs):
            order = epoch_order(count, recipe.seed, epoch)
            views = np.random.default_rng([recipe.seed, epoch, 1]).integers(train.views, size=count)
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
        _dataset(train_batches, signature, steps * recipe.epochs),
        _dataset(val_batches, signature[:2], -(-len(val) // size)),
        steps,
    )


def _dataset(
    batches: Callable[[], Iterator[Any]], signature: tuple[tf.TensorSpec, ...], length: int
) -> tf.data.Dataset:
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    known = dataset.apply(tf.data.experimental.assert_cardinality(length))
    return known.prefetch(PREFETCH).with_options(without_autotune())


def batches_of_images(
    train: ImageFolder, val: ImageFolder, size: int, class_weights: Sequence[float], recipe: Recipe
) -> Batches:
    """Make batches of the images themselves, augmented anew in each epoch.

    Args:
        train: Training images.
        val: Validation images.
        size: Side of the images in pixels.
        class_weights: Weight in the loss of each class.
        recipe: Says how they are resized, augmented, shuffled and batched.
    """
    read = partial(image_dataset, size=size, resize=recipe.resize, batch_size=recipe.batch_size)
    return Batches(
        read(
            train,
            augment=recipe.augment,
            shuffle=True,
            seed=recipe.seed,
            epochs=recipe.epochs,
            weights=[class_weights[label] for label in train.labels],
        ),
        read(val),
        -(-len(train) // recipe.batch_size),
    )


def fine_tune(
    model: keras.Model,
    classifier: keras.Model,
    batches: Batches,
    recipe: Recipe,
    path: Path,
    history: History,
) -> dict[str, float]:
    """Train what is trainable in `model`, and write the classifier to `path` where it got better.

    Args:
        model: The classifier, or the part of it above a cut that shares its layers.
        classifier: What is saved.
        batches: Inputs of `model`.
        recipe: The knobs.
        path: model.keras, which holds the classifier as it is now.
        history: Where the epochs are recorded, as phase "finetune".

    Returns:
        Figures of the best epoch; empty where none was better than the classifier as it was.

    Raises:
        TransferError: The loss stopped being a finite number.
    """
    steps = batches.steps_per_epoch * recipe.epochs
    model.compile(  # after unfreezing: what is trainable is settled here
        optimizer=keras.optimizers.Adam(warm_cosine(recipe.learning_rate, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    mode = MONITORS[recipe.monitor]
    with naming_bad_files(), bar("Fine-tuning", steps) as advance:
        before = evaluate(model, batches.val)
        best = BestCheckpoint(path, recipe.monitor, mode, before.get(recipe.monitor), classifier)
        model.fit(
            batches.train,
            steps_per_epoch=batches.steps_per_epoch,
            epochs=recipe.epochs,
            validation_data=batches.val,
            shuffle=False,  # the dataset does it
            verbose=0,
            callbacks=[
                keras.callbacks.TerminateOnNaN(),
                best,
                keras.callbacks.EarlyStopping(recipe.monitor, mode=mode, patience=recipe.patience),
                history.recorder("finetune"),
                keras.callbacks.LambdaCallback(
                    on_train_batch_end=lambda batch, logs: advance(1),
                    on_epoch_end=lambda epoch, logs: say(_line(history.rows[-1], recipe.epochs)),
                ),
            ],
        )
    history.require_finite("finetune", recipe.learning_rate, "--learning-rate")
    return best.best_logs


def evaluate(model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
    """Return val_loss and val_accuracy of a compiled model."""
    figures = model.evaluate(batches, verbose=0, return_dict=True)
    return {f"val_{name}": float(value) for name, value in figures.items()}


def warm_cosine(peak: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return a rate that rises to `peak` over a tenth of the steps and falls to 0 as a cosine."""
    warm_up = steps // 10
    if warm_up == 0:
        return keras.optimizers.schedules.CosineDecay(peak, decay_steps=steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=steps - warm_up, warmup_target=peak, warmup_steps=warm_up
    )


def _line(row: dict[str, Any], epochs: int) -> str:
    left = row["seconds"] * (epochs - row["epoch"])
    figures = (f"{name} {row.get(name, float('nan')):.4f}" for name in COLUMNS[2:6])
    return f"Epoch {row['epoch']:>2}/{epochs}: {', '.join(figures)}; at most {left:.0f} s left"
