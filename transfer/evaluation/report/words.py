"""How the page writes figures and names."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from transfer.evaluation.curves import read_number

LONGEST_TITLE = 40


def percent(share: float | None, digits: int = 1) -> str:
    """Return ``"92.4 %"`` with a no-break space, or ``"n/a"`` for None."""
    return "n/a" if share is None else f"{100 * share:.{digits}f}\u00a0%"


def interval(bounds: Sequence[float] | None) -> str:
    """Return ``"88.1–95.0 %"`` with a no-break space, or ``"n/a"`` for None."""
    return "n/a" if bounds is None else f"{100 * bounds[0]:.1f}–{percent(bounds[1])}"


def fixed(value: float | None, digits: int = 3) -> str:
    """Return a number with a fixed number of digits, or ``"n/a"`` for None."""
    return "n/a" if value is None else f"{value:.{digits}f}"


def brief(text: str) -> str:
    """Return a cell of history.csv with four digits; as it is where it holds no number."""
    value = read_number(text)
    return text if value is None else f"{value:.4g}"


def shorten(name: str, longest: int = LONGEST_TITLE) -> str:
    """Return `name`, without its middle where it is wider than a number of Latin letters.

    Names often differ only at their end.
    """
    if _width(name) <= longest:
        return name
    head = _cut(name, longest // 2)
    tail = _cut(name[::-1], longest - longest // 2 - 1)[::-1]
    return f"{head.rstrip()}…{tail.lstrip()}"


def isolate(name: str) -> str:
    """Return `name` between first-strong-isolate marks: ``<bdi>`` for text without tags."""
    return f"\u2068{name}\u2069"


def _width(text: str) -> int:
    return sum(map(_width_of, text))


def _width_of(letter: str) -> int:
    """Return 2 for the wide letters of East Asia, 0 for marks above or below one, else 1."""
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _cut(text: str, most: int) -> str:
    """Return the start of a text that is at most so wide."""
    width = 0
    for end, letter in enumerate(text):
        width += _width_of(letter)
        if width > most:
            return text[:end]
    return text
