"""Finds the tables in a folder that say the classes of its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from transfer.data.sources.grids import Unlike
from transfer.data.sources.rows import Table
from transfer.data.sources.tables import read_table
from transfer.errors import DataError
from transfer.images.layout.describe import Survey
from transfer.images.layout.plan import in_words
from transfer.images.layout.splitnames import split_of
from transfer.recipe.reading import Reading

_DEPTH = 2  # folders in which tables are looked for
_MOST = 20  # tables of one depth; where there are more, there is one beside each image
_FIRST = (".csv", ".tsv", ".jsonl", ".xlsx", ".parquet")  # what is surely meant as a table


def find_tables(survey: Survey, reading: Reading) -> Table | None:
    """Return the images of the table in a folder, or of its tables, one for each split.

    None where there is none.

    Raises:
        DataError: Several tables contradict each other, or the only one cannot be used.
    """
    found: dict[str, Table] = {}
    errors: dict[str, DataError] = {}
    for path in _to_try(survey):
        try:
            found[path] = read_table(survey.root / path, reading, survey=survey)
        except Unlike:
            continue
        except DataError as error:
            errors[path] = error
    if not found:
        surely = [path for path in errors if not path.lower().endswith(".txt")]
        if len(surely) == 1:
            raise errors[surely[0]]
        if surely:
            raise DataError(
                f"{str(survey.root)!r} holds {len(surely)} tables ({in_words(surely, 4)}), and none"
                f" can be used. Of the first: {errors[surely[0]]}"
            )
        return None
    surely = list(filter(_is_surely, found))
    chosen = {path: found[path] for path in surely or found}
    return next(iter(chosen.values())) if len(chosen) == 1 else _joined(survey, chosen)


def sure_tables(survey: Survey) -> list[str]:
    """Return the paths of the files in a folder that are tables by their names."""
    return list(filter(_is_surely, _to_try(survey)))


def _to_try(survey: Survey) -> list[str]:
    """Return the tables that may be meant, without the boxes or captions of each image."""
    kinds = {path: (path.count("/"), _is_surely(path)) for path in survey.tables}
    sizes = Counter(kinds.values())
    return [path for path, kind in kinds.items() if kind[0] <= _DEPTH and sizes[kind] <= _MOST]


def _is_surely(path: str) -> bool:
    return path.lower().endswith(_FIRST)


def _joined(survey: Survey, tables: Mapping[str, Table]) -> Table:
    """Return several tables as one: one for each split, or all of them the same."""
    contents = {path: {(row.file, row.label, row.split) for row in table.rows}
                for path, table in tables.items()}  # fmt: skip
    first = next(iter(tables))
    if all(content == contents[first] for content in contents.values()):
        return tables[first]
    splits = {path: _split(path) for path in tables}
    if "" in splits.values() or len(set(splits.values())) < len(splits):
        raise DataError(
            f"{str(survey.root)!r} holds several tables of images: {in_words(list(tables), 6)}."
            " Give one of them as DATA, or keep one for each of train, val and test."
        )
    return join_splits(survey.root, {splits[path]: table for path, table in tables.items()})


def join_splits(root: Path, tables: Mapping[str, Table]) -> Table:
    """Return tables of a split each as one. Raises DataError where two list the same image."""
    rows = []
    first: dict[Path, str] = {}
    for split, table in tables.items():
        for row in table.rows:
            other = first.setdefault(row.file, split)
            if other != split:
                raise DataError(
                    f"The tables in {str(root)!r} put {row.path!r} into {other} and into {split}."
                )
            rows.append(row.at(split))
    columns = "; ".join(dict.fromkeys(table.columns for table in tables.values()))
    return Table(rows, f"tables of {', '.join(tables)} ({columns})", columns)


def _split(path: str) -> str:
    parts = PurePosixPath(path)
    return split_of(parts.stem) or next(filter(None, map(split_of, reversed(parts.parts[:-1]))), "")
