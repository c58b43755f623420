"""Lists of the images of each split, as well-known sets have them beside their photos."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from transfer.data.sources.clips import Clips
from transfer.data.sources.grids import read_grid
from transfer.data.sources.listlabels import labelled
from transfer.data.sources.locate import Locator
from transfer.data.sources.rows import Row, Table, check_inside
from transfer.errors import DataError
from transfer.images.layout.describe import Survey
from transfer.images.layout.plan import SPLITS, in_words
from transfer.images.layout.splitnames import split_of

_ENDS = (".txt", ".lst", ".list")
_SAMPLE = 20


def find_lists(survey: Survey, follow_links: bool = False) -> Table | None:
    """Return the images of the lists in a folder; None where there are none.

    A list is a text file that is named like a split, such as ``meta/train.txt``, and whose lines
    begin or end with the path of an image, with or without extension, or of a video whose frames
    are images in a folder of its name; or ``images.txt`` beside ``train_test_split.txt``, which
    number the images. Of lists that are numbered in every split (``train1.txt``, ``test1.txt``,
    ``train2.txt``...) the first of each counts. `labelled` says how classes are found: where they
    are not, all labels are ``""``.

    Args:
        survey: The folder.
        follow_links: Accept files outside it.

    Raises:
        DataError: There are several lists of one split, or a file is missing or outside.
    """
    files, clips = Locator(survey.root, survey=survey), Clips(survey)
    numbered = _numbered(survey, files, follow_links)
    if numbered is not None:
        return numbered
    found: dict[str, list[str]] = {}
    for path in survey.tables:
        split = split_of(PurePosixPath(path).stem) if path.lower().endswith(_ENDS) else None
        if split and _places(survey.root / path, files, clips) is not None:
            found.setdefault(split, []).append(path)
    lists = {split: _one(survey, split, paths, found) for split, paths in found.items()}
    if len(lists) < 2:
        return None
    rows: list[Row] = []
    for split in filter(lists.get, SPLITS):
        rows += _rows(survey.root / lists[split], split, files, clips)
    if not follow_links:
        for row in rows:
            check_inside(survey.root / lists[row.split], row, survey.root)
    most = max(map(len, found.values()))
    of = f", the first of {most}" if len(set(map(len, found.values()))) == 1 < most else ""
    return _table(labelled(survey.root, rows), f"lists {in_words(list(lists.values()))}{of}")


def _one(survey: Survey, split: str, paths: Sequence[str], found: Mapping[str, object]) -> str:
    """Return the one list of a split; trainval.txt counts only where there is no val.txt."""
    whole = [path for path in paths if re.search("train_?-?val", path, re.I)]
    if split == "train" and whole and len(paths) > len(whole):
        paths = [path for path in paths if path not in whole] if "val" in found else whole
    if len({re.sub(r"\d+", "", path) for path in paths}) == 1:  # train1.txt, train2.txt
        return min(paths, key=lambda path: [int(n) for n in re.findall(r"\d+", path)])
    raise DataError(
        f"{str(survey.root)!r} holds several lists of the {split} split: {in_words(paths, 6)}."
        " Move all but one of them out of it."
    )


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
            return _table(labelled(survey.root, rows), f"lists {path}, {beside}")
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


def _places(path: Path, files: Locator, clips: Clips) -> int | None:
    """Return where in its lines a list has the paths, 0 or -1; None where it has none."""
    try:
        sample = [words for _, words in _lines(path)[:_SAMPLE]]
    except DataError:
        return None
    for is_known in (files.lies_at, lambda word: files.resolves(word) or clips.frames(word)):
        for place in (0, -1):
            if 2 * sum(bool(is_known(words[place])) for words in sample) > len(sample):
                return place
    return None


def _rows(path: Path, split: str, files: Locator, clips: Clips) -> list[Row]:
    lines = _lines(path)
    place = _places(path, files, clips) or 0
    files.search(words[place] for _, words in lines)
    rows = []
    for line, words in lines:
        name, *others = words if place == 0 else reversed(words)
        file = files.find(name)
        images = [file] if file else [files.folder / frame for frame in clips.frames(name)]
        if not images:
            raise DataError(
                f"{str(path)!r}, line {line}: there is no image {name!r}, or more than one."
            )
        label = others[0] if others else ""
        rows += [Row(line, name, each, label, split) for each in images]
    return rows


def _table(rows: list[Row], words: str) -> Table:
    sizes = Counter(row.split for row in rows)
    first: dict[Path, Row] = {}
    for row in rows:
        other = first.setdefault(row.file, row)
        if other.split != row.split:
            raise DataError(f"The lists put {row.path!r} into {other.split} and into {row.split}.")
    shown = ", ".join(f"{split} {sizes[split]:,}" for split in SPLITS if sizes[split])
    return Table(list(first.values()), f"{words} ({shown})")
