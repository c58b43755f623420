"""Finds the columns of a table that hold splits, and what their values mean."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer.data.sources.columncells import key
from transfer.errors import DataError, did_you_mean, option
from transfer.images.layout.plan import SPLITS
from transfer.images.layout.splitnames import split_of

_NAMES = {"split", "splits", "set", "subset", "datasplit", "partition", "usage", "fold", "folds"}
_NAMES |= {"kfold", "phase", "traintest", "trainortest", "splitname", "dataset", "settype", "mode"}
_ALWAYS = {"split", "splits", "set", "subset", "datasplit", "splitname"}  # never anything else
_FLAGS = {"istrain": "train", "istraining": "train", "isvalid": "val", "isval": "val"}
_FLAGS |= {"isvalidation": "val", "istest": "test", "istesting": "test"}
_PUBLIC, _PRIVATE = "publictest", "privatetest"  # of a contest: the former serves for validation
_TRUE, _FALSE = {"1", "true", "yes", "1.0", "t"}, {"0", "false", "no", "0.0", "f", ""}


@dataclass(frozen=True)
class Sides:
    """Columns that hold the splits.

    Attributes:
        columns: Their indices: one with values, or some that say yes or no.
        values: Value of the one column to split; empty for columns that say yes or no.
        flags: Index of such a column to the split that yes means.
    """

    columns: tuple[int, ...]
    values: Mapping[str, str]
    flags: Mapping[int, str]

    def of(self, cells: Sequence[str]) -> str:
        """Return the split of a row; ``""`` where its cell is empty."""
        if not self.flags:
            cell = cells[self.columns[0]].strip() if self.columns[0] < len(cells) else ""
            return self.values.get(cell, "")
        for column, split in self.flags.items():
            if column < len(cells) and cells[column].strip().lower() in _TRUE:
                return split
        return "train" if "train" not in self.flags.values() else "test"

    def in_words(self, names: Sequence[str]) -> str:
        """Return what is taken for what."""
        shown = ", ".join(repr(names[column]) for column in self.columns)
        found = [
            f"{split} ({', '.join(words)})"
            for split in SPLITS
            if (words := [value for value, each in self.values.items() if each == split])
            and words != [split]
        ]
        if self.flags and "train" in self.flags.values():
            found = ["no means test"]
        return f"split from {shown}{': ' * bool(found)}{', '.join(found)}"


def find_sides(
    table: Path,
    names: Sequence[str],
    column: Callable[[int], list[str]],
    taken: Collection[int],
    asked: int | None,
    lines: Sequence[int],
) -> Sides | None:
    """Return the columns that hold splits; None where there are none.

    Args:
        table: For messages.
        names: Names of the columns.
        column: Returns the cells of one.
        taken: Columns that are something else.
        asked: The column that the user names; None: it is found.
        lines: Line of each row.

    Raises:
        DataError: A column is named like splits, or was asked for, and has other values.
    """
    keys = [key(name) for name in names]
    if asked is not None:
        found = dict(zip(reversed(column(asked)), reversed(lines), strict=True))
        return _flags(keys, column, [asked]) or _of_values(table, names[asked], asked, found)
    free = [index for index in range(len(names)) if index not in taken]
    if flags := _flags(keys, column, free):
        return flags
    for index in sorted(free, key=lambda index: keys[index] not in _NAMES):
        values = dict(zip(reversed(column(index)), reversed(lines), strict=True))  # the first line
        known = [value for value in values if split_of(value)]
        if known and len(known) == len(values) and (len(known) > 1 or keys[index] in _NAMES):
            return _of_values(table, names[index], index, values)
        if keys[index] in _ALWAYS or (keys[index] in _NAMES and (known or "fold" in keys[index])):
            return _of_values(table, names[index], index, values)
    return None


def _flags(
    keys: Sequence[str], column: Callable[[int], list[str]], free: Sequence[int]
) -> Sides | None:
    found = {
        index: _FLAGS[keys[index]]
        for index in free
        if keys[index] in _FLAGS and {value.lower() for value in column(index)} <= _TRUE | _FALSE
    }
    return Sides(tuple(found), {}, found) if found else None


def _of_values(table: Path, name: str, index: int, values: Mapping[str, int]) -> Sides:
    """Return the splits that the values of a column mean, given with the line of each.

    Raises DataError for other values.
    """
    found: dict[str, str] = {}
    contest = {_PUBLIC, _PRIVATE} <= set(map(key, values))
    for value, line in sorted(values.items(), key=lambda item: item[1]):
        split = "val" if contest and key(value) == _PUBLIC else split_of(value)
        if split is not None:
            found[value] = split
        elif value:
            near = did_you_mean(value.lower(), SPLITS)
            raise DataError(
                f"{str(table)!r}, line {line}: unknown split {value!r} in the column"
                f" {name!r}.{near} Expected train, val or test. To ignore the column:"
                f" {option('split_column', 'none')}."
            )
    return Sides((index,), found, {})
