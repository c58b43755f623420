"""Sizes and times as people write them."""

from __future__ import annotations

import re

from transfer.errors import UsageError, option

_SECONDS = {"h": 3600, "m": 60, "s": 1}


def parse_bytes(text: str, what: str = "a size") -> int:
    """Return a size such as ``"2GB"``, ``"500MB"`` or ``"0"`` as a number of bytes.

    Args:
        text: The size.
        what: The argument, for the message.

    Raises:
        UsageError: It is not a size.
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise UsageError(f"Expected {what} such as 2GB or 500MB. Received: {text!r}")
    return int(float(match[1]) * 1000 ** " KMGT".index(match[2].upper() or " "))


def parse_seconds(text: str) -> float | None:
    """Return a time such as ``"10m"``, ``"90s"`` or ``"1h30m"`` in seconds; None for ``"none"``.

    Raises:
        UsageError: It is not a time, or not above 0.
    """
    if text == "none":
        return None
    parts = re.findall(r"(\d{1,9}(?:\.\d+)?)([hms])", text.strip().lower())
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(map("".join, parts)) != text.strip().lower() or not seconds:
        raise UsageError(f"Expected {option('time')} such as 10m, 90s or 1h30m. Received: {text!r}")
    return seconds
