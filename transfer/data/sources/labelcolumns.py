"""Decides which columns of a table hold the classes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from transfer.data.sources.columncells import Cells, key
from transfer.data.sources.labelcells import several_advice
from transfer.data.sources.onehot import one_hot
from transfer.errors import DataError, option

STRONG = "label labels class classname category target classes labelname categoryname classlabel"
WEAK = "breed choice diagnosis dx tag tags y variety type kind emotion level grade"
WEAK += " scientificname commonname species"
WEAK += " groundtruth labelid categoryid classid cls annotation disease annotationvalue truth gt"
WEAK += " landmarkid family genus cultivar condition finding findinglabels expression material"


def label_names(names: Sequence[str]) -> list[str]:
    """Return those of some names of columns that mean the class, the likeliest first."""
    known = [*STRONG.split(), *WEAK.split()]
    return sorted((n for n in names if key(n) in known), key=lambda n: known.index(key(n)))


def label_columns(table: Cells, taken: set[int]) -> tuple[tuple[int, ...], bool]:
    """Return the column of the classes, or those that are a class each, and which it is."""
    for words, values in ((STRONG, 2), (WEAK, 2), (STRONG, 0), (WEAK, 0)):
        known = [n for n in table.named(words) if n not in taken]
        known = [n for n in known if len(set(table.column(n))) >= values]
        series = _series(table, words, taken)
        divided = {tuple(numbered(table.column(n))) for n in series}
        partly = len(series) > 1 and any("" in table.column(n) for n in series)
        if partly or len(divided) > 1:
            raise _several(table, series)
        if known or series:
            return (_agreed(table, known or series),), False
    rest = [n for n in range(len(table.names)) if n not in taken]
    if hot := one_hot({n: table.column(n) for n in rest}):
        return hot, True
    likely = [n for n in rest if may_be_labels(table.column(n))]
    if len(likely) == 1:
        if others := _more_labels(table, likely[0], rest):
            raise _several(table, [likely[0], *others])
        return (likely[0],), False
    raise table.missing("label", "class, category, target", "label_column", likely or rest)


def columns_of_sets(table: Cells, taken: set[int]) -> tuple[tuple[int, ...], bool]:
    """Return the columns of the classes where an image may have several; see `label_columns`."""
    for words in (STRONG, WEAK):
        series = _series(table, words, taken)
        if len(series) > 1:
            return tuple(series), False
        if known := [n for n in table.named(words) if n not in taken]:
            return (_agreed(table, known),), False
    rest = [n for n in range(len(table.names)) if n not in taken]
    if hot := one_hot({n: table.column(n) for n in rest}, several=True):
        return hot, True
    if len(rest) == 1:
        return (rest[0],), False
    raise table.missing("labels", "tags, classes, categories", "label_column", rest)


def _series(table: Cells, words: str, taken: set[int]) -> list[int]:
    """Return the columns called label1, label2 and the like that hold anything."""
    for word in words.split():
        names = {n: key(name) for n, name in enumerate(table.names) if n not in taken}
        alike = [n for n in names if re.fullmatch(rf"{word}\d*", names[n]) and any(table.column(n))]
        if len(word) > 1 and any(names[n] != word for n in alike):  # y1, y2 are of a box
            return alike
    return []


def _more_labels(table: Cells, label: int, rest: Sequence[int]) -> list[int]:
    """Return the columns after that of the classes that hold classes in some of their rows."""
    classes = set(table.column(label))
    found = []
    for n in (n for n in rest if n > label):
        cells = table.column(n)
        values = set(cells) - {""}
        repeat = len(values) < len(list(filter(None, cells))) and len(set(cells)) > 1
        if values and (values <= classes or (table.headless and repeat)):
            found += [] if any(map(_is_number, values)) else [n]
    return found


def _several(table: Cells, columns: Sequence[int]) -> DataError:
    return DataError(
        f"{str(table.file)!r} has several columns of labels: {table.shown(columns)}."
        f" {several_advice()} Or say which is the class:"
        f" {option('label_column', table.names[columns[0]])}."
    )


def _agreed(table: Cells, columns: Sequence[int]) -> int:
    """Return the one of several columns of classes, which have to divide the rows alike."""
    first, *others = columns
    divided = [numbered(table.column(n)) for n in columns]
    differing = [n for n, each in zip(others, divided[1:], strict=True) if each != divided[0]]
    if differing:
        names = table.shown([first, *differing])
        raise DataError(
            f"{str(table.file)!r} has several columns that may be the class: {names}. Say which:"
            f" {option('label_column', table.names[first])}."
        )
    words = [n for n in columns if not all(map(_is_number, table.column(n)))]
    return words[0] if words else first


def numbered(values: Sequence[str]) -> list[int]:
    """Return each value as the number of its first occurrence."""
    first: dict[str, int] = {}
    return [first.setdefault(value, len(first)) for value in values]


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", value))


def may_be_labels(values: Sequence[str]) -> bool:
    different = set(values)
    if "" in different or any(re.fullmatch(r"-?\d*\.\d+", value) for value in different):
        return False
    return 2 <= len(different) <= len(values) / 2
