"""The frozen phase: the head is fitted to vectors that the backbone made once.

A linear head is solved (see `transfer.training.head.logistic`). Heads with hidden layers are
trained by Keras, and so are linear ones on more vectors than L-BFGS works through in about a
minute.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from transfer.errors import TransferError
from transfer.features.extract import Features
from transfer.networks.head import (
    absorb_scaling,
    build_head,
    is_linear,
    parse_head,
    takes_scaled_features,
)
from transfer.recipe import MONITORS, Recipe
from transfer.system.progress import bar, say
from transfer.training.head.logistic import START, STRENGTHS, cross_validate, softmax, solve
from transfer.training.head.scaling import common_scale, standardisation, unit
from transfer.training.keep.checkpoint import BestCheckpoint, Patience
from transfer.training.tuning.history import History
from transfer.training.tuning.metrics import MacroF1, judge

LARGEST = 4e8  # rows x columns x classes that are solved in about a minute on two cores
ENOUGH_WITHOUT_VIEWS = 1000  # photos
BATCH_SIZE = 256  # vectors are small: larger batches than for images
PATIENCE = 10  # epochs


def fit_head(
    train: Features,
    val: Features,
    class_weights: Sequence[float],
    recipe: Recipe,
    history: History,
    groups: np.ndarray | None = None,
) -> tuple[keras.Sequential, dict[str, float]]:
    """Fit a new head to vectors.

    Vectors are scaled by what the training side says, so that one learning rate, or one range of
    regularisation, suits every backbone; the head that comes back takes the vectors as they are.

    Args:
        train: Vectors of the training images and their views.
        val: Vectors of the validation images. They judge a head and never choose how strongly
            it is regularised.
        class_weights: Weight in the loss of each class.
        recipe: The knobs; its monitor is not ``auto`` (see `resolve_monitor`).
        history: Where the epochs are recorded, as phase "head"; a solved head counts as one.
        groups: Group of each training image, which stays in one fold; None where each is its own.

    Returns:
        The head (of the best epoch by the recipe's monitor), and its figures.

    Raises:
        TransferError: The features or the loss are no finite numbers.
    """
    if not np.isfinite(train.vectors).all() or not np.isfinite(val.vectors).all():
        raise TransferError(
            "The features hold NaN or infinity. Check the weights file, or choose another with"
            " --weights."
        )
    spec = parse_head(recipe.head)
    shape = train.vectors.shape[1], len(class_weights), recipe.seed
    head, bare = build_head(spec, *shape), build_head(spec.bare, *shape)
    scaled = takes_scaled_features(spec)
    sides, mean, scale = _scale((train.vectors, val.vectors), spec.normalises, scaled)
    if is_solved(train, len(class_weights), recipe):
        figures = _solve(bare, sides, train, val, class_weights, recipe, history, groups)
    else:
        figures = _train(bare, sides, train, val, class_weights, recipe, history)
    head.set_weights(bare.get_weights())
    if scaled:
        absorb_scaling(head, mean, scale)
    return head, figures


def _scale(
    sides: tuple[np.ndarray, np.ndarray], normalise: bool, scale: bool
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """Return both sides as the first Dense layer should see them, and the mean and scale."""
    train, val = map(unit, sides) if normalise else sides
    if not scale:
        return (train, val), np.zeros(1, np.float32), np.ones(1, np.float32)
    mean, deviation = common_scale(train) if normalise else standardisation(train)
    return ((train - mean) / deviation, (val - mean) / deviation), mean, deviation


def is_solved(train: Features, classes: int, recipe: Recipe) -> bool:
    """Tell whether `fit_head` solves the head, so that the validation side chooses nothing."""
    small = train.vectors[_solved_rows(train, recipe)].size * classes <= LARGEST
    return is_linear(parse_head(recipe.head)) and small and len(set(train.labels)) > 1


def _solved_rows(train: Features, recipe: Recipe) -> slice:
    """Return the rows that are solved: to many photos, views add nothing but time."""
    wanted = recipe.views is not None or len(train) < ENOUGH_WITHOUT_VIEWS
    return slice(len(train.labels) if wanted else len(train))


def _solve(
    head: keras.Sequential,
    sides: tuple[np.ndarray, np.ndarray],
    train: Features,
    val: Features,
    class_weights: Sequence[float],
    recipe: Recipe,
    history: History,
    groups: np.ndarray | None,
) -> dict[str, float]:
    """Give a linear head its best weights; return its figures."""
    began = time.monotonic()
    classes, weights = len(class_weights), np.asarray(class_weights, np.float32)
    # Photos choose; their views, which resemble them, would make any fold look easy.
    photos, seen = slice(len(train)), _solved_rows(train, recipe)
    labels = train.labels[photos]
    say(f"Solving the linear head: {len(train.labels[seen]):,} x {sides[0].shape[1]:,} values")
    chosen = cross_validate(
        sides[0][photos],
        labels,
        classes,
        weights=weights[labels],
        groups=groups,
        seed=recipe.seed,
    )
    strength = STRENGTHS[START] if chosen is None else chosen.strength
    rows = train.labels[seen]
    kernel, bias = solve(sides[0][seen], rows, classes, strength, weights[rows])
    head.get_layer("predictions").set_weights([kernel, bias])
    figures: dict[str, float] = {}
    for prefix, vectors, each in (("", sides[0], train), ("val_", sides[1], val)):
        found = judge(softmax(vectors @ kernel + bias), each.labels)
        figures |= {f"{prefix}{name}": value for name, value in found.items()}
    history.add("head", 1, time.monotonic() - began, figures)
    figures["strength"] = float(strength)
    if chosen is not None:
        figures |= {"cv_loss": chosen.loss, "cv_accuracy": chosen.accuracy}
    return figures


def _train(
    head: keras.Sequential,
    sides: tuple[np.ndarray, np.ndarray],
    train: Features,
    val: Features,
    class_weights: Sequence[float],
    recipe: Recipe,
    history: History,
) -> dict[str, float]:
    """Train a head with Keras and leave it at its best epoch; return that epoch's figures."""
    steps = -(-len(train.labels) // BATCH_SIZE) * recipe.head_epochs
    rate = keras.optimizers.schedules.CosineDecay(recipe.head_learning_rate, decay_steps=steps)
    head.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", MacroF1(len(class_weights))],
        jit_compile=False,
    )
    mode = MONITORS[recipe.monitor]
    with (
        tempfile.TemporaryDirectory() as directory,
        bar("Training the head", recipe.head_epochs) as advance,
    ):
        best = BestCheckpoint(Path(directory) / "head.weights.h5", recipe.monitor, mode)
        head.fit(
            sides[0],
            train.labels,
            sample_weight=np.asarray(class_weights, dtype=np.float32)[train.labels],
            batch_size=BATCH_SIZE,
            epochs=recipe.head_epochs,
            validation_data=(sides[1], val.labels),
            verbose=0,
            callbacks=[
                keras.callbacks.TerminateOnNaN(),
                best,
                Patience(recipe.monitor, mode=mode, patience=recipe.patience or PATIENCE),
                history.recorder("head"),
                keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: advance(1)),
            ],
        )
        history.require_finite("head", recipe.head_learning_rate, "--head-learning-rate")
        head.load_weights(best.filepath)
    return best.best_logs
