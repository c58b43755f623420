"""Reads the classes of an image from a table in which each may have several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from transfer.data.sources.columns import Columns
from transfer.data.sources.labelcells import labels_in, several_in
from transfer.data.sources.onehot import is_hot
from transfer.system.names import SEPARATOR, nfc

_WORDS = {SEPARATOR: "'|'", ";": "';'", ",": "','", " ": "spaces"}


class SetReader:
    """Reads the classes of each row.

    Cells hold a list in JSON or Python, or names with marks between them: of ``|``, ``;`` and ``,``
    the first that occurs anywhere in the table; else spaces, if the words combine with each other.
    Columns of 0 and 1 are a class each.

    Args:
        columns: Which columns of the table are what.
        rows: Its cells.
    """

    def __init__(self, columns: Columns, rows: Iterable[Sequence[str]]) -> None:
        self._columns = columns
        self.mark = "" if columns.hot else _find_mark(columns, rows)

    def in_words(self) -> str:
        """Return how cells are divided; ``""`` where none is."""
        return f"divided at {_WORDS[self.mark]}" if self.mark else ""

    def read(self, cells: Sequence[str]) -> tuple[str, ...]:
        """Return the classes of a row, sorted, each once. Raises ValueError for a bad cell."""
        names: list[str] = []
        for column in self._columns.labels:
            text = cells[column].strip() if column < len(cells) else ""
            if self._columns.hot:
                names += [self._columns.names[column]] * is_hot(text)
                continue
            listed = labels_in(text)
            divided = text.split(self.mark or None) if self.mark else [text]
            names += divided if listed is None else listed
        found = {nfc(name.strip()) for name in names} - {""}
        for name in found:
            if SEPARATOR in name or len(name) > 200:
                raise ValueError(f"holds the label {name!r:.80}, with {SEPARATOR!r} or too long.")
        return tuple(sorted(found))


def _find_mark(columns: Columns, rows: Iterable[Sequence[str]]) -> str:
    """Return the mark between the names in the cells; ``""`` where none holds several."""
    cells = [row[n].strip() for row in rows for n in columns.labels if n < len(row)]
    texts = [text for text in cells if text[:1] + text[-1:] not in ("[]", "{}")]
    for mark in (SEPARATOR, ";", ","):
        if any(mark in text for text in texts):
            return mark
    spaced = [re.sub(r"\s+", " ", text) for text in texts]
    tags = columns.hold_tags and any(" " in text for text in spaced)
    return " " if tags or several_in(dict.fromkeys(spaced)) else ""
