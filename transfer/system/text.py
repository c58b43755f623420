"""Text of a length that messages can hold."""

from __future__ import annotations

import unicodedata

MOST = 200  # characters


def cut(text: object, most: int = MOST) -> str:
    """Return a value as text, without its middle where it is longer than `most` characters."""
    whole = str(text)
    if len(whole) <= most:
        return whole
    half = most // 2
    return f"{whole[:half]} ... {whole[-half:]}"


def shorten(name: str, longest: int) -> str:
    """Return `name`, without its middle where it is wider than a number of Latin letters.

    Names often differ only at their end.
    """
    if _width(name) <= longest:
        return name
    head = _cut(name, longest // 2)
    tail = _cut(name[::-1], longest - longest // 2 - 1)[::-1]
    return f"{head.rstrip()}…{tail.lstrip()}"


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
