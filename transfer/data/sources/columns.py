"""Decides which columns of a table hold paths, classes and splits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from transfer.data.sources.columncells import Cells, key
from transfer.data.sources.grids import Grid
from transfer.data.sources.labelcells import several_advice
from transfer.data.sources.locate import Locator
from transfer.data.sources.onehot import one_hot
from transfer.data.sources.splitcolumns import Sides, find_sides
from transfer.errors import DataError, option
from transfer.recipe.reading import Reading

_PATHS = "path file filename filenames filepath filepaths image images img imagepath imgpath"
_PATHS += " imagefile imgfile imagename imgname imageid imgid id idcode photo photopath photoid"
_PATHS += " picture name fname isicid fileid imageindex relpath key uid imagefilename src"
_STRONG = "label labels class classname category target classes labelname categoryname classlabel"
_WEAK = "breed species choice diagnosis dx tag tags y variety type kind emotion level grade"
_WEAK += " groundtruth labelid categoryid classid cls annotation disease annotationvalue truth gt"
_WEAK += " landmarkid family genus cultivar condition finding findinglabels expression material"
_TAGS = {"tag", "tags", "keyword", "keywords"}
_SAMPLE = 20


@dataclass(frozen=True)
class Columns:
    """Which columns are what, by their index from 0.

    Attributes:
        path: Column of the paths.
        labels: Column of the classes; several where each is a class, with 1 in the rows of it, or
            where an image may have several classes.
        names: Names of the columns; their numbers from 1 where the table has none.
        headless: Whether the first line is a row.
        hot: Whether each column of `labels` is a class of its own.
        sides: The splits; None without.
    """

    path: int
    labels: tuple[int, ...]
    names: Sequence[str]
    headless: bool = False
    hot: bool = False
    sides: Sides | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def hold_tags(self) -> bool:
        """Whether the column of the classes is called one of tags, which are several as a rule."""
        return len(self.labels) == 1 and key(self.names[self.labels[0]]) in _TAGS

    def in_words(self) -> str:
        """Return what is taken for what."""
        if self.hot:
            label = f"class from the 1 in {len(self.labels)} columns"
        else:
            label = f"class from {' and '.join(map(self._named, self.labels))}"
        words = [f"path from {self._named(self.path)}", label]
        if self.sides is not None:
            words.append(self.sides.in_words(self.names))
        words += ["no header"] * self.headless
        return ", ".join(words + self.notes)

    def _named(self, column: int) -> str:
        return f"column {self.names[column]}" if self.headless else repr(self.names[column])


def choose_columns(grid: Grid, files: Locator, reading: Reading) -> Columns:
    """Return which columns of a table are what.

    Raises:
        DataError: A column is missing, or several may be meant; the message names the option that
            says which.
    """
    headless = _is_headless(grid, files)
    names = [str(n + 1) for n in range(len(grid.header))] if headless else _stripped(grid.header)
    rows = grid.rows + ([(1, grid.header)] if headless else [])
    cells = [cells for _, cells in rows]
    table = Cells(grid, names, cells, headless)
    path = _path_column(table, files, reading.path_column)
    label = table.asked("label_column", reading.label_column)
    taken = {path} if label is None else {path, label}
    lines = [line for line, _ in rows]
    sides = None
    if reading.split_column != "none":
        split = table.asked("split_column", reading.split_column)
        sides = find_sides(grid.file, names, table.column, taken, split, lines)
    if sides is not None:
        taken |= set(sides.columns)
    if label is not None:
        return Columns(path, (label,), names, headless, False, sides, table.notes)
    find = _columns_of_sets if reading.multi_label else _label_columns
    labels, hot = find(table, taken)
    return Columns(path, labels, names, headless, hot, sides, table.notes)


def label_names(names: Sequence[str]) -> list[str]:
    """Return those of some names of columns that mean the class, the likeliest first."""
    known = [*_STRONG.split(), *_WEAK.split()]
    return sorted((n for n in names if key(n) in known), key=lambda n: known.index(key(n)))


def _stripped(names: Sequence[str]) -> list[str]:
    return [name.strip() for name in names]


def _is_headless(grid: Grid, files: Locator) -> bool:
    if grid.named or {key(name) for name in grid.header} & {*_STRONG.split(), "path", "file"}:
        return False
    header = [name.strip() for name in grid.header]
    if any(map(files.lies_at, header)):
        return True
    table = Cells(grid, header, [cells for _, cells in grid.rows], headless=False)
    if _first_of_paths(table, range(len(header)), files.lies_at) is not None:
        return False
    return any(map(files.resolves, header))


def _path_column(table: Cells, files: Locator, asked: str) -> int:
    found = table.asked("path_column", asked)
    if found is not None:
        return found
    known = table.named(_PATHS)
    others = [n for n in range(len(table.names)) if n not in known]
    for is_path in (files.lies_at, files.resolves):  # the second walks the folder
        found = _first_of_paths(table, known + others, is_path)
        if found is not None:
            return found
    if known:
        return known[0]
    raise _missing(table, "path", "file, filename, image", "path_column", others)


def _first_of_paths(
    table: Cells, columns: Iterable[int], is_path: Callable[[str], bool]
) -> int | None:
    """Return the first column of which most cells are paths."""
    for column in columns:
        values = list(filter(None, table.column(column)))[:_SAMPLE]
        if 2 * sum(map(is_path, values)) > len(values):
            return column
    return None


def _label_columns(table: Cells, taken: set[int]) -> tuple[tuple[int, ...], bool]:
    """Return the column of the classes, or those that are a class each, and which it is."""
    for words in (_STRONG, _WEAK):
        known = [n for n in table.named(words) if n not in taken]
        numbered = _numbered(table, words, taken)
        divided = {tuple(_numbers(table.column(n))) for n in numbered}
        partly = len(numbered) > 1 and any("" in table.column(n) for n in numbered)
        if partly or len(divided) > 1:
            raise _several(table, numbered)
        if known or numbered:
            return (_agreed(table, known or numbered),), False
    rest = [n for n in range(len(table.names)) if n not in taken]
    if hot := one_hot({n: table.column(n) for n in rest}):
        return hot, True
    likely = [n for n in rest if _may_be_labels(table.column(n))]
    if len(likely) == 1:
        if others := _more_labels(table, likely[0], rest):
            raise _several(table, [likely[0], *others])
        return (likely[0],), False
    raise _missing(table, "label", "class, category, target", "label_column", likely or rest)


def _columns_of_sets(table: Cells, taken: set[int]) -> tuple[tuple[int, ...], bool]:
    """Return the columns of the classes where an image may have several; see `_label_columns`."""
    for words in (_STRONG, _WEAK):
        numbered = _numbered(table, words, taken)
        if len(numbered) > 1:
            return tuple(numbered), False
        if known := [n for n in table.named(words) if n not in taken]:
            return (_agreed(table, known),), False
    rest = [n for n in range(len(table.names)) if n not in taken]
    if hot := one_hot({n: table.column(n) for n in rest}, several=True):
        return hot, True
    if len(rest) == 1:
        return (rest[0],), False
    raise _missing(table, "labels", "tags, classes, categories", "label_column", rest)


def _numbered(table: Cells, words: str, taken: set[int]) -> list[int]:
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
    divided = [_numbers(table.column(n)) for n in columns]
    differing = [n for n, each in zip(others, divided[1:], strict=True) if each != divided[0]]
    if differing:
        names = table.shown([first, *differing])
        raise DataError(
            f"{str(table.file)!r} has several columns that may be the class: {names}. Say which:"
            f" {option('label_column', table.names[first])}."
        )
    words = [n for n in columns if not all(map(_is_number, table.column(n)))]
    return words[0] if words else first


def _numbers(values: Sequence[str]) -> list[int]:
    """Return each value as the number of its first occurrence."""
    first: dict[str, int] = {}
    return [first.setdefault(value, len(first)) for value in values]


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", value))


def _may_be_labels(values: Sequence[str]) -> bool:
    different = set(values)
    if "" in different or any(re.fullmatch(r"-?\d*\.\d+", value) for value in different):
        return False
    return 2 <= len(different) <= len(values) / 2


def _missing(table: Cells, word: str, known: str, knob: str, columns: Sequence[int]) -> DataError:
    ask = f" Name it with {option(knob)}: {table.shown(columns)}." if columns else ""
    return DataError(
        f"The table {str(table.file)!r} has no column {word!r} (or {known})."
        f" Its first line says: {', '.join(table.names)[:100]!r}.{ask}"
    )
