"""The figures of a run over its epochs, and those at its end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from transfer.errors import RunError
from transfer.runs.run import Run

FIGURES = (
    *("accuracy", "macro_f1", "balanced_accuracy", "top5_accuracy", "log_loss", "ece"),
    *("micro_f1", "mean_average_precision"),
)
_NOT_FIGURES = ("phase", "epoch", "seconds")


@dataclass(frozen=True)
class Point:
    """One figure after one epoch.

    Attributes:
        name: As in history.csv: ``loss``, ``val_accuracy``...
        step: Number of the epoch, from 1, counted over all phases.
        seconds: Since the first epoch began.
        value: The figure.
    """

    name: str
    step: int
    seconds: float
    value: float


def points(run: Run) -> Iterator[Point]:
    """Yield the figures of history.csv; those that are not finite are left out."""
    seconds = 0.0
    for step, row in enumerate(run.history(), start=1):
        seconds += _number(row.get("seconds", "")) or 0.0
        for name, text in row.items():
            value = None if name in _NOT_FIGURES else _number(text)
            if value is not None:
                yield Point(name, step, seconds, value)


def end_figures(run: Run) -> dict[str, float]:
    """Return the figures of metrics.json that are one number each.

    Raises:
        RunError: The run is not finished.
    """
    if run.info.status != "done":
        raise RunError(f"{run.path} is not finished (status: {run.info.status}).")
    metrics = run.metrics
    return {name: float(value) for name in FIGURES if (value := metrics.get(name)) is not None}  # type: ignore[arg-type]


def begun_at(run: Run) -> float:
    """Return when a run began, seconds since 1970; 0 where it is not recorded."""
    try:
        return datetime.fromisoformat(run.info.created).timestamp()
    except ValueError:
        return 0.0


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
