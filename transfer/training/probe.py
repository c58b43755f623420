"""The frozen phase: the head is trained on vectors that the backbone made once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from transfer.errors import TransferError
from transfer.features.extract import Features
from transfer.progress import bar
from transfer.recipe import MONITORS, Recipe
from transfer.training.checkpoint import BestCheckpoint
from transfer.training.head import (
    absorb_scaling,
    build_head,
    parse_head,
    takes_scaled_features,
)
from transfer.training.history import History

BATCH_SIZE = 256  # vectors are small: larger batches than for images


def fit_head(
    train: Features,
    val: Features,
    class_weights: Sequence[float],
    recipe: Recipe,
    history: History,
) -> tuple[keras.Sequential, dict[str, float]]:
    """Train a new head on vectors.

    Vectors are standardised with the training side's mean and deviation, so that one learning
    rate suits every backbone; the head that comes back takes the vectors as they are.

    Args:
        train: Vectors of the training images and their views.
        val: Vectors of the validation images.
        class_weights: Weight in the loss of each class.
        recipe: The knobs.
        history: Where the epochs are recorded, as phase "head".

    Returns:
        The head of the best epoch (by the recipe's monitor), and that epoch's figures.

    Raises:
        TransferError: The loss stopped being a finite number.
    """
    spec = parse_head(recipe.head)
    head = build_head(spec, train.vectors.shape[1], len(class_weights), recipe.seed)
    mean, scale = standardisation(train.vectors, takes_scaled_features(spec))
    steps = -(-len(train.labels) // BATCH_SIZE) * recipe.head_epochs
    rate = keras.optimizers.schedules.CosineDecay(recipe.head_learning_rate, decay_steps=steps)
    head.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    mode = MONITORS[recipe.monitor]
    with (
        tempfile.TemporaryDirectory() as directory,
        bar("Training the head", recipe.head_epochs) as advance,
    ):
        best = BestCheckpoint(Path(directory) / "head.weights.h5", recipe.monitor, mode)
        head.fit(
            (train.vectors - mean) / scale,
            train.labels,
            sample_weight=np.asarray(class_weights, dtype=np.float32)[train.labels],
            batch_size=BATCH_SIZE,
            epochs=recipe.head_epochs,
            validation_data=((val.vectors - mean) / scale, val.labels),
            verbose=0,
            callbacks=[
                keras.callbacks.TerminateOnNaN(),
                best,
                keras.callbacks.EarlyStopping(
                    recipe.monitor, mode=mode, patience=2 * recipe.patience
                ),
                history.recorder("head"),
                keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: advance(1)),
            ],
        )
        history.require_finite("head", recipe.head_learning_rate, "--head-learning-rate")
        if best.best_epoch is None:
            raise TransferError(
                f"{recipe.monitor} was never a finite number: the features hold NaN or infinity."
                " Check the weights file, or choose another with --weights."
            )
        head.load_weights(best.filepath)
    absorb_scaling(head, mean, scale)
    return head, best.best_logs


def standardisation(vectors: np.ndarray, wanted: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each column, float32 (d,); 0 and 1 where not wanted.

    A hundredth of the mean variance is added to each, so that a feature that is nearly always 0
    in training cannot outweigh the others on the one photo that wakes it.
    """
    if not wanted:
        return np.zeros(vectors.shape[1], np.float32), np.ones(vectors.shape[1], np.float32)
    variance = vectors.var(axis=0)
    return vectors.mean(axis=0), np.sqrt(variance + 0.01 * variance.mean() + 1e-12)
