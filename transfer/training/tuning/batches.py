"""The input of fine-tuning: kept activations or images, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import tensorflow as tf

from transfer.features.extract import Features
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import (
    PREFETCH,
    ImageOptions,
    balanced_order,
    epoch_order,
    image_batches,
    repetitions,
    without_autotune,
)
from transfer.settings import Settings
from transfer.system.progress import say
from transfer.system.python_ops import python_op
from transfer.training.tuning.mixing import hard_batches, soft_batches


@dataclass(frozen=True)
class Batches:
    """A dataset that covers all epochs, and a validation set that is used in each.

    Attributes:
        train: Of all epochs.
        val: Of one.
        steps_per_epoch: Batches of training in one epoch.
        images: Images of training in one epoch.
        table: Target of each label, see `Features`; None where labels are classes.
    """

    train: tf.data.Dataset
    val: tf.data.Dataset
    steps_per_epoch: int
    images: int
    table: np.ndarray | None = None


def batches_of_activations(
    train: Features, val: Features, settings: Settings, first_epoch: int = 0
) -> Batches:
    """Make batches of kept activations, one view per image and epoch.

    Each image starts at a random view. No view of it is repeated before all have been used or,
    where an image is drawn several times in an epoch, before the next epoch.

    Args:
        train: With activations (views * n, ...).
        val: With activations (m, ...), one view.
        settings: Give balance, class weights, seed, batch size and epochs.
        first_epoch: Epochs that a resumed training has completed.
    """
    count, size, epochs = len(train), settings.batch_size, settings.epochs
    weights = _loss_weights(settings, train.table)
    first_view = np.random.default_rng([settings.seed, 1]).integers(train.views, size=count)

    def rows(features: Features, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        assert features.activations is not None
        labels = features.labels[chosen]
        return features.activations[chosen].astype(np.float32), labels, weights[labels]

    def order_of(epoch: int) -> np.ndarray:
        if settings.balance == "oversample":
            return balanced_order(train.labels[:count], settings.seed, epoch)
        return epoch_order(count, settings.seed, epoch)

    @lru_cache(maxsize=1)  # one epoch after the other
    def chosen_in(epoch: int) -> np.ndarray:
        order = order_of(epoch)
        views = (first_view[order] + epoch + repetitions(order)) % train.views
        return np.asarray(views * count + order)

    def train_batch(step: np.ndarray) -> tuple[np.ndarray, ...]:
        epoch, number = divmod(int(step), steps)
        return rows(train, chosen_in(epoch)[number * size : (number + 1) * size])

    def val_batch(step: np.ndarray) -> tuple[np.ndarray, ...]:
        start = int(step) * size
        return rows(val, np.arange(start, min(start + size, len(val))))[:2]

    assert train.activations is not None
    steps = -(-count // size)
    signature = (
        tf.TensorSpec((None, *train.activations.shape[1:]), tf.float32),
        tf.TensorSpec((None,), tf.int64),
        tf.TensorSpec((None,), tf.float32),
    )
    return Batches(
        _dataset(train_batch, range(first_epoch * steps, epochs * steps), signature),
        _dataset(val_batch, range(-(-len(val) // size)), signature[:2]),
        steps,
        count,
        train.table,
    )


def _dataset(
    batch: Callable[[np.ndarray], tuple[np.ndarray, ...]],
    steps: range,
    signature: tuple[tf.TensorSpec, ...],
) -> tf.data.Dataset:
    """Return a dataset of the batches with these numbers."""

    def load(step: tf.Tensor) -> tuple[tf.Tensor, ...]:
        values = python_op(batch, [step], [spec.dtype for spec in signature])
        return tuple(
            tf.ensure_shape(value, spec.shape)
            for value, spec in zip(values, signature, strict=True)
        )

    batches = tf.data.Dataset.range(steps.start, steps.stop).map(load)
    return batches.prefetch(PREFETCH).with_options(without_autotune())


def batches_of_images(
    train: ImageFolder, val: ImageFolder, settings: Settings, first_epoch: int = 0
) -> Batches:
    """Make batches of the images themselves, augmented differently in each epoch.

    Args:
        train: Training images.
        val: Validation images.
        settings: How they are resized, augmented, shuffled and batched.
        first_epoch: Epochs that a resumed training has completed.
    """
    table = None if train.label_sets is None else train.target_table()
    weights = _loss_weights(settings, table)
    plain = options_of(settings)
    return Batches(
        image_batches(
            train,
            replace(plain, augment=settings.augment),
            order="balanced" if settings.balance == "oversample" else "shuffled",
            epochs=range(first_epoch, settings.epochs),
            weights=[weights[label] for label in train.labels],
        ),
        image_batches(val, plain),
        -(-len(train) // settings.batch_size),
        len(train),
        table,
    )


def options_of(settings: Settings) -> ImageOptions:
    """Return the options for reading images without augmentation."""
    return ImageOptions(
        settings.image_size,
        settings.resize,
        settings.batch_size,
        seed=settings.seed,
        decoding=settings.decoding,
    )


def _loss_weights(settings: Settings, table: np.ndarray | None) -> np.ndarray:
    """Return the weight of each label in the loss, float32 (labels,)."""
    if table is not None:
        return np.ones(len(table), np.float32)
    weights = np.asarray(settings.class_weights, dtype=np.float32)
    return np.ones_like(weights) if settings.balance == "oversample" else weights


def with_targets(
    batches: Batches, num_classes: int, settings: Settings, first_epoch: int = 0
) -> Batches:
    """Return batches with targets for the categorical cross-entropy instead of labels."""
    if settings.mix != "none":
        say(f"Training on mixtures of images ({settings.mix}).")
    return replace(
        batches,
        train=soft_batches(
            batches.train,
            num_classes,
            settings,
            first_epoch * batches.steps_per_epoch,
            batches.table,
        ),
        val=hard_batches(batches.val, num_classes, batches.table),
    )
