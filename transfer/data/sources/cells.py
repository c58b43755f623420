"""Values of typed tables as text."""

from __future__ import annotations

from typing import Any


def cell(value: Any) -> str:
    """Return a value of a typed table as text; lists of one are their item."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        return "|".join(map(cell, value))
    return str(value)
