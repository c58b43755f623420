"""Lists of the images of each split, as well-known sets have them beside their photos."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from transfer.data.sources.grids import read_grid
from transfer.data.sources.locate import Locator
from transfer.data.sources.tables import Row, Table, check_inside
from transfer.errors import DataError
from transfer.images.layout.describe import Survey
from transfer.images.layout.filenames import propose_regex
from transfer.images.layout.names import is_general
from transfer.images.layout.plan import SPLITS, in_words
from transfer.images.layout.splitnames import split_of
from transfer.system.names import nfc

_SAMPLE = 20


def find_lists(survey: Survey, follow_links: bool = False) -> Table | None:
    """Return the images of the lists in a folder; None where there are none.

    A list is a text file that is named like a split, such as ``meta/train.txt``, and whose lines
    begin with the path of an image, with or without extension; or ``images.txt`` beside
    ``train_test_split.txt``, which number the images. The class is the second word of a line where
    that is no number, else the image's folder, else what its name begins with, else the number.

    Args:
        survey: The folder.
        follow_links: Accept files outside it.

    Raises:
        DataError: There are several lists of one split, or a file is missing or outside.
    """
    files = Locator(survey.root, survey=survey)
    numbered = _numbered(survey, files, follow_links)
    if numbered is not None:
        return numbered
    found: dict[str, list[str]] = {}
    texts = [path for path in survey.tables if path.lower().endswith((".txt", ".lst", ".list"))]
    for path in texts:
        split = split_of(PurePosixPath(path).stem)
        if split and _lists_images(survey.root / path, files):
            found.setdefault(split, []).append(path)
    lists = {split: _one(survey, split, paths, found) for split, paths in found.items()}
    if len(lists) < 2:
        return None
    rows: list[Row] = []
    for split in filter(lists.get, SPLITS):
        for row in _rows(survey.root / lists[split], split, files):
            if not follow_links:
                check_inside(survey.root / lists[split], row, survey.root)
            rows.append(row)
    return _table(survey, _labelled(survey, rows), list(lists.values()))


def _one(survey: Survey, split: str, paths: Sequence[str], found: Mapping[str, object]) -> str:
    """Return the one list of a split; trainval.txt counts only where there is no val.txt."""
    whole = [path for path in paths if re.search("train_?-?val", path, re.I)]
    if split == "train" and whole and len(paths) > len(whole):
        paths = [path for path in paths if path not in whole] if "val" in found else whole
    if len(paths) > 1:
        raise DataError(
            f"{str(survey.root)!r} holds several lists of the {split} split: {in_words(paths, 6)}."
            " Move all but one of them out of it."
        )
    return paths[0]


def _numbered(survey: Survey, files: Locator, follow_links: bool) -> Table | None:
    """Return images that images.txt numbers and train_test_split.txt divides."""
    names = [path for path in survey.tables if PurePosixPath(path).name == "images.txt"]
    for path in names:
        beside = str(PurePosixPath(path).with_name("train_test_split.txt"))
        if beside in survey.tables:
            images = dict(_pairs(survey.root / path))
            trained = dict(_pairs(survey.root / beside))
            files.search(images.values())
            rows = []
            for line, (number, name) in enumerate(images.items(), 1):
                split = {"1": "train", "0": "test"}.get(trained.get(number, ""))
                file = files.find(name)
                if split is None or file is None:
                    why = "has no image" if file is None else f"is not divided by {beside}"
                    raise DataError(f"{str(survey.root / path)!r}, line {line}: {name!r} {why}.")
                rows.append(Row(line, name, file, "", split))
                if not follow_links:
                    check_inside(survey.root / path, rows[-1], survey.root)
            return _table(survey, _labelled(survey, rows), [path, beside])
    return None


def _pairs(path: Path) -> list[tuple[str, str]]:
    grid = read_grid(path)
    return [
        (cells[0], cells[1])
        for cells in (grid.header, *(c for _, c in grid.rows))
        if len(cells) > 1
    ]


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the lines of a list as (line, words)."""
    grid = read_grid(path)
    lines = [(1, grid.header), *grid.rows]
    return [(line, " ".join(cells).split()) for line, cells in lines if any(cells)]


def _lists_images(path: Path, files: Locator) -> bool:
    try:
        cells = [cells[0] for _, cells in _lines(path)[:_SAMPLE]]
    except DataError:
        return False
    return bool(cells) and 2 * sum(map(files.resolves, cells)) > len(cells)


def _rows(path: Path, split: str, files: Locator) -> list[Row]:
    lines = _lines(path)
    files.search(cells[0] for _, cells in lines)
    rows = []
    for line, cells in lines:
        file = files.find(cells[0])
        if file is None:
            raise DataError(
                f"{str(path)!r}, line {line}: there is no image {cells[0]!r}, or more than one."
            )
        rows.append(Row(line, cells[0], file, cells[1] if len(cells) > 1 else "", split))
    return rows


def _labelled(survey: Survey, rows: Sequence[Row]) -> list[Row]:
    """Return rows with the classes that their lists, folders or file names say."""
    if all(row.label and not row.label.lstrip("-").isdigit() for row in rows):
        return list(rows)
    folders = [row.file.parent.name for row in rows]
    if len(set(folders)) > 1 and not any(is_general(name) or split_of(name) for name in folders):
        return [row.of(nfc(name)) for row, name in zip(rows, folders, strict=True)]
    names = _from_names([row.file.name for row in rows])
    numbers = [row.label for row in rows]
    if names and (not all(numbers) or _alike(names, numbers)):
        return [row.of(nfc(name)) for row, name in zip(rows, names, strict=True)]
    if all(numbers):
        return list(rows)
    raise DataError(
        f"The lists in {str(survey.root)!r} name images without their classes, such as"
        f" {rows[0].path!r}. Expected a class after each path, or class folders."
    )


def _from_names(files: Sequence[str]) -> list[str]:
    pattern = propose_regex(files)
    if pattern is None:
        return []
    matches = [re.search(pattern, name) for name in files]
    return [match[1] for match in matches if match] if all(matches) else []


def _alike(names: Sequence[str], numbers: Sequence[str]) -> bool:
    """Return whether names and numbers divide images alike."""
    pairs = Counter(zip(names, numbers, strict=True))
    return len(pairs) == len(set(names)) == len(set(numbers))


def _table(survey: Survey, rows: list[Row], lists: Sequence[str]) -> Table:
    sizes = Counter(row.split for row in rows)
    first: dict[Path, Row] = {}
    for row in rows:
        other = first.setdefault(row.file, row)
        if other.split != row.split:
            raise DataError(f"The lists put {row.path!r} into {other.split} and into {row.split}.")
    words = ", ".join(f"{split} {sizes[split]:,}" for split in SPLITS if sizes[split])
    return Table(list(first.values()), f"lists {in_words(list(lists))} ({words})")
