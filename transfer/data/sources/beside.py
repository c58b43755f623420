"""What lies beside the photos of a folder and says their classes: lists, tables, annotations."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from transfer.data.sources.lists import find_lists
from transfer.data.sources.rows import Table
from transfer.data.sources.sidecars import find_sidecars
from transfer.data.sources.tablesets import find_tables
from transfer.data.sources.unclear import columns_in_doubt
from transfer.errors import DataError, option
from transfer.images.layout.decide import decide
from transfer.images.layout.describe import Survey
from transfer.images.layout.names import is_code, is_series
from transfer.images.layout.plan import Plan, in_words, sizes_in_words
from transfer.images.layout.question import Question
from transfer.recipe.reading import Reading


def find_beside(survey: Survey, reading: Reading) -> Table | None:
    """Return the images with the classes that something beside them says.

    None where the folders say the classes.

    Raises:
        DataError: Folders and tables contradict each other, or the only table cannot be used.
    """
    asked = {reading.path_column, reading.label_column, reading.split_column} != {"auto"}
    if asked or reading.multi_label:
        return find_tables(survey, reading)
    lists = find_lists(survey, reading.follow_links)
    if lists is not None and all(row.label for row in lists.rows):
        return lists
    try:
        plan = decide(survey, reading)
    except Question:
        tables = _tables_if_sound(survey, reading)
    except DataError:
        tables = find_sidecars(survey) or find_tables(survey, reading)
    else:
        if len(plan.classes) > 1:
            tables = _beside_classes(survey, plan, reading)
        else:
            tables = find_sidecars(survey) or find_tables(survey, reading)
    return tables if tables is None or lists is None else _divided(survey, tables, lists)


def _tables_if_sound(survey: Survey, reading: Reading) -> Table | None:
    try:
        return find_tables(survey, reading)
    except DataError:
        return None


def _divided(survey: Survey, tables: Table, lists: Table) -> Table:
    """Return the images of tables in the splits of lists that say no classes."""
    splits = {row.file: row.split for row in lists.rows}
    if any(row.split for row in tables.rows) or not splits.keys() & {r.file for r in tables.rows}:
        return tables
    rows = [row.at(splits[row.file]) for row in tables.rows if row.file in splits]
    return Table(rows, f"{tables.read_as}; {lists.read_as}", tables.columns, tables.multi_label)


def _beside_classes(survey: Survey, plan: Plan, reading: Reading) -> Table | None:
    """Return the tables beside class folders if they add splits or names; None if nothing.

    Raises:
        DataError: They divide the images into other classes than the folders do, or may do so.
    """
    folders = {survey.root / path: name for path, name, _ in plan.rows}
    try:
        tables = find_tables(survey, reading)
    except DataError:
        tables = None
    if tables is None:
        _refuse_doubt(survey, plan, folders)
        return None
    pairs = {(folders[row.file], row.label) for row in tables.rows if row.file in folders}
    shared = sum(row.file in folders for row in tables.rows)
    if 2 * shared < len(folders):
        return None
    names, labels = ({pair[n] for pair in pairs} for n in (0, 1))
    if len(labels) > 1 and not len(pairs) == len(labels) == len(names):
        counts = Counter(row.label for row in tables.rows)
        raise DataError(
            f"How is {str(survey.root)!r} to be read? Its folders and its {tables.read_as} differ"
            f" in the classes. Say which: as classes {plan.counted()}:"
            f" {option('layout', 'classes')}; or as"
            f" {sizes_in_words(dict(sorted(counts.items())))}: give the table as DATA."
        )
    divided = any(row.split for row in tables.rows) and not any(split for *_, split in plan.rows)
    named = len(labels) > 1 and is_series(names) and not is_code(sorted(names | labels))
    named = named and not is_series(labels) and not any(split for *_, split in plan.rows)
    return tables if divided or named else None


def _refuse_doubt(survey: Survey, plan: Plan, folders: dict[Path, str]) -> None:
    """Raise DataError where a table lists the images, and columns of it may be their class."""
    for path, columns in columns_in_doubt(survey, folders):
        shown = ", ".join(option("label_column", name) for name in columns[:4])
        raise DataError(
            f"How is {str(survey.root)!r} to be read? The table {path} lists its images too, and"
            f" its columns {in_words(columns, 4)} divide them in another way than the folders do."
            f" Say which: as classes {plan.counted()}: {option('layout', 'classes')}; or by a"
            f" column of the table: {shown}."
        )
