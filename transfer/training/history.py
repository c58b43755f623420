"""What each epoch brought: kept in history.csv, told line by line."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from transfer.errors import TransferError
from transfer.run import write_csv

COLUMNS = (
    "phase",
    "epoch",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "val_macro_f1",
    "seconds",
)


class History:
    """The epochs of a run, over its phases.

    Args:
        path: Where history.csv goes; it is complete after every epoch.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []

    def recorder(self, phase: str) -> keras.callbacks.Callback:
        """Return the Keras callback that records the epochs of one phase."""
        began = time.monotonic()

        def begin(epoch: int, logs: Any = None) -> None:
            nonlocal began
            began = time.monotonic()

        def end(epoch: int, logs: dict[str, float]) -> None:
            self.add(phase, epoch + 1, time.monotonic() - began, logs)

        return keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)

    def add(self, phase: str, epoch: int, seconds: float, logs: Mapping[str, float]) -> None:
        """Record one epoch, counted from 1."""
        self.rows.append({"phase": phase, "epoch": epoch, "seconds": seconds, **logs})
        write_csv(self.path, COLUMNS, [_cells(row) for row in self.rows])

    def require_finite(self, phase: str, rate: float, option: str) -> None:
        """Raise TransferError where the phase's training loss ended as NaN or infinite."""
        rows = [row for row in self.rows if row["phase"] == phase]
        if not rows or math.isfinite(rows[-1].get("loss", 0.0)):
            return
        raise TransferError(
            f"Training diverged in epoch {rows[-1]['epoch']} of phase {phase!r}: the loss is"
            f" {rows[-1]['loss']}. Lower the rate with {option} (it was {rate:g})."
        )


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        f"{value:.6g}" if isinstance(value := row.get(column, ""), float) else str(value)
        for column in COLUMNS
    ]
