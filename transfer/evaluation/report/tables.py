"""The table of classes, with intervals of all its figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer.runs.metrics import Metrics
from transfer.statistics.f1_intervals import f1_interval, macro_f1_interval
from transfer.statistics.intervals import wilson_interval

Bounds = tuple[float, float]


@dataclass(frozen=True)
class ClassRow:
    """One class: its figures, 0..1, and their 95 % intervals; None where they are undefined."""

    name: str
    support: int
    precision: float | None
    precision_interval: Bounds | None
    recall: float | None
    recall_interval: Bounds | None
    f1: float | None
    f1_interval: Bounds | None


def class_rows(metrics: Metrics) -> list[ClassRow]:
    """Return the rows of the table of classes, in the order of the classes."""
    matrix = np.array(metrics["confusion_matrix"])
    rows = []
    for i, row in enumerate(metrics["per_class"]):
        right, support, predicted = map(int, (matrix[i, i], matrix[i].sum(), matrix[:, i].sum()))
        rows.append(
            ClassRow(
                row["class"],
                support,
                row["precision"],
                wilson_interval(right, predicted) if predicted else None,
                row["recall"],
                wilson_interval(right, support) if support else None,
                row["f1"],
                f1_interval(right, support, predicted) if support else None,
            )
        )
    return rows


def macro_f1_bounds(metrics: Metrics) -> Bounds:
    """Return the 95 % interval of macro-F1."""
    return macro_f1_interval(np.array(metrics["confusion_matrix"]))
