"""The cells of a table by column, which is found by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from transfer.data.sources.grids import Grid
from transfer.errors import DataError, did_you_mean, option

_SHOWN = 12


class Cells:
    """The cells of a table by column."""

    def __init__(
        self, grid: Grid, names: Sequence[str], rows: Sequence[Sequence[str]], headless: bool
    ) -> None:
        self.file, self.names, self.rows, self.headless = grid.file, names, rows, headless
        self.notes: list[str] = []

    def column(self, index: int) -> list[str]:
        """Return the cells of a column, stripped."""
        return [row[index].strip() if index < len(row) else "" for row in self.rows]

    def named(self, words: str) -> list[int]:
        """Return the columns with these names, in the order of the words."""
        keys = [key(name) for name in self.names]
        return [keys.index(word) for word in words.split() if word in keys]

    def asked(self, knob: str, name: str) -> int | None:
        """Return the column that the user names. Raises DataError where there is none."""
        if name == "auto":
            return None
        exact = [n for n, each in enumerate(self.names) if each == name.strip()]
        alike = [n for n, each in enumerate(self.names) if key(each) == key(name)]
        if exact or alike:
            return (exact or alike)[0]
        if name.isdigit() and 1 <= int(name) <= len(self.names):
            return int(name) - 1
        raise DataError(
            f"{str(self.file)!r} has no column {name!r}.{did_you_mean(name, self.names)} Expected"
            f" as {option(knob)} one of: {self.shown()}."
        )

    def shown(self, columns: Sequence[int] | None = None) -> str:
        """Return the names of columns, of all by default, for a message."""
        names = self.names if columns is None else [self.names[n] for n in columns]
        more = f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN)
        return ", ".join(names[:_SHOWN])[:200] + more

    def missing(self, word: str, known: str, knob: str, columns: Sequence[int]) -> DataError:
        """Return the error for a column that is not there, with those that may be meant."""
        ask = f" Name it with {option(knob)}: {self.shown(columns)}." if columns else ""
        return DataError(
            f"The table {str(self.file)!r} has no column {word!r} (or {known})."
            f" Its first line says: {', '.join(self.names)[:100]!r}.{ask}"
        )


def key(name: str) -> str:
    """Return the name of a column without case, spaces and marks."""
    return re.sub(r"[\W_]+", "", name.lower())
