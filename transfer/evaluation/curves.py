"""Learning curves as points and ticks; the markup around them is in the template."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

WIDTH, HEIGHT = 560.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 26.0, 42.0
MOST = 3.5e38  # what float32 can hold
PHASES = {"head": "head", "finetune": "fine-tuning"}

Point = tuple[int, float]


@dataclass(frozen=True)
class Tick:
    """A position on an axis in SVG units, and its label."""

    at: float
    text: str


@dataclass(frozen=True)
class Dot:
    """One epoch of one series: its position in SVG units, and its tooltip."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Series:
    """One metric on one split (``train`` or ``val``).

    Attributes:
        name: ``train`` or ``val``.
        lines: One SVG ``points`` string for each unbroken stretch of a phase.
        dots: One Dot per epoch that has a value.
    """

    name: str
    lines: tuple[str, ...]
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Panel:
    """One diagram: all that the template needs to write its SVG.

    Attributes:
        title: What the y axis measures.
        summary: The diagram in one sentence, for those who cannot see it.
        series: Train and val, those that have values.
        x_ticks: Epochs.
        y_ticks: Values.
        phases: The middle of each phase and its name.
        boundaries: x where one phase ends and the next begins.
    """

    title: str
    summary: str
    series: tuple[Series, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    phases: tuple[Tick, ...]
    boundaries: tuple[float, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def learning_curves(history: Sequence[Mapping[str, str]]) -> list[Panel]:
    """Lay out the rows of history.csv as one Panel for loss and one for accuracy.

    Epochs are counted through the phases. Cells that are empty, not numbers or not finite leave a
    gap. A metric without a single value gets no panel.

    Args:
        history: Rows with ``phase``, ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``.
    """
    panels = (_panel(history, "accuracy", "Accuracy"), _panel(history, "loss", "Loss"))
    return [panel for panel in panels if panel is not None]


def _panel(history: Sequence[Mapping[str, str]], key: str, title: str) -> Panel | None:
    columns = {"train": _column(history, key), "val": _column(history, f"val_{key}")}
    values = [v for column in columns.values() for v in column if v is not None]
    if not values:
        return None
    steps = _ticks(min(values), max(values))
    if key == "loss" and min(values) >= 0:
        steps = _ticks(0.0, max(values))
    low, high = steps[0], steps[-1]

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def x(epoch: float) -> float:
        return round(LEFT + (epoch - 0.5) / len(history) * (WIDTH - LEFT - RIGHT), 1)

    spans = list(_phase_spans(history))
    series = []
    for name, column in columns.items():
        stretches = [s for first, last, _ in spans for s in _stretches(column, first, last)]
        lines = tuple(" ".join(f"{x(e)},{y(v)}" for e, v in stretch) for stretch in stretches)
        dots = tuple(
            Dot(x(e), y(v), f"{name}, epoch {e}: {v:.4g}")
            for stretch in stretches
            for e, v in stretch
        )
        if dots:
            series.append(Series(name, lines, dots))
    return Panel(
        title=title,
        summary=_summary(title, columns),
        series=tuple(series),
        x_ticks=tuple(Tick(x(e), str(e)) for e in _epochs(len(history))),
        y_ticks=tuple(Tick(y(v), f"{v:.4g}") for v in steps),
        phases=tuple(Tick(x((a + b) / 2), PHASES.get(name, name)) for a, b, name in spans if name),
        boundaries=tuple(x(first - 0.5) for first, _, _ in spans[1:]),
    )


def _column(history: Sequence[Mapping[str, str]], key: str) -> list[float | None]:
    return [read_number(row.get(key, "")) for row in history]


def read_number(text: str) -> float | None:
    """Return a cell of history.csv as a number; None where it is no number or not finite."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= MOST else None


def _phase_spans(history: Sequence[Mapping[str, str]]) -> Iterator[tuple[int, int, str]]:
    first = 1
    for name, rows in groupby(history, key=lambda row: row.get("phase", "")):
        last = first + len(list(rows)) - 1
        yield first, last, name
        first = last + 1


def _stretches(column: Sequence[float | None], first: int, last: int) -> list[list[Point]]:
    points = [(epoch, column[epoch - 1]) for epoch in range(first, last + 1)]
    runs = groupby(points, key=lambda point: point[1] is not None)
    return [[(e, v) for e, v in run if v is not None] for known, run in runs if known]


def _ticks(low: float, high: float) -> list[float]:
    """Return four to eight round numbers, evenly spaced, that enclose `low` and `high`."""
    span = max(high - low, 1e-3 * max(abs(high), 1e-3))
    unit: float = 10 ** math.floor(math.log10(span / 4))
    step = next(unit * m for m in (1, 2, 2.5, 5, 10) if span / (unit * m) <= 5)
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(start, max(stop, start + 1) + 1)]


def _epochs(count: int) -> list[int]:
    if count <= 10:
        return list(range(1, count + 1))
    step = next(s * 10**p for p in range(9) for s in (1, 2, 5) if count / (s * 10**p) <= 10)
    return [1, *range(step, count + 1, step)] if step > 1 else list(range(1, count + 1))


def _summary(title: str, columns: Mapping[str, Sequence[float | None]]) -> str:
    parts = []
    for name, column in columns.items():
        values = [v for v in column if v is not None]
        if values:
            parts.append(f"{name} from {values[0]:.3g} to {values[-1]:.3g}")
    return f"{title} by epoch: {', '.join(parts)}."
