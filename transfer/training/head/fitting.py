"""Fits the head to vectors that the backbone computed once.

A linear head is solved (see `transfer.training.head.logistic`). Heads with hidden layers are
trained by Keras, and so are linear ones on more vectors than L-BFGS handles in about a minute.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from transfer.errors import TransferError, option
from transfer.features.extract import Features
from transfer.networks.head import (
    absorb_scaling,
    build_head,
    is_linear,
    parse_head,
    takes_scaled_features,
)
from transfer.recipe import MONITORS
from transfer.settings import Settings
from transfer.statistics.metrics import score, sigmoid, softmax
from transfer.statistics.multilabel import score_sets
from transfer.statistics.scaling import common_scale, standardisation, unit
from transfer.system.progress import bar, say
from transfer.training.head.logistic import START, STRENGTHS, cross_validate, solve
from transfer.training.keep.checkpoint import BestCheckpoint, Patience
from transfer.training.optim.optimizers import LayerwiseAdam
from transfer.training.optim.statistics import SettledStatistics
from transfer.training.tuning.history import History
from transfer.training.tuning.metrics import compile_options

LARGEST = 4e8  # rows x columns x classes that are solved in about a minute on two cores
BATCH_SIZE = 256  # vectors are small: larger batches than for images


@dataclass(frozen=True)
class _Split:
    """Vectors of one split as the first Dense layer receives them, with their labels.

    `table` has the target of each label where an image may be of several classes.
    """

    vectors: np.ndarray
    labels: np.ndarray
    table: np.ndarray | None = None

    @property
    def answers(self) -> np.ndarray:
        """What Keras takes as targets: labels, or 0 and 1 for each class."""
        return self.labels if self.table is None else self.table[self.labels]

    def score(self, logits: np.ndarray) -> dict[str, float]:
        """Return loss, accuracy and macro-F1 of logits (n, classes)."""
        if self.table is None:
            return score(softmax(logits), self.labels)
        return score_sets(sigmoid(logits), self.answers)


def fit_head(
    train: Features,
    val: Features,
    settings: Settings,
    history: History,
    groups: np.ndarray | None = None,
) -> tuple[keras.Sequential, dict[str, float]]:
    """Fit a new head to vectors.

    Vectors are scaled by the statistics of the training images, so that one learning rate, or one
    range of regularisation, suits every backbone; the returned head takes the vectors as they are.

    Args:
        train: Vectors of the training images and their views.
        val: Vectors of the validation images. They evaluate the head; its regularisation is not
            tuned on them.
        settings: Which head, and how it is fitted.
        history: Where the epochs are recorded, as phase "head"; a solved head counts as one.
        groups: Group of each training image; a group stays in one fold. None: each is its own.

    Returns:
        The head (of the best epoch by the monitor), and its figures.

    Raises:
        TransferError: The features or the loss are not finite.
    """
    if not np.isfinite(train.vectors).all() or not np.isfinite(val.vectors).all():
        raise TransferError(
            "The features contain NaN or infinity. Check the weights file, or choose another with"
            f" {option('weights')}"
        )
    spec = parse_head(settings.head)
    classes, several = len(settings.class_weights), settings.multi_label
    shape = train.vectors.shape[1], classes, settings.seed, several
    head, bare = build_head(spec, *shape), build_head(spec.bare, *shape)
    scaled = takes_scaled_features(spec)
    vectors, mean, scale = _scale((train.vectors, val.vectors), spec.normalises, scaled)
    splits = (
        _Split(vectors[0], train.labels, train.table),
        _Split(vectors[1], val.labels, val.table),
    )
    if is_solved(train, settings):
        figures = _solve(bare, splits, len(train), settings, history, groups)
    else:
        figures = _train(bare, splits, settings, history)
    head.set_weights(bare.get_weights())
    if scaled:
        absorb_scaling(head, mean, scale)
    return head, figures


def _scale(
    pair: tuple[np.ndarray, np.ndarray], normalise: bool, scale: bool
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """Return both splits as the first Dense layer receives them, and the mean and scale."""
    train, val = map(unit, pair) if normalise else pair
    if not scale:
        return (train, val), np.zeros(1, np.float32), np.ones(1, np.float32)
    mean, deviation = common_scale(train) if normalise else standardisation(train)
    return ((train - mean) / deviation, (val - mean) / deviation), mean, deviation


def is_solved(train: Features, settings: Settings) -> bool:
    """Return whether `fit_head` solves the head; then nothing is selected on validation images."""
    rows = _solved_rows(len(train), settings, len(train.labels))
    values = rows.stop * train.vectors.shape[1] * len(settings.class_weights)
    linear = is_linear(parse_head(settings.head))
    return linear and values <= LARGEST and (settings.multi_label or len(set(train.labels)) > 1)


def _solved_rows(photos: int, settings: Settings, rows: int) -> slice:
    """Return the rows to solve on: with many photos, views only cost time."""
    return slice(rows if settings.solve_on_views else photos)


def _solve(
    head: keras.Sequential,
    splits: tuple[_Split, _Split],
    photos: int,
    settings: Settings,
    history: History,
    groups: np.ndarray | None,
) -> dict[str, float]:
    """Set the optimal weights of a linear head; return its figures."""
    began = time.monotonic()
    train, _ = splits
    weights = np.asarray(settings.class_weights, np.float32)
    classes = len(weights)
    rows = _solved_rows(photos, settings, len(train.labels))
    vectors, labels = train.vectors[rows], train.labels[rows]
    say(f"Solving the linear head: {len(labels):,} x {vectors.shape[1]:,} values")
    # On photos alone: their views, which resemble them, would make every fold look easy.
    chosen = cross_validate(
        train.vectors[:photos],
        train.labels[:photos],
        classes,
        table=train.table,
        weights=None if train.table is not None else weights[train.labels[:photos]],
        groups=groups,
        seed=settings.seed,
    )
    strength = STRENGTHS[START] if chosen is None else chosen.strength
    own = None if train.table is not None else weights[labels]
    kernel, bias = solve(vectors, labels, classes, strength, own, train.table)
    head.get_layer("predictions").set_weights([kernel, bias])
    figures: dict[str, float] = {}
    for prefix, split in zip(("", "val_"), splits, strict=True):
        scores = split.score(split.vectors @ kernel + bias)
        figures |= {f"{prefix}{name}": value for name, value in scores.items()}
    history.add("head", 1, time.monotonic() - began, figures)
    figures["strength"] = float(strength)
    if chosen is not None:
        figures |= {"cv_loss": chosen.loss, "cv_accuracy": chosen.accuracy}
    return figures


def _train(
    head: keras.Sequential, splits: tuple[_Split, _Split], settings: Settings, history: History
) -> dict[str, float]:
    """Train a head with Keras and leave it at its best epoch; return that epoch's figures."""
    train, val = splits
    epochs, monitor = settings.head_epochs, settings.monitor
    weights = np.asarray(settings.class_weights, dtype=np.float32)
    steps = -(-len(train.labels) // BATCH_SIZE) * epochs
    rate = keras.optimizers.schedules.CosineDecay(settings.head_learning_rate, decay_steps=steps)
    head.compile(
        optimizer=LayerwiseAdam(learning_rate=rate),
        jit_compile=False,
        **compile_options(len(weights), settings.multi_label, sparse=True),
    )
    mode = MONITORS[monitor]
    with tempfile.TemporaryDirectory() as directory, bar("Training the head", epochs) as advance:
        best = BestCheckpoint(Path(directory) / "head.weights.h5", monitor, mode)
        head.fit(
            train.vectors,
            train.answers,
            sample_weight=None if train.table is not None else weights[train.labels],
            batch_size=BATCH_SIZE,
            epochs=epochs,
            validation_data=(val.vectors, val.answers),
            verbose=0,
            callbacks=[
                keras.callbacks.TerminateOnNaN(),
                SettledStatistics(train.vectors),
                best,
                Patience(monitor, mode=mode, patience=settings.head_patience),
                history.recorder("head"),
                keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: advance(1)),
            ],
        )
        history.require_finite("head", settings.head_learning_rate, "head_learning_rate")
        head.load_weights(best.filepath)
    return best.best_logs
