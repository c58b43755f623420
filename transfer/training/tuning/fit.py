"""The second phase: the top of the backbone is unfrozen and trained at a low rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer.images.pipeline import naming_bad_files
from transfer.recipe import MONITORS, Recipe
from transfer.system import signals
from transfer.system.progress import Advance, bar, say
from transfer.training.keep.checkpoint import BestCheckpoint, Patience, StateKeeper
from transfer.training.keep.state import State
from transfer.training.optim.averages import AveragedWeights
from transfer.training.optim.optimizers import layer_factors, make_optimizer
from transfer.training.optim.precision import mix_precision
from transfer.training.optim.schedules import check_updates, epochs_of, rate_of
from transfer.training.tuning.batches import Batches, with_targets
from transfer.training.tuning.history import History, check_loss
from transfer.training.tuning.metrics import MacroF1


@dataclass(frozen=True)
class Tuned:
    """What a fit has left, beside the model as it was after the last epoch.

    Attributes:
        best_epoch: Number, from 0, of the epoch that model.keras holds; None where none was better
            than the classifier before.
        best_logs: Its figures.
        start: Values of the model's variables that train before the first epoch.
        val: Batches of inputs of the model with one-hot targets, for validation.
    """

    best_epoch: int | None
    best_logs: dict[str, float]
    start: Sequence[np.ndarray]
    val: tf.data.Dataset


def fine_tune(
    model: keras.Model,
    classifier: keras.Model,
    batches: Batches,
    recipe: Recipe,
    path: Path,
    history: History,
    about: dict[str, Any],
    saved: State | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
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
        callbacks: More of them, called last.

    Raises:
        TransferError: The loss stopped being a finite number.
        UsageError: There are fewer batches than are accumulated for one update.
    """
    first_epoch = saved.epoch if saved else 0
    epochs = epochs_of(recipe)
    check_updates(recipe, batches.steps_per_epoch, epochs)  # of a fold, or as --time allows
    steps = batches.steps_per_epoch * epochs
    batches = with_targets(batches, model.output_shape[-1], recipe, first_epoch)
    model = compile_for_tuning(model, classifier.get_layer(recipe.backbone), recipe, steps)
    mode = MONITORS[recipe.monitor]
    with naming_bad_files(), bar("Training", steps) as advance:
        advance(first_epoch * batches.steps_per_epoch)
        before = evaluate(model, batches.val) if saved is None else {}
        best = BestCheckpoint(path, recipe.monitor, mode, before.get(recipe.monitor), classifier)
        patience = Patience(
            recipe.monitor, mode=mode, patience=recipe.patience or max(5, epochs // 2)
        )
        keeper = StateKeeper(path.parent, best, patience, history, about, saved)
        if saved is not None and (saved.progress["stopped"] or first_epoch == epochs):
            keeper.set_model(model)
            keeper.on_train_begin()
            model.optimizer.finalize_variable_values(model.trainable_variables)  # the averages
            return Tuned(best.best_epoch, best.best_logs, keeper.start, batches.val)
        with signals.patiently():
            model.fit(
                batches.train,
                steps_per_epoch=batches.steps_per_epoch,
                initial_epoch=first_epoch,
                epochs=epochs,
                validation_data=batches.val,
                shuffle=False,  # the dataset does it
                verbose=0,
                callbacks=[
                    best,
                    *([AveragedWeights()] if recipe.ema else []),
                    patience,
                    history.recorder("finetune"),
                    keeper,
                    _watcher(recipe, epochs, history, advance),
                    *callbacks,
                ],
            )
    return Tuned(best.best_epoch, best.best_logs, keeper.start, batches.val)


def compile_for_tuning(
    model: keras.Model, base: keras.Model, recipe: Recipe, steps: int
) -> keras.Model:
    """Return a model compiled as the recipe says: what is trainable is settled here.

    Args:
        model: What is trained.
        base: The backbone, some or all of whose layers are in it.
        recipe: The knobs; its mixed precision is "on" or "off".
        steps: Batches in all epochs together.
    """
    optimizer = make_optimizer(recipe, steps, layer_factors(model, base, recipe.layer_decay))
    if recipe.mixed_precision == "on":
        model, optimizer = mix_precision(model, base, optimizer)
    model.compile(
        optimizer=optimizer,
        loss="categorical_crossentropy",
        metrics=["accuracy", MacroF1(model.output_shape[-1])],
        jit_compile=False,
    )
    return model


def _watcher(
    recipe: Recipe, epochs: int, history: History, advance: Advance
) -> keras.callbacks.Callback:
    """Return what moves the bar, looks at the loss of each step, and tells of each epoch."""
    half = recipe.mixed_precision == "on"
    hint = " Or float16 is too narrow for this network: --mixed-precision off." if half else ""

    epoch = 0

    def begin(number: int, logs: Any) -> None:
        nonlocal epoch
        epoch = number + 1

    def step_done(batch: int, logs: dict[str, float]) -> None:
        check_loss(logs["loss"], "finetune", epoch, rate_of(recipe), "--learning-rate", hint)
        advance(1)

    return keras.callbacks.LambdaCallback(
        on_epoch_begin=begin,
        on_train_batch_end=step_done,
        on_test_batch_end=lambda batch, logs: signals.check(),
        on_epoch_end=lambda epoch, logs: say(_line(history.rows[-1], epochs, recipe.monitor)),
    )


def evaluate(model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
    """Return val_loss, val_accuracy and val_macro_f1 of a compiled model."""
    figures = model.evaluate(batches, verbose=0, return_dict=True)
    return {f"val_{name}": float(value) for name, value in figures.items()}


def _line(row: dict[str, Any], epochs: int, monitor: str) -> str:
    left = row["seconds"] * (epochs - row["epoch"])
    names = dict.fromkeys(["loss", "accuracy", "val_loss", "val_accuracy", monitor])
    figures = ", ".join(f"{name} {row.get(name, float('nan')):.4f}" for name in names)
    return f"Epoch {row['epoch']:>2}/{epochs}: {figures}; at most {left:.0f} s left"
