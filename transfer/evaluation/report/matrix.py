"""The confusion matrix as tables of cells with shades, and text that can be read on each shade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfer.evaluation.contrast import Colour, text_on
from transfer.evaluation.report.album import cell_id
from transfer.evaluation.report.words import LONGEST_TITLE, isolate, percent
from transfer.system.text import shorten

MOST_CLASSES = 256  # of a table with all of them
MOST_UNGROUPED = 30  # classes; above that the groups come first
MOST_TITLES = 6_000  # cells with a tooltip, so that the page stays small
LEVELS = 10
LONGEST_HEAD = 22  # letters of a class name beside or above the cells
# Card and accent of report.css, as sRGB.
LIGHT = ((255, 255, 255), (23, 88, 156))
DARK = ((25, 31, 38), (125, 180, 240))


@dataclass(frozen=True)
class Cell:
    """One cell of a confusion matrix, or several empty ones next to each other.

    Attributes:
        count: Number of images.
        row: Per cent of the images of the true class, in words; empty where the count is 0.
        column: The same of the images that are predicted as the class.
        levels: Shades by share of the row, share of the column, and share of the most frequent
            mistake: each 0 (none) to 10.
        right: Whether it is on the diagonal.
        target: Id of the box with its photos; "" without.
        title: Tooltip: the pair, the count and the share; empty where the count is 0.
        span: Number of cells.
    """

    count: int
    row: str = ""
    column: str = ""
    levels: tuple[int, int, int] = (0, 0, 0)
    right: bool = False
    target: str = ""
    title: str = ""
    span: int = 1


@dataclass(frozen=True)
class Row:
    """One true class of a confusion matrix: its name, its cells and its recall."""

    name: str
    head: str
    cells: tuple[Cell, ...]
    recall: str


@dataclass(frozen=True)
class Table:
    """A confusion matrix, or the part of it that holds the classes of one group.

    Attributes:
        caption: What it shows.
        size: ``large``, ``medium`` or ``small``.
        heads: (full name, short name) of each column.
        rows: True classes.
        precisions: Of each column, in words.
        errors: Number of mistakes within it.
        flat: Whether column heads have room side by side on a wide screen.
        short: Whether they have on a narrow one, too.
    """

    caption: str
    size: str
    heads: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    precisions: tuple[str, ...]
    errors: int
    flat: bool
    short: bool


@dataclass(frozen=True)
class Matrix:
    """The tables of a page.

    Attributes:
        groups: Counts by groups of similar classes; None up to 30 classes.
        blocks: The table of each group; empty up to 30 classes.
        full: All classes; None above 256.
        links: Id of a box -> (true class, predicted class, id of its cell, count) of the confusions
            between two groups, the most frequent first.
    """

    groups: Table | None
    blocks: tuple[Table, ...]
    full: Table | None
    links: dict[str, list[tuple[str, str, str, int]]]


NO_MATRIX = Matrix(None, (), None, {})


def confusion_tables(
    matrix: Sequence[Sequence[int]], classes: Sequence[str], groups: Sequence[Sequence[int]]
) -> Matrix:
    """Return the tables of a confusion matrix.

    Args:
        matrix: Counts (classes, classes); rows are true.
        classes: Names.
        groups: Indices of similar classes, from `transfer.evaluation.report.order`.
    """
    counts = np.array(matrix, np.int64).reshape(len(classes), len(classes))
    order = [i for group in groups for i in group]
    full = None
    if len(classes) <= MOST_CLASSES:
        full = _table("Confusion matrix", counts, classes, order)
    if len(classes) <= MOST_UNGROUPED:
        return Matrix(None, (), full, {})
    names = [f"{number}: {_listed(classes, group)}" for number, group in enumerate(groups, 1)]
    sums = np.array([[counts[np.ix_(a, b)].sum() for b in groups] for a in groups], np.int64)
    overview = _table("Groups", sums, names, range(len(groups)), "g")
    blocks = tuple(
        _table(f"Group {name}", counts, classes, group)
        for name, group in zip(names, groups, strict=True)
    )
    links = {
        f"g{a}-{b}": _links(counts, classes, first, second)
        for a, first in enumerate(groups)
        for b, second in enumerate(groups)
        if sums[a, b]
    }
    return Matrix(overview, blocks, full, links)


def _listed(classes: Sequence[str], group: Sequence[int]) -> str:
    shown = ", ".join(shorten(classes[i], 16) for i in group[:2])
    return shown + (f" and {len(group) - 2} more" if len(group) > 2 else "")


def _links(
    counts: np.ndarray, classes: Sequence[str], first: Sequence[int], second: Sequence[int]
) -> list[tuple[str, str, str, int]]:
    found = [(int(counts[i, j]), i, j) for i in first for j in second if counts[i, j] and i != j]
    found.sort(key=lambda each: (-each[0], each[1], each[2]))
    return [(classes[i], classes[j], cell_id(i, j), count) for count, i, j in found[:100]]


def _table(
    caption: str,
    counts: np.ndarray,
    classes: Sequence[str],
    order: Sequence[int],
    kind: str = "c",
) -> Table:
    """Return the part of a matrix with the classes in `order`; shares are of all classes."""
    chosen = list(order)
    support, predicted = counts.sum(axis=1), counts.sum(axis=0)
    part = counts[np.ix_(chosen, chosen)]
    wrong = part - np.diag(np.diag(part))
    titled = int((part > 0).sum()) <= MOST_TITLES
    size = "large" if len(chosen) <= 12 else "medium" if len(chosen) <= 40 else "small"
    rows = []
    for i in chosen:
        cells = []
        for j in chosen:
            count = int(counts[i, j])
            if not count:
                cells.append(Cell(0, right=i == j))
                continue
            row, column = count / support[i], count / predicted[j]
            mistake = 0 if i == j else _level(count / wrong.max())
            words = f"{count} of {support[i]} ({percent(float(row))})"
            pair = f"true {_said(classes[i])}, predicted {_said(classes[j])}"
            cells.append(
                Cell(
                    count,
                    _share(float(row)),
                    _share(float(column)),
                    (_level(row), _level(column), mistake),
                    i == j,
                    f"{kind}{i}-{j}",
                    f"{pair}: {words}" if titled else "",
                )
            )
        recall = percent(int(counts[i, i]) / int(support[i]), 0) if support[i] else "n/a"
        head = shorten(classes[i], LONGEST_HEAD + (14 if kind == "g" else 0))
        rows.append(Row(classes[i], head, tuple(_merged(cells, size)), recall))
    precisions = tuple(
        percent(int(counts[j, j]) / int(predicted[j]), 0) if predicted[j] else "n/a" for j in chosen
    )
    heads = tuple((classes[j], _column_head(classes[j], kind)) for j in chosen)
    letters = [len(head) for _, head in heads]
    flat, short = sum(letters) <= 70 and len(letters) <= 8, max(letters) <= 3
    return Table(
        caption, size, heads, tuple(rows), precisions, int(wrong.sum()), flat and not short, short
    )


def _column_head(name: str, kind: str) -> str:
    return f"group {name.partition(':')[0]}" if kind == "g" else shorten(name, LONGEST_HEAD)


def _said(name: str) -> str:
    return isolate(shorten(name, LONGEST_TITLE))


def _level(share: float) -> int:
    return -int(-share * LEVELS // 1)


def _share(share: float) -> str:
    return "<1" if share < 0.01 else f"{100 * share:.0f}"


def _merged(cells: Sequence[Cell], size: str) -> list[Cell]:
    """Return the cells of a row; in small tables, neighbours without images are one cell."""
    if size != "small":
        return list(cells)
    found: list[Cell] = []
    for cell in cells:
        last = found[-1] if found else None
        if last and not (last.count or last.right or cell.count or cell.right):
            found[-1] = Cell(0, span=last.span + 1)
        else:
            found.append(cell)
    return found


@dataclass(frozen=True)
class Shade:
    """Colours of the cells of one level.

    Attributes:
        level: 1..10.
        opacity: Of the accent colour on the card.
        light: Text colour in the light theme.
        dark: Text colour in the dark theme.
    """

    level: int
    opacity: float
    light: str
    dark: str


def shades() -> list[Shade]:
    """Return the shades of all levels.

    Text is black or white, whichever contrasts more.
    """
    rows = []
    for level in range(1, LEVELS + 1):
        opacity = round(0.1 + 0.085 * level, 3)
        light, dark = (text_on(blend(*theme, opacity)) for theme in (LIGHT, DARK))
        rows.append(Shade(level, opacity, light, dark))
    return rows


def blend(ground: Colour, ink: Colour, opacity: float) -> Colour:
    """Return `ink` of an opacity 0..1 on `ground`."""
    red, green, blue = (
        round(opacity * i + (1 - opacity) * g) for i, g in zip(ink, ground, strict=True)
    )
    return red, green, blue
