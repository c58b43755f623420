"""How the page writes figures and names."""

from __future__ import annotations

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


def isolate(name: str) -> str:
    """Return `name` between first-strong-isolate marks: ``<bdi>`` for text without tags."""
    return f"\u2068{name}\u2069"
