"""Tables beside class folders whose columns may say other classes than the folders do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from transfer.data.sources.columncells import Cells
from transfer.data.sources.columns import cells_of, find_paths, path_in
from transfer.data.sources.grids import read_grid
from transfer.data.sources.labelcolumns import may_be_labels, numbered
from transfer.data.sources.tables import locator
from transfer.data.sources.tablesets import sure_tables
from transfer.errors import DataError
from transfer.images.layout.describe import Survey


def columns_in_doubt(
    survey: Survey, classes: Mapping[Path, str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield each table that lists most images, with the columns that may be other classes.

    A table of which some column divides the images as the folders do raises no doubt.

    Args:
        survey: The folder.
        classes: Class by the folders of each image.
    """
    for path in sure_tables(survey):
        try:
            table, names = _classes_of_rows(survey, survey.root / path, classes)
        except DataError:
            continue
        known = [row for row, name in enumerate(names) if name]
        if 2 * len(known) < len(classes):
            continue
        folders = numbered([names[row] for row in known])
        columns = {n: table.column(n) for n in range(len(table.names))}
        found = {n: [cells[row] for row in known] for n, cells in columns.items()}
        likely = {n: cells for n, cells in found.items() if may_be_labels(cells)}
        if likely and not any(numbered(cells) == folders for cells in likely.values()):
            yield path, [table.names[n] for n in likely]


def _classes_of_rows(
    survey: Survey, file: Path, classes: Mapping[Path, str]
) -> tuple[Cells, list[str]]:
    """Return the cells of a table, and the class by the folders of each row; ``""`` for none."""
    files = locator(file, survey)
    table, _ = cells_of(read_grid(file), files)
    folder, column = find_paths(table, files)
    paths = [path_in(row, folder, column) for row in table.rows]
    files.search(paths)
    found = [files.find(path) for path in paths]
    return table, [classes.get(each, "") if each else "" for each in found]
