"""What fine-tuning is fed with: kept activations or images, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer.features.extract import Features
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import (
    PREFETCH,
    balanced_order,
    epoch_order,
    image_dataset,
    repetitions,
    without_autotune,
)
from transfer.networks.classifier import build_classifier, image_size, top_of, unfreeze
from transfer.networks.head import build_head, parse_head
from transfer.recipe import Recipe
from transfer.system.progress import say
from transfer.training.optim.schedules import epochs_of
from transfer.training.tuning.mixing import hard_batches, resolve_mix, soft_batches


@dataclass(frozen=True)
class Batches:
    """What one fit needs: a dataset that runs over all epochs, and one that is run each epoch."""

    train: tf.data.Dataset
    val: tf.data.Dataset
    steps_per_epoch: int
    images: int  # in one epoch


def batches_of_activations(
    train: Features,
    val: Features,
    class_weights: Sequence[float],
    recipe: Recipe,
    first_epoch: int = 0,
) -> Batches:
    """Make batches of what the frozen trunk computed before, one of its views per image and epoch.

    Each image begins with a view of its own; no view of it comes again before all have come, or,
    where an image comes several times in an epoch, before the next epoch.

    Args:
        train: With activations (views * n, ...).
        val: With activations (m, ...), one view.
        class_weights: Weight in the loss of each class.
        recipe: Gives balance, seed, batch size and epochs.
        first_epoch: Epochs that a training which is taken up again has behind it.
    """
    count, size, epochs = len(train), recipe.batch_size, epochs_of(recipe)
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
        for epoch in range(first_epoch, epochs):
            order = order_of(epoch)
            views = (first_view[order] + epoch + repetitions(order)) % train.views
            chosen = views * count + order
            for start in range(0, count, size):
                yield rows(train, chosen[start : start + size])

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
        _dataset(train_batches, signature, steps * (epochs - first_epoch)),
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
            epochs=epochs_of(recipe) - first_epoch,
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


@dataclass(frozen=True)
class Tuning:
    """What is fine-tuned of a network, and how it is fed.

    Attributes:
        extractor: From images to vectors.
        base: The backbone in it.
        chosen: Names of its layers that are to train.
        cut: Name of the layer whose activations are kept; None where the images are run.
        class_weights: Weight in the loss of each class.
    """

    extractor: keras.Model
    base: keras.Model
    chosen: set[str]
    cut: str | None
    class_weights: Sequence[float]

    def new_head(self, recipe: Recipe) -> keras.Sequential:
        """Return the head that the recipe asks for, untrained."""
        spec, vectors = parse_head(recipe.head), self.extractor.output_shape[-1]
        return build_head(spec, vectors, len(self.class_weights), recipe.seed)

    def start(
        self,
        head: keras.Model,
        sides: tuple[ImageFolder, ImageFolder],
        features: tuple[Features, Features] | None,
        recipe: Recipe,
        first_epoch: int = 0,
    ) -> tuple[keras.Model, keras.Model, Batches]:
        """Return the classifier, what is trained of it (they share layers), and its batches.

        Args:
            head: From vectors to probabilities.
            sides: Training and validation images.
            features: Of both, where there is a cut.
            recipe: The knobs.
            first_epoch: Epochs that a training which is taken up again has behind it.
        """
        classifier = build_classifier(self.extractor, head)
        unfreeze(classifier, self.base, self.chosen)
        if self.cut is None or features is None:
            # A model of its own: what is compiled would be saved with its metrics.
            model, size = keras.Model(classifier.input, classifier.output), image_size(recipe)
            return (
                classifier,
                model,
                batches_of_images(*sides, size, self.class_weights, recipe, first_epoch),
            )
        model = top_of(self.base, self.cut, head, recipe)
        rows = batches_of_activations(*features, self.class_weights, recipe, first_epoch)
        return classifier, model, rows
