"""Prepares tables and figures for the report's templates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transfer.evaluation.curves import PHASES, read_number
from transfer.evaluation.report.data import About
from transfer.recipe import MONITORS
from transfer.runs.metrics import Metrics

LONGEST_TITLE = 40


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
        name: ``frozen`` or ``fine-tuning``.
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


@dataclass(frozen=True)
class Headline:
    """The accuracy to trust: without images that training has seen, where there are others.

    Attributes:
        accuracy: 0..1.
        interval: Its 95 % interval.
        n: Number of images.
        macro_f1: Shown first where classes are uneven; None elsewhere.
        clean: Whether leaked images were left out.
    """

    accuracy: float
    interval: tuple[float, float]
    n: int
    macro_f1: float | None
    clean: bool


def headline(metrics: Metrics, uneven: bool) -> Headline:
    """Return the figures that the page leads with.

    Macro-F1 is known for all images only, so it does not lead where some are leaked.

    Args:
        metrics: Of the evaluation.
        uneven: Whether the training classes are uneven.
    """
    if "leaked" in metrics:
        leaked = metrics["leaked"]
        accuracy, bounds = leaked["accuracy_without"], leaked["accuracy_without_ci95"]
        if accuracy is not None and bounds is not None:
            return Headline(accuracy, (bounds[0], bounds[1]), leaked["n_without"], None, True)
    low, high = metrics["accuracy_ci95"]
    macro_f1 = metrics["macro_f1"] if uneven else None
    return Headline(metrics["accuracy"], (low, high), metrics["n"], macro_f1, False)


def percent(share: float | None, digits: int = 1) -> str:
    """Return ``"92.4 %"`` with a no-break space, or ``"n/a"`` for None."""
    return "n/a" if share is None else f"{100 * share:.{digits}f}\u00a0%"


def interval(bounds: Sequence[float]) -> str:
    """Return ``"88.1–95.0 %"`` with a no-break space."""
    return f"{100 * bounds[0]:.1f}–{percent(bounds[1])}"


def fixed(value: float | None, digits: int = 3) -> str:
    """Return a number with a fixed number of digits, or ``"n/a"`` for None."""
    return "n/a" if value is None else f"{value:.{digits}f}"


def brief(text: str) -> str:
    """Return a cell of history.csv with four digits; as it is where it holds no number."""
    value = read_number(text)
    return text if value is None else f"{value:.4g}"


def shorten(name: str) -> str:
    """Return `name`, without its middle where it is longer than 40 characters."""
    if len(name) <= LONGEST_TITLE:
        return name
    half = LONGEST_TITLE // 2
    return f"{name[:half]}…{name[1 - half :]}"


def isolate(name: str) -> str:
    """Return `name` between first-strong-isolate marks: ``<bdi>`` for text without tags."""
    return f"\u2068{name}\u2069"
