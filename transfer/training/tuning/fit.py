"""Fine-tuning: the unfrozen top of the backbone and the head are trained at a low rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer.errors import option
from transfer.images.pipeline import naming_bad_files
from transfer.recipe import MONITORS
from transfer.settings import Settings
from transfer.system import signals
from transfer.system.progress import Advance, bar, say
from transfer.training.keep.checkpoint import BestCheckpoint, Patience, StateKeeper
from transfer.training.keep.state import State
from transfer.training.optim.averages import AveragedWeights
from transfer.training.optim.optimizers import layer_factors, make_optimizer
from transfer.training.optim.precision import mix_precision
from transfer.training.settle import check_updates
from transfer.training.setup import Tunable
from transfer.training.tuning.batches import Batches, with_targets
from transfer.training.tuning.history import History, check_loss
from transfer.training.tuning.metrics import compile_options


@dataclass(frozen=True)
class Record:
    """What a training writes, and the state it resumes from.

    Attributes:
        path: model.keras, which holds the initial classifier, or the best since. The state is
            saved in its folder.
        history: Where the epochs are recorded.
        identity: JSON that is saved with the state, to be compared when it is resumed.
        saved: The state to resume from; None at the start.
    """

    path: Path
    history: History
    identity: dict[str, Any] = field(default_factory=dict)
    saved: State | None = None

    @property
    def first_epoch(self) -> int:
        """Epochs that a resumed training has completed."""
        return self.saved.epoch if self.saved else 0


@dataclass(frozen=True)
class Tuned:
    """The outcome of fine-tuning, in addition to the model after the last epoch.

    Attributes:
        best_epoch: Number, from 0, of the epoch that model.keras holds; None where none was better
            than the initial classifier.
        best_logs: Its figures.
        start: Values of the variables that train, before the first epoch.
        val: Batches of inputs of the model with targets of 0 and 1, for validation.
    """

    best_epoch: int | None
    best_logs: dict[str, float]
    start: Sequence[np.ndarray]
    val: tf.data.Dataset


def fine_tune(
    tunable: Tunable,
    settings: Settings,
    record: Record,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Tuned:
    """Train what is trainable, and save the classifier whenever it improves.

    The state is saved before the first epoch and after each: a resumed training repeats the epoch
    that was interrupted, and nothing else.

    Args:
        tunable: From `Setup.start`; its batches begin at the record's first epoch.
        settings: How to train.
        record: Where to save; the epochs are recorded as phase "finetune".
        callbacks: Additional ones, called last.

    Raises:
        TransferError: The loss is no longer finite.
        UsageError: There are fewer batches than are accumulated for one update.
    """
    epochs, monitor = settings.epochs, settings.monitor
    check_updates(settings, tunable.batches.images)  # again: those of a fold, or as the time allows
    steps = tunable.batches.steps_per_epoch * epochs
    batches = with_targets(
        tunable.batches, tunable.model.output_shape[-1], settings, record.first_epoch
    )
    model = compile_for_tuning(tunable, settings, steps)
    with naming_bad_files(), bar("Training", steps) as advance:
        advance(record.first_epoch * batches.steps_per_epoch)
        before = evaluate(model, batches.val) if record.saved is None else {}
        mode = MONITORS[monitor]
        best = BestCheckpoint(record.path, monitor, mode, before.get(monitor), tunable.classifier)
        patience = Patience(monitor, mode=mode, patience=settings.patience)
        keeper = StateKeeper(
            record.path.parent, best, patience, record.history, record.identity, record.saved
        )
        if _is_over(record, epochs):
            keeper.set_model(model)
            keeper.on_train_begin()
            model.optimizer.finalize_variable_values(model.trainable_variables)  # the averages
        else:
            watcher = _watcher(settings, record.history, advance)
            each = [
                best,
                *([AveragedWeights()] if settings.ema else []),
                patience,
                record.history.recorder("finetune"),
                keeper,
                watcher,
                *callbacks,
            ]
            _fit(model, batches, (record.first_epoch, epochs), each)
    return Tuned(best.best_epoch, best.best_logs, keeper.start, batches.val)


def _is_over(record: Record, epochs: int) -> bool:
    """Return whether all epochs were done before the interruption."""
    saved = record.saved
    return saved is not None and (saved.progress["stopped"] or saved.epoch == epochs)


def _fit(
    model: keras.Model, batches: Batches, epochs: tuple[int, int], callbacks: Sequence[Any]
) -> None:
    with signals.patiently():
        model.fit(
            batches.train,
            steps_per_epoch=batches.steps_per_epoch,
            initial_epoch=epochs[0],
            epochs=epochs[1],
            validation_data=batches.val,
            shuffle=False,  # the dataset does it
            verbose=0,
            callbacks=list(callbacks),
        )


def compile_for_tuning(tunable: Tunable, settings: Settings, steps: int) -> keras.Model:
    """Return the compiled model; which layers train is fixed from here on.

    Args:
        tunable: What is trained.
        settings: How to train.
        steps: Batches in all epochs together.
    """
    model, base = tunable.model, tunable.base
    factors = layer_factors(model, base, settings.layer_decay)
    optimizer = make_optimizer(settings, steps, factors)
    if settings.mixed_precision:
        model, optimizer = mix_precision(model, base, optimizer)
    model.compile(
        optimizer=optimizer,
        jit_compile=False,
        **compile_options(model.output_shape[-1], settings.multi_label),
    )
    return model


def _watcher(settings: Settings, history: History, advance: Advance) -> keras.callbacks.Callback:
    """Return a callback that advances the bar, checks each step's loss and reports each epoch."""
    off = option("mixed_precision", "off")
    narrow = f" If float16 is too narrow for this network, use {off}."
    hint = narrow if settings.mixed_precision else ""
    epoch = 0

    def begin(number: int, logs: Any) -> None:
        nonlocal epoch
        epoch = number + 1

    def step_done(batch: int, logs: dict[str, float]) -> None:
        rate = settings.learning_rate
        check_loss(logs["loss"], "finetune", epoch, rate, "learning_rate", hint)
        advance(1)

    return keras.callbacks.LambdaCallback(
        on_epoch_begin=begin,
        on_train_batch_end=step_done,
        on_test_batch_end=lambda batch, logs: signals.check(),
        on_epoch_end=lambda epoch, logs: say(_line(history.rows[-1], settings)),
    )


def evaluate(model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
    """Return val_loss, val_accuracy and val_macro_f1 of a compiled model."""
    figures = model.evaluate(batches, verbose=0, return_dict=True)
    return {f"val_{name}": float(value) for name, value in figures.items()}


def _line(row: dict[str, Any], settings: Settings) -> str:
    left = row["seconds"] * (settings.epochs - row["epoch"])
    names = dict.fromkeys(["loss", "accuracy", "val_loss", "val_accuracy", settings.monitor])
    figures = ", ".join(f"{name} {row.get(name, float('nan')):.4f}" for name in names)
    return f"Epoch {row['epoch']:>2}/{settings.epochs}: {figures}; at most {left:.0f} s left"
