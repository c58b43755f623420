"""Values of typed tables as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def cell(value: Any) -> str:
    """Return a value of a typed table as text: a list of one is its item, more is JSON."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if value is None or value in ([], (), {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple | Mapping):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
