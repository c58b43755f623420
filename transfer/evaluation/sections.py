"""What the report's template shows, brought into the shape in which it shows it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer.evaluation.curves import PHASES, read_number
from transfer.recipe import MONITORS

MOST_CLASSES = 256  # of the matrix; a table of more cells than 65,536 stalls browsers
MOST_TITLES = 6_000  # cells with a tooltip, so that the page stays small
LEVELS = 20
LONGEST_TITLE = 40
ABSOLUTE = re.compile(r"""(?<![\w./:<])(?:/|[A-Za-z]:\\)(?:[^\s'"/\\<>]+[/\\])+""")


@dataclass(frozen=True)
class Cell:
    """One cell of the confusion matrix.

    Attributes:
        count: Number of images.
        level: Shade, 0 (none of the true class's images) to 20 (all of them).
        title: Tooltip: the pair, the count and the share; empty where the count is 0.
    """

    count: int
    level: int
    title: str


def matrix_rows(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> list[list[Cell]]:
    """Return the cells of the confusion matrix, or ``[]`` above 256 classes."""
    if len(classes) > MOST_CLASSES:
        return []
    names = [isolate(shorten(name)) for name in classes]
    titled = sum(count > 0 for row in matrix for count in row) <= MOST_TITLES
    rows = []
    for true, counts in zip(names, matrix, strict=True):
        support = sum(counts) or 1
        cells = []
        for predicted, count in zip(names, counts, strict=True):
            share = count / support
            words = f"{count} of {support} ({percent(share)})"
            title = f"true {true}, predicted {predicted}: {words}" if count and titled else ""
            cells.append(Cell(count, -int(-share * LEVELS // 1), title))
        rows.append(cells)
    return rows


def count_table(
    counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]
) -> dict[str, Any] | None:
    """Return images per class and split, with totals; None where nothing is known.

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
        epochs: How many; None where the history does not tell.
        seconds: How long; None where it is not known.
        val_accuracy: Of the phase's model; of its best epoch where it was not kept.
        val_loss: As val_accuracy.
        best_epoch: Which one that is; None where the figures are of the phase's model.
    """

    name: str
    kept: bool
    epochs: int | None
    seconds: float | None
    val_accuracy: float | None
    val_loss: float | None
    best_epoch: int | None


def phase_rows(info: Mapping[str, Any], history: Sequence[Mapping[str, str]]) -> list[PhaseRow]:
    """Return the phases that run.json knows, with figures from the history where it has none."""
    rows = []
    for name, about in (info.get("phases") or {}).items():
        epochs = [row for row in history if row.get("phase") == name]
        figures, number = about, None
        if "val_accuracy" not in about and (best := _best_epoch(epochs, info.get("monitor"))):
            figures = {key: read_number(text) for key, text in epochs[best - 1].items()}
            number = best
        rows.append(
            PhaseRow(
                name=PHASES.get(name, name),
                kept=name == info.get("phase_kept"),
                epochs=len(epochs) or None,
                seconds=about.get("seconds"),
                val_accuracy=figures.get("val_accuracy"),
                val_loss=figures.get("val_loss"),
                best_epoch=number,
            )
        )
    return rows


def _best_epoch(epochs: Sequence[Mapping[str, str]], monitor: Any) -> int | None:
    """Return the number (from 1) of the epoch that the monitor prefers; of equals the surer."""
    name = monitor if monitor in MONITORS else "val_accuracy"
    sign = 1 if MONITORS[name] == "max" else -1
    ranks = []
    for number, row in enumerate(epochs, start=1):
        value, loss = read_number(row.get(name, "")), read_number(row.get("val_loss", ""))
        if value is not None:
            ranks.append((sign * value, -math.inf if loss is None else -loss, -number))
    return -max(ranks)[2] if ranks else None


def tell_recipe(recipe: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe in words: behind what was left open stands what run.json says was used."""
    known = info
    told = {}
    for name, value in recipe.items():
        used = known.get(name)
        if isinstance(used, bool):
            used = "on" if used else "off"
        if isinstance(used, float):
            used = f"{used:.6g}"
        told[name] = "default" if value is None else value
        if value in (None, "auto") and isinstance(used, int | str):
            told[name] = f"{told[name]} ({used})"
    return told


def redact(value: Any, root: Path | None) -> Any:
    """Return `value` with folders cut from the absolute paths in its text, at any depth.

    The page is made to be passed on; where somebody's files lie is nobody else's business.
    """
    if isinstance(value, Mapping):
        return {redact(str(key), root): redact(item, root) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, root) for item in value]
    if not isinstance(value, str):
        return value
    if root is not None and root.name:
        value = value.replace(str(root), root.name)
    if value.startswith("/"):  # a bare path, which may hold spaces
        return value.rstrip("/").rpartition("/")[2]
    return ABSOLUTE.sub("", value)


def percent(share: float | None, digits: int = 1) -> str:
    """Return ``"92.4 %"`` with a no-break space, or ``"n/a"`` for None."""
    return "n/a" if share is None else f"{100 * share:.{digits}f}\u00a0%"


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
