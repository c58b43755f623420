"""ModelCheckpoint(save_best_only) that neither a kill nor a NaN can spoil."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras

from transfer.run import atomic


class BestCheckpoint(keras.callbacks.ModelCheckpoint):  # type: ignore[misc]
    """Keep the best model of a training at `filepath`.

    Keras' ModelCheckpoint opens the old file for writing before the new one is complete, takes a
    NaN of the first epoch for the best value ever, and saves every epoch when the monitored name
    does not exist. Here the new file is put in place only when it is whole; values that are not
    finite or not there never count as an improvement; and of two epochs with the same value the
    one with the lower val_loss is kept.

    Args:
        filepath: A ``.keras`` file, or ``.weights.h5`` to save the weights alone.
        monitor: Name in the epoch's logs, for example ``"val_accuracy"``.
        mode: ``"max"`` or ``"min"``.
        initial_value_threshold: The value to beat, of a model that `filepath` holds already.
        whole: What is saved in place of the model that is trained, where that is a part of it.
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

    def _should_save_model(self, epoch: int, batch: Any, logs: Any, filepath: str) -> bool:
        value = (logs or {}).get(self.monitor)
        if value is None or not math.isfinite(value):
            return False
        if value == self.best and self.best_logs:  # as good: the surer one wins
            return bool(logs.get("val_loss", 0.0) < self.best_logs.get("val_loss", 0.0))
        return bool(super()._should_save_model(epoch, batch, logs, filepath))

    def _save_model(self, epoch: int, batch: Any, logs: Any) -> None:
        if not self._should_save_model(epoch, batch, logs, self.filepath):
            return
        self.best_epoch, self.best_logs = epoch, dict(logs)
        model = self.model if self.whole is None else self.whole
        save_model(model, Path(self.filepath), weights_only=self.save_weights_only)


def save_model(model: keras.Model, path: Path, weights_only: bool = False) -> None:
    """Write `model` to `path` (``.keras``, or ``.weights.h5``), whole or not at all."""
    with atomic(path) as temporary:
        if weights_only:
            model.save_weights(temporary, overwrite=True)
        else:
            model.save(temporary, overwrite=True)
