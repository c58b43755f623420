"""Decides which columns of a table hold paths, classes and splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from transfer.data.sources.columncells import Cells, key
from transfer.data.sources.grids import Grid
from transfer.data.sources.labelcolumns import STRONG, columns_of_sets, label_columns
from transfer.data.sources.locate import Locator
from transfer.data.sources.splitcolumns import Sides, find_sides
from transfer.errors import DataError
from transfer.recipe.reading import Reading

_PATHS = "path file filename filenames filepath filepaths image images img imagepath imgpath"
_PATHS += " imagefile imgfile imagename imgname imageid imgid id idcode photo photopath photoid"
_PATHS += " picture name fname isicid fileid imageindex relpath key uid imagefilename src"
_TAGS = {"tag", "tags", "keyword", "keywords"}
_FOLDERS = "relativepath folder subfolder dir directory foldername imagefolder subdir"
_SAMPLE = 20
_MOST_PIXELS = 16  # columns that may be called pixel


@dataclass(frozen=True)
class Columns:
    """Which columns are what, by their index from 0.

    Attributes:
        path: Column of the paths.
        folder: Column of the folders that `path` is relative to; None without.
        labels: Column of the classes; several where each is a class, with 1 in the rows of it, or
            where an image may have several classes.
        names: Names of the columns; their numbers from 1 where the table has none.
        headless: Whether the first line is a row.
        hot: Whether each column of `labels` is a class of its own.
        sides: The splits; None without.
    """

    path: int
    folder: int | None
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

    def path_of(self, cells: Sequence[str]) -> str:
        """Return the path in a row that is wide enough."""
        return path_in(cells, self.folder, self.path)

    def in_words(self) -> str:
        """Return what is taken for what."""
        if self.hot:
            label = f"class from the 1 in {len(self.labels)} columns"
        else:
            label = f"class from {' and '.join(map(self._named, self.labels))}"
        path = [self.path] if self.folder is None else [self.folder, self.path]
        words = [f"path from {' and '.join(map(self._named, path))}", label]
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
    table, lines = cells_of(grid, files)
    folder, path = find_paths(table, files, reading.path_column)
    label = table.asked("label_column", reading.label_column)
    taken = {n for n in (path, folder, label) if n is not None}
    sides = None
    if reading.split_column != "none":
        split = table.asked("split_column", reading.split_column)
        sides = find_sides(grid.file, table.names, table.column, taken, split, lines)
    if sides is not None:
        taken |= set(sides.columns)
    labels: tuple[int, ...]
    if label is not None:
        labels, hot = (label,), False
    else:
        find = columns_of_sets if reading.multi_label else label_columns
        labels, hot = find(table, taken)
    return Columns(path, folder, labels, table.names, table.headless, hot, sides, table.notes)


def cells_of(grid: Grid, files: Locator) -> tuple[Cells, list[int]]:
    """Return the cells of a table by column, and the line of each row.

    Raises:
        DataError: The cells are the pixels of the images.
    """
    headless = _is_headless(grid, files)
    names = [str(n + 1) for n in range(len(grid.header))] if headless else _stripped(grid.header)
    if (pixels := [name for name in names if key(name).startswith("pixel")]) and (
        key(pixels[0]) == "pixels" or len(pixels) > _MOST_PIXELS
    ):
        raise DataError(
            f"{str(grid.file)!r} holds the pixels of its images ({pixels[0]!r}), not their paths."
            " Save each row as an image in the folder of its class (NumPy, and"
            " Pillow's Image.fromarray), and give that folder."
        )
    rows = grid.rows + ([(1, grid.header)] if headless else [])
    return Cells(grid, names, [cells for _, cells in rows], headless), [line for line, _ in rows]


def _stripped(names: Sequence[str]) -> list[str]:
    return [name.strip() for name in names]


def _is_headless(grid: Grid, files: Locator) -> bool:
    if grid.named or {key(name) for name in grid.header} & {*STRONG.split(), "path", "file"}:
        return False
    header = [name.strip() for name in grid.header]
    if any(map(files.lies_at, header)):
        return True
    table = Cells(grid, header, [cells for _, cells in grid.rows], headless=False)
    if _first_of_paths(table, range(len(header)), files.lies_at) is not None:
        return False
    return any(map(files.resolves, header))


def find_paths(table: Cells, files: Locator, asked: str = "auto") -> tuple[int | None, int]:
    """Return the columns of the folders, which may be none, and of the paths.

    Raises DataError where no column holds paths.
    """
    path = _path_column(table, files, asked)
    for folder in table.named(_FOLDERS):
        if folder != path:
            sample = [path_in(row, folder, path) for row in table.rows[:_SAMPLE]]
            if 2 * sum(map(files.lies_at, sample)) > len(sample):
                return folder, path
    return None, path


def path_in(cells: Sequence[str], folder: int | None, path: int) -> str:
    """Return the path in a row; ``""`` where the row is too short."""
    if folder is None or max(folder, path) >= len(cells):
        return cells[path].strip() if path < len(cells) else ""
    return f"{cells[folder].strip()}/{cells[path].strip()}".lstrip("/")


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
    raise table.missing("path", "file, filename, image", "path_column", others)


def _first_of_paths(
    table: Cells, columns: Iterable[int], is_path: Callable[[str], bool]
) -> int | None:
    """Return the first column of which most cells are paths."""
    for column in columns:
        values = list(filter(None, table.column(column)))[:_SAMPLE]
        if 2 * sum(map(is_path, values)) > len(values):
            return column
    return None
