"""Names that people give: compared in one Unicode form."""

from __future__ import annotations

import unicodedata


def nfc(name: str) -> str:
    """Return a name in the form NFC, in which names are compared; file names of a Mac are NFD."""
    return unicodedata.normalize("NFC", name)
