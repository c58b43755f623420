"""Decides which columns of a table hold paths, classes and splits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from transfer.data.sources.grids import Grid
from transfer.data.sources.locate import Locator
from transfer.data.sources.splitcolumns import Sides, find_sides
from transfer.errors import DataError, did_you_mean, option
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
_SHOWN = 12


@dataclass(frozen=True)
class Columns:
    """Which columns are what, by their index from 0.

    Attributes:
        path: Column of the paths.
        labels: Column of the classes; several where each is a class, with 1 in the rows of it.
        names: Names of the columns; their numbers from 1 where the table has none.
        headless: Whether the first line is a row.
        sides: The splits; None without.
    """

    path: int
    labels: tuple[int, ...]
    names: Sequence[str]
    headless: bool = False
    sides: Sides | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def hold_tags(self) -> bool:
        """Whether the column of the classes is called one of tags, which are several as a rule."""
        return len(self.labels) == 1 and _key(self.names[self.labels[0]]) in _TAGS

    def in_words(self) -> str:
        """Return what is taken for what."""
        if len(self.labels) > 1:
            label = f"class from the 1 in {len(self.labels)} columns"
        else:
            label = f"class from {self._named(self.labels[0])}"
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
    table = _Cells(grid, names, cells)
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
    labels = (label,) if label is not None else _label_columns(table, taken)
    return Columns(path, labels, names, headless, sides, table.notes)


class _Cells:
    """The cells of a table by column."""

    def __init__(self, grid: Grid, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.file, self.names, self.rows = grid.file, names, rows
        self.notes: list[str] = []

    def column(self, index: int) -> list[str]:
        return [row[index].strip() if index < len(row) else "" for row in self.rows]

    def named(self, words: str) -> list[int]:
        """Return the columns with these names, in the order of the words."""
        keys = [_key(name) for name in self.names]
        return [keys.index(word) for word in words.split() if word in keys]

    def asked(self, knob: str, name: str) -> int | None:
        """Return the column that the user names. Raises DataError where there is none."""
        if name == "auto":
            return None
        exact = [n for n, each in enumerate(self.names) if each == name.strip()]
        alike = [n for n, each in enumerate(self.names) if _key(each) == _key(name)]
        if exact or alike:
            return (exact or alike)[0]
        if name.isdigit() and 1 <= int(name) <= len(self.names):
            return int(name) - 1
        raise DataError(
            f"{str(self.file)!r} has no column {name!r}.{did_you_mean(name, self.names)} Expected"
            f" as {option(knob)} one of: {self.shown()}."
        )

    def shown(self, columns: Sequence[int] | None = None) -> str:
        names = self.names if columns is None else [self.names[n] for n in columns]
        more = f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN)
        return ", ".join(names[:_SHOWN])[:200] + more


def label_names(names: Sequence[str]) -> list[str]:
    """Return those of some names of columns that mean the class, the likeliest first."""
    known = [*_STRONG.split(), *_WEAK.split()]
    return sorted((n for n in names if _key(n) in known), key=lambda n: known.index(_key(n)))


def _stripped(names: Sequence[str]) -> list[str]:
    return [name.strip() for name in names]


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _is_headless(grid: Grid, files: Locator) -> bool:
    if grid.named or {_key(name) for name in grid.header} & {*_STRONG.split(), "path", "file"}:
        return False
    header = [name.strip() for name in grid.header]
    if any(map(files.lies_at, header)):
        return True
    table = _Cells(grid, header, [cells for _, cells in grid.rows])
    if _first_of_paths(table, range(len(header)), files.lies_at) is not None:
        return False
    return any(map(files.resolves, header))


def _path_column(table: _Cells, files: Locator, asked: str) -> int:
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
    table: _Cells, columns: Iterable[int], is_path: Callable[[str], bool]
) -> int | None:
    """Return the first column of which most cells are paths."""
    for column in columns:
        values = list(filter(None, table.column(column)))[:_SAMPLE]
        if 2 * sum(map(is_path, values)) > len(values):
            return column
    return None


def _label_columns(table: _Cells, taken: set[int]) -> tuple[int, ...]:
    strong = [n for n in table.named(_STRONG) if n not in taken]
    weak = [n for n in table.named(_WEAK) if n not in taken]
    for known in (strong, weak):
        if known:
            return (_agreed(table, known),)
    rest = [n for n in range(len(table.names)) if n not in taken]
    if hot := _one_hot(table, rest):
        return hot
    likely = [n for n in rest if _may_be_labels(table.column(n))]
    if len(likely) == 1:
        return (likely[0],)
    raise _missing(table, "label", "class, category, target", "label_column", likely or rest)


def _agreed(table: _Cells, columns: Sequence[int]) -> int:
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


def _one_hot(table: _Cells, columns: Sequence[int]) -> tuple[int, ...]:
    """Return the columns of 0 and 1, where there are two or more with a 1 in most rows."""
    hot = [n for n in columns if {_bit(value) for value in table.column(n)} == {0, 1}]
    empty = [n for n in columns if {_bit(value) for value in table.column(n)} == {0}]
    bits = [[_bit(value) or 0 for value in table.column(n)] for n in hot]
    sums = list(map(sum, zip(*bits, strict=True)))
    if len(hot) < 2 or 2 * sum(total > 0 for total in sums) < len(sums):
        return ()
    return tuple(sorted(hot + empty))


def _bit(value: str) -> int | None:
    return {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "": 0, "false": 0, "true": 1}.get(value.lower())


def is_hot(value: str) -> bool:
    """Return whether a cell of a column that is a class says that the row is of it."""
    return _bit(value.strip()) == 1


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", value))


def _may_be_labels(values: Sequence[str]) -> bool:
    different = set(values)
    if "" in different or any(re.fullmatch(r"-?\d*\.\d+", value) for value in different):
        return False
    return 2 <= len(different) <= len(values) / 2


def _missing(table: _Cells, word: str, known: str, knob: str, columns: Sequence[int]) -> DataError:
    ask = f" Name it with {option(knob)}: {table.shown(columns)}." if columns else ""
    return DataError(
        f"The table {str(table.file)!r} has no column {word!r} (or {known})."
        f" Its first line says: {', '.join(table.names)[:100]!r}.{ask}"
    )
