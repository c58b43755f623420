"""Text of a length that messages can hold."""

from __future__ import annotations

MOST = 200  # characters


def cut(text: object, most: int = MOST) -> str:
    """Return a value as text, without its middle where it is longer than `most` characters."""
    whole = str(text)
    if len(whole) <= most:
        return whole
    half = most // 2
    return f"{whole[:half]} ... {whole[-half:]}"
