"""Names that people give: compared in one Unicode form."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

SEPARATOR = "|"


def nfc(name: str) -> str:
    """Return a name in the form NFC, in which names are compared; file names of a Mac are NFD."""
    return unicodedata.normalize("NFC", name)


def join_names(names: Iterable[str]) -> str:
    """Return several classes as one text, such as ``"rose|tulip"``; ``""`` for none."""
    return SEPARATOR.join(names)


def split_names(text: str) -> list[str]:
    """Return the classes that `join_names` has joined."""
    return text.split(SEPARATOR) if text else []
