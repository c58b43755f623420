"""The figures of each epoch, kept in history.csv."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras

from transfer.errors import TransferError, option
from transfer.system.csv import write_csv

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
        rows: The epochs of a training that is resumed.
    """

    def __init__(self, path: Path, rows: Iterable[dict[str, Any]] = ()) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = list(rows)

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

    def seconds(self, phase: str) -> float:
        """Return how long the epochs of a phase took."""
        return float(sum(row["seconds"] for row in self.rows if row["phase"] == phase))

    def require_finite(self, phase: str, rate: float, knob: str) -> None:
        """Raise TransferError where the phase's training loss ended as NaN or infinite."""
        rows = [row for row in self.rows if row["phase"] == phase]
        if rows:
            check_loss(rows[-1].get("loss", 0.0), phase, rows[-1]["epoch"], rate, knob)


def check_loss(loss: float, phase: str, epoch: int, rate: float, knob: str, hint: str = "") -> None:
    """Raise TransferError where a training loss is NaN or infinite.

    Args:
        loss: Mean over the steps of the epoch so far.
        phase: Name of the phase.
        epoch: Its number, from 1.
        rate: The learning rate.
        knob: The field of the recipe that sets it.
        hint: What else may help.
    """
    if not math.isfinite(loss):
        raise TransferError(
            f"Training diverged in epoch {epoch} of phase {phase!r}: the loss is {loss}."
            f" Lower the rate with {option(knob)} (it was {rate:g}).{hint}"
        )


def finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    """Return figures as JSON can hold them: None for NaN and infinity."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        f"{value:.6g}" if isinstance(value := row.get(column, ""), float) else str(value)
        for column in COLUMNS
    ]
