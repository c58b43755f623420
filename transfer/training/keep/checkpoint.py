"""Callbacks that survive kills and NaN: the best model, early stopping, the state to resume."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.errors import RunError, UsageError, call_to_train_again, did_you_mean, option
from transfer.system.files import atomic
from transfer.training.keep.state import State, roomy, save_state
from transfer.training.tuning.history import History


class BestCheckpoint(keras.callbacks.ModelCheckpoint):  # type: ignore[misc]
    """Keep the best model of a training at `filepath`.

    Keras' ModelCheckpoint opens the old file for writing before the new one is complete, treats a
    NaN in the first epoch as the best value, and saves every epoch when the monitored name does
    not exist. Here the new file replaces the old one only once it is complete; an epoch with a
    figure that is not finite is never the best; an unknown name is rejected at the first step; and
    ties go to the lower val_loss.

    Args:
        filepath: A ``.keras`` file, or ``.weights.h5`` to save the weights alone.
        monitor: Name in the epoch's logs, for example ``"val_accuracy"``.
        mode: ``"max"`` or ``"min"``.
        initial_value_threshold: The value to beat, of a model that `filepath` holds already.
        whole: The model to save, where the one that is trained is only a part of it.
    """

    def __init__(
        self,
        filepath: Path,
        monitor: str,
        mode: str,
        initial_value_threshold: float | None = None,
        whole: keras.Model | None = None,
    ) -> None:
        super().__init__(
            filepath,
            monitor=monitor,
            mode=mode,
            save_best_only=True,
            save_weights_only=filepath.name.endswith(".weights.h5"),
            initial_value_threshold=initial_value_threshold,
        )
        self.whole = whole
        self.best_epoch: int | None = None
        self.best_logs: dict[str, float] = {}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 0 and self.monitor.removeprefix("val_") not in (logs or {}):
            known = [prefix + name for prefix in ("", "val_") for name in logs or {}]
            raise UsageError(
                f"Unknown {option('monitor', self.monitor)}.{did_you_mean(self.monitor, known)}"
                f" This model has: {', '.join(known)}."
            )

    def _should_save_model(self, epoch: int, batch: Any, logs: Any, filepath: str) -> bool:
        value = (logs or {}).get(self.monitor)
        if value is None or not all(map(math.isfinite, logs.values())):
            return False
        if value == self.best and self.best_logs:  # a tie: the lower loss wins
            return bool(logs.get("val_loss", 0.0) < self.best_logs.get("val_loss", 0.0))
        return bool(super()._should_save_model(epoch, batch, logs, filepath))

    def _save_model(self, epoch: int, batch: Any, logs: Any) -> None:
        if not self._should_save_model(epoch, batch, logs, self.filepath):
            return
        self.best_epoch, self.best_logs = epoch, dict(logs)
        model = self.model if self.whole is None else self.whole
        save_model(model, Path(self.filepath), weights_only=self.save_weights_only)


class Patience(keras.callbacks.EarlyStopping):  # type: ignore[misc]
    """EarlyStopping that treats NaN as the worst value (Keras' own keeps a first NaN as best)."""

    def get_monitor_value(self, logs: Any) -> Any:
        value = super().get_monitor_value(logs)
        if value is None or math.isfinite(value):
            return value
        return math.inf if self.mode == "min" else -math.inf


class StateKeeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Save the state of a fit before its first epoch and after each, and restore a saved one.

    It goes after the callbacks whose values it saves. A fit that restores a state continues as if
    it had never stopped, given the same batches and ``initial_epoch=saved.epoch``. Afterwards
    `start` holds the values of `variables_that_train` before the first epoch.

    Args:
        directory: The run directory.
        best: Holds the best value.
        patience: Counts the epochs without improvement.
        history: The epochs so far.
        identity: JSON that is saved with the state and compared on resume.
        saved: The state to resume from; None at the start.
    """

    def __init__(
        self,
        directory: Path,
        best: BestCheckpoint,
        patience: Patience,
        history: History,
        identity: dict[str, Any],
        saved: State | None,
    ) -> None:
        super().__init__()
        self.directory, self.identity, self.saved = directory, identity, saved
        self.best, self.patience, self.history = best, patience, history
        self.start: list[np.ndarray] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.model.optimizer.build(self.model.trainable_variables)
        if self.saved is None:
            self.start = [np.array(variable) for variable in variables_that_train(self.model)]
            self._save(0)
        else:
            self._restore(self.saved)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if math.isfinite((logs or {}).get("loss", 0.0)):
            self._save(epoch + 1)

    def _variables(self) -> list[keras.Variable]:
        # including Dropout's random states, which model.weights leaves out
        return [*self.model.variables, *self.model.optimizer.variables]

    def _save(self, epoch: int) -> None:
        progress = {
            "stopped": self.model.stop_training,
            "best": {key: getattr(self.best, key) for key in ("best", "best_epoch", "best_logs")},
            "patience": {key: getattr(self.patience, key) for key in ("best", "wait")},
            "history": self.history.rows,
        }
        arrays = [np.asarray(variable) for variable in self._variables()]
        save_state(self.directory, epoch, self.identity | progress, [*arrays, *self.start])

    def _restore(self, saved: State) -> None:
        variables, arrays = self._variables(), saved.arrays()
        expected = [tuple(v.shape) for v in [*variables, *variables_that_train(self.model)]]
        numbers = all(array.dtype.kind in "fiub" for array in arrays)
        if not numbers or expected != [array.shape for array in arrays]:
            raise RunError(
                f"{saved.file} holds the state of another model. Train again with:"
                f" {call_to_train_again(self.directory)}"
            )
        self.start = arrays[len(variables) :]
        for variable, array in zip(variables, arrays[: len(variables)], strict=True):
            variable.assign(array)
        for callback, name in ((self.best, "best"), (self.patience, "patience")):
            for key, value in saved.progress[name].items():
                setattr(callback, key, value)


def variables_that_train(model: keras.Model) -> list[keras.Variable]:
    """Return all variables that a fit changes: the weights of the layers that are not frozen.

    That includes the moving statistics of BatchNormalization, which ``trainable_variables`` lacks.
    """
    layers = [each for each in model._flatten_layers() if not isinstance(each, keras.Model)]
    return [weight for layer in layers if layer.trainable for weight in layer.weights]


def save_model(model: keras.Model, path: Path, weights_only: bool = False) -> None:
    """Write `model` to `path` (``.keras``, or ``.weights.h5``), whole or not at all.

    Raises:
        TransferError: The disk is full.
    """
    with roomy(path, 4 * model.count_params()), atomic(path) as temporary:
        if weights_only:
            model.save_weights(temporary, overwrite=True)
        else:
            model.save(temporary, overwrite=True)
