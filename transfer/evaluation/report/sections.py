"""Prepares tables and figures for the report's templates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transfer.evaluation.curves import PHASES, read_number
from transfer.evaluation.report.data import About
from transfer.evaluation.report.words import percent
from transfer.recipe import MONITORS


def count_table(
    counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]
) -> dict[str, Any] | None:
    """Return images per class and split, with totals; None if there are no counts.

    Args:
        counts: Split name -> class name -> number of images.
        classes: Class names in the order of the rows.

    Returns:
        ``splits`` (names), ``rows`` (class name, numbers) and ``totals`` (numbers).
    """
    if not counts:
        return None
    splits = list(counts)
    rows = [(name, [counts[split].get(name, 0) for split in splits]) for name in classes]
    return {
        "splits": splits,
        "rows": rows,
        "totals": [sum(column) for column in zip(*(row for _, row in rows), strict=True)],
    }


@dataclass(frozen=True)
class PhaseRow:
    """One phase of a training.

    Attributes:
        name: ``head`` or ``fine-tuning``.
        kept: Whether its model is the one that was kept.
        epochs: Number of epochs; None if the history does not record them.
        seconds: Duration; None if unknown.
        val_accuracy: Of the phase's model; of its best epoch if it was not kept.
        val_loss: As val_accuracy.
        best_epoch: Number of that epoch; None where the figures are of the phase's model.
    """

    name: str
    kept: bool
    epochs: int | None
    seconds: float | None
    val_accuracy: float | None
    val_loss: float | None
    best_epoch: int | None


def phase_name(phase: str) -> str:
    """Return the name that users read for a phase of run.json and history.csv."""
    return PHASES.get(phase, phase)


def phase_rows(about: About, history: Sequence[Mapping[str, str]]) -> list[PhaseRow]:
    """Return the phases in run.json, with figures from the history where it has none."""
    rows = []
    for name, known in about.phases.items():
        epochs = [row for row in history if row.get("phase") == name]
        figures, number = known, None
        if "val_accuracy" not in known and (best := _best_epoch(epochs, about.monitor)):
            figures = {key: read_number(text) for key, text in epochs[best - 1].items()}
            number = best
        rows.append(
            PhaseRow(
                name=phase_name(name),
                kept=about.finished and name == about.phase_kept,
                epochs=len(epochs) or None,
                seconds=known.get("seconds"),
                val_accuracy=figures.get("val_accuracy"),
                val_loss=figures.get("val_loss"),
                best_epoch=number,
            )
        )
    return rows


def _best_epoch(epochs: Sequence[Mapping[str, str]], monitor: str) -> int | None:
    """Return the number (from 1) of the best epoch; ties go to the lower validation loss."""
    name = monitor if monitor in MONITORS else "val_accuracy"
    sign = 1 if MONITORS[name] == "max" else -1
    ranks = []
    for number, row in enumerate(epochs, start=1):
        value, loss = read_number(row.get(name, "")), read_number(row.get("val_loss", ""))
        if value is not None:
            ranks.append((sign * value, -math.inf if loss is None else -loss, -number))
    return -max(ranks)[2] if ranks else None


def recipe_rows(recipe: Mapping[str, Any], used: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe for display: an open knob is followed by what was used, in brackets."""
    rows = {}
    for name, value in recipe.items():
        actual = used.get(name)
        if isinstance(actual, bool):
            actual = "on" if actual else "off"
        if isinstance(actual, float):
            actual = f"{actual:.6g}"
        rows[name] = "default" if value is None else value
        if value in (None, "auto") and isinstance(actual, int | str):
            rows[name] = f"{rows[name]} ({actual})"
    return rows


def course(history: Sequence[Mapping[str, str]], solved: bool) -> str:
    """Return the learning curves in words.

    Args:
        history: Rows of history.csv.
        solved: Whether a head was fitted in one step.
    """
    if solved:
        row = history[0]
        train, val = (read_number(row.get(key, "")) for key in ("accuracy", "val_accuracy"))
        said = "The head was fitted in one step by a direct solver, so there is no course to read."
        if train is None or val is None:
            return said
        return (
            f"{said} It gets {percent(train)} of the training images right and {percent(val)} of"
            " the validation images."
        )
    losses = [read_number(row.get("val_loss", "")) for row in history]
    known = [(value, number) for number, value in enumerate(losses, 1) if value is not None]
    if not known:
        return "If validation plateaus while training improves, the model overfits."
    best = min(known)[1]
    said = f"The validation loss is lowest after epoch {best} of {len(history)}"
    if best == len(history) and len(history) > 1:
        return f"{said}: it still falls, so more epochs may help."
    trained = [read_number(row.get("loss", "")) for row in history]
    first, last = trained[best - 1], trained[-1]
    if first is not None and last is not None and last < first:
        return f"{said}; after that only the training loss falls: the model overfits from there."
    return f"{said}."
