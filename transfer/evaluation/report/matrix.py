"""The confusion matrix as cells with shades, and text that can be read on each shade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transfer.evaluation.report.sections import isolate, percent, shorten

MOST_CLASSES = 256  # of the matrix; a table of more cells than 65,536 stalls browsers
MOST_TITLES = 6_000  # cells with a tooltip, so that the page stays small
LEVELS = 20
# Card and accent of report.css, as sRGB.
LIGHT = ((255, 255, 255), (23, 88, 156))
DARK = ((25, 31, 38), (125, 180, 240))
BLACK, WHITE = (0, 0, 0), (255, 255, 255)

Colour = tuple[int, int, int]


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


@dataclass(frozen=True)
class Shade:
    """Colours of the cells of one level.

    Attributes:
        level: 1..20.
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

    Text is black or white, whichever contrasts more. The contrast is then at least 4.58 on any
    ground, above the 4.5 of WCAG 2.2, level AA.
    """
    rows = []
    for level in range(1, LEVELS + 1):
        opacity = round(0.1 + 0.0425 * level, 3)
        light, dark = (text_on(blend(*theme, opacity)) for theme in (LIGHT, DARK))
        rows.append(Shade(level, opacity, light, dark))
    return rows


def blend(ground: Colour, ink: Colour, opacity: float) -> Colour:
    """Return `ink` of an opacity 0..1 on `ground`."""
    red, green, blue = (
        round(opacity * i + (1 - opacity) * g) for i, g in zip(ink, ground, strict=True)
    )
    return red, green, blue


def text_on(ground: Colour) -> str:
    """Return ``"#000"`` or ``"#fff"``, whichever contrasts more with `ground`."""
    return "#000" if contrast(BLACK, ground) >= contrast(WHITE, ground) else "#fff"


def contrast(first: Colour, second: Colour) -> float:
    """Return the contrast ratio, 1..21, of two sRGB colours, as WCAG 2.2 defines it."""
    dark, light = sorted((_luminance(first), _luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    shares = [part / 255 for part in colour]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
