"""Sources that are files: tables, archives, shards and Parquet, alone or in a folder.

A folder of class folders is no such source and is read where it lies. Where a folder does not read
as one, what says the classes is looked for in it: lists of a split each, tables, several archives.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from transfer.data.sources import archives, parquet, shards
from transfer.data.sources.apart import without_negatives
from transfer.data.sources.beside import find_beside
from transfer.data.sources.bytefiles import write_labelled
from transfer.data.sources.fetching import digest_of, stamp, unpack
from transfer.data.sources.rows import Table, copy_table
from transfer.data.sources.source import Options, Source
from transfer.data.sources.tables import read_table
from transfer.data.sources.unlisted import unlisted
from transfer.errors import DataError
from transfer.images.formats import trusted
from transfer.images.junk import is_junk
from transfer.images.layout.describe import PACKED_ENDS, Survey, describe, is_table_name
from transfer.images.layout.negatives import without_folder
from transfer.images.layout.plan import in_words
from transfer.images.layout.splitnames import split_of
from transfer.recipe.reading import MULTI_LABEL, Reading
from transfer.system.progress import say

_DEPTH = 6  # levels at which tables are looked for


def from_folder(text: str, path: Path, options: Options) -> Source | None:
    """Return the source that a folder holds; None where it is read as a folder of class folders.

    Raises:
        DataError: Its tables contradict each other, or the only one cannot be used.
    """
    reading = options.reading
    if reading.asks_for_folders or not _may_hold_a_source(path):
        return None
    survey = without_folder(describe(path, reading.follow_links), reading.negatives)
    if not survey.top.total:
        return _packed(text, survey, options)
    table = find_beside(survey, reading)
    return None if table is None else _of_table(text, path.name, table, reading, survey)


def _may_hold_a_source(path: Path, level: int = 0, whole: bool = True) -> bool:
    """Return whether a folder, or one in it, holds a table or an archive.

    Class folders are not listed to their end: of the folders inside, only those that are alone or
    named like splits may hold photos and a table.
    """
    folders: list[Path] = []
    try:
        with os.scandir(path) as found:
            for each in found:
                if is_junk(each.name):
                    continue
                if each.is_dir():
                    folders.append(Path(each.path))
                elif is_table_name(each.name) or each.name.lower().endswith(PACKED_ENDS):
                    return True
                elif not whole and trusted(Path(each.name).suffix.lower()):
                    return False
    except OSError:
        return False  # which the index says better
    return level < _DEPTH and any(
        _may_hold_a_source(each, level + 1, len(folders) == 1 or split_of(each.name) is not None)
        for each in folders
    )


def _packed(text: str, survey: Survey, options: Options) -> Source | None:
    """Return the source in a folder without images: Parquet files, shards or archives."""
    columns = [survey.root / path for path in survey.tables if path.lower().endswith(".parquet")]
    packed = [survey.root / path for path in survey.packed]
    if columns and not packed:
        return from_parquet(text, columns, options)
    if not packed or columns:
        return None
    if all(map(shards.is_shard, packed)):
        return from_shards(text, packed, options)
    if len(packed) == 1:
        return from_archive(text, packed[0], options)
    return _from_archives(text, survey.root.name, packed, options)


def from_table(text: str, file: Path, options: Options) -> Source:
    """Return the source that a table is. Raises DataError where it cannot be used."""
    asked = options.reading.label_column
    if file.suffix.lower() == ".parquet" and parquet.image_columns(file, asked):
        return from_parquet(text, [file], options)
    return _of_table(text, file.stem, read_table(file, options.reading), options.reading)


def _of_table(
    text: str, name: str, table: Table, reading: Reading, survey: Survey | None = None
) -> Source:
    table = without_negatives(table, reading.negatives)
    images = [[row.label, row.split, *stamp(row.file)] for row in table.rows]
    return Source(
        text,
        name,
        about={"table": _digest(images), **about_task(table.multi_label)},
        fill=lambda at: copy_table(table, at),
        layout=table.layout,
        read_as="; ".join(filter(None, (table.read_as, unlisted(table, survey)))),
    )


def from_parquet(text: str, files: Sequence[Path], options: Options) -> Source:
    """Return the source that Parquet files with images are. Raises DataError for others."""
    reading = options.reading
    asked = reading.label_column
    found = [parquet.image_columns(file, asked) for file in files]
    first = next(filter(None, found), None)
    if first is None:
        if len(files) == 1:
            return _of_table(text, files[0].stem, read_table(files[0], reading), reading)
        raise DataError(f"The Parquet files in {text!r} hold no column of images.")
    words = f"{_shown(files)} (images from {first.image!r}, class from {first.label!r})"
    return Source(
        text,
        files[0].parent.name if len(files) > 1 else files[0].stem,
        about={"parquet": _digest([*map(stamp, files), asked])},
        fill=lambda at: write_labelled(parquet.images_of(files, asked), at),
        layout=_layout_of(files),
        read_as=f"Parquet {words}",
    )


def from_shards(text: str, files: Sequence[Path], options: Options) -> Source:
    """Return the source that WebDataset shards are. Raises DataError where one is missing."""
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise DataError(f"{len(missing)} shard(s) of {text!r} are missing: {str(missing[0])!r}.")
    return Source(
        text,
        files[0].absolute().parent.name if len(files) > 1 else archives.stem(files[0].name),
        about={"shards": _digest([stamp(file.absolute()) for file in files])},
        fill=lambda at: write_labelled(shards.images_of(files, options.limits), at),
        layout=_layout_of(files),
        read_as=f"WebDataset {_shown(files)}",
    )


def from_archive(text: str, path: Path, options: Options) -> Source:
    """Return the source that an archive is. Raises DataError where it cannot be read here."""
    archives.refuse_foreign(path)
    actual = digest_of(path, remembered=options.sha256 is None)
    if options.sha256 not in (None, actual):
        raise DataError(f"The sha256 of {text!r} is {actual} instead of {options.sha256}.")

    def fill(target: Path) -> None:
        unpack(path, target, options.limits)
        arrange(text, target, options)

    return Source(
        text,
        archives.stem(path.name),
        about={"archive": actual, **about_tables(options.reading)},
        fill=fill,
    )


def about_tables(reading: Reading) -> dict[str, object]:
    """Return what the images of an unpacked archive depend on beside its bytes."""
    asked = [reading.path_column, reading.label_column, reading.split_column]
    asked += ["folders"] * reading.asks_for_folders
    tables: dict[str, object] = {} if asked == ["auto"] * 3 else {"tables": asked}
    return tables | about_task(reading.multi_label)


def about_task(multi_label: bool) -> dict[str, object]:
    """Return what a prepared folder depends on where an image may have several labels."""
    return {"task": MULTI_LABEL} if multi_label else {}


def arrange(text: str, folder: Path, options: Options) -> None:
    """Arrange an unpacked archive by the tables or lists in it, if its folders say no classes."""
    try:
        source = from_folder(text, folder, options)
        if source is None:
            return
        say(f"{text} holds a {source.read_as}.")
        arranged = folder / ".arranged"
        arranged.mkdir()
        source.fill(arranged)
    except DataError as error:
        raise DataError(str(error).replace(str(folder), text)) from error
    for each in folder.iterdir():
        if each.is_dir() and each != arranged:
            shutil.rmtree(each)
        elif each != arranged:
            each.unlink()
    for each in arranged.iterdir():
        each.rename(folder / each.name)
    arranged.rmdir()


def _from_archives(text: str, name: str, files: Sequence[Path], options: Options) -> Source:
    """Return the source that several archives are, each a folder: a class, or a split."""
    for file in files:
        archives.refuse_foreign(file)
    folders = dict(zip(files, _without_common([archives.stem(f.name) for f in files]), strict=True))
    digests = [[folders[file], digest_of(file, remembered=True)] for file in files]

    def fill(target: Path) -> None:
        for file, folder in folders.items():
            (target / folder).mkdir()
            unpack(file, target / folder, options.limits)

    shown = in_words([f"{file.name} as {folder}" for file, folder in folders.items()])
    return Source(
        text,
        name,
        about={"archives": _digest(digests)},
        fill=fill,
        read_as=f"{len(files)} archives, {shown}",
    )


def _without_common(stems: Sequence[str]) -> list[str]:
    """Return names without the words that all begin or end with: a-samples, b-samples are a, b."""
    split = [stem.replace("_", "-").replace(" ", "-").split("-") for stem in stems]
    shortest = min(map(len, split))
    start = next((n for n in range(shortest) if len({each[n] for each in split}) > 1), 0)
    end = next((n for n in range(shortest) if len({each[-1 - n] for each in split}) > 1), 0)
    if any(len(each) <= start + end for each in split):
        return list(stems)
    short = []
    for stem, parts in zip(stems, split, strict=True):
        before = sum(len(part) + 1 for part in parts[:start])
        after = sum(len(part) + 1 for part in parts[len(parts) - end :])
        short.append(stem[before : len(stem) - after])
    return short if len(set(short)) == len(short) else list(stems)


def _layout_of(files: Sequence[Path]) -> str:
    """Return the layout of the folder that is written from files of which some may be splits."""
    found = {split_of(file.stem) or split_of(file.parent.name) for file in files}
    return "splits" if len(found) > 1 else "classes"


def _shown(files: Sequence[Path]) -> str:
    return in_words([file.name for file in files], 3)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
