"""Groups of images that belong together and that no split may divide."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from transfer.data.copies import sources_of
from transfer.errors import DataError, UsageError, option
from transfer.images.folder import ImageFolder
from transfer.images.layout.filenames import file_of_page
from transfer.system.csv import read_rows
from transfer.system.digests import sha256_or_none
from transfer.system.names import nfc
from transfer.system.progress import say

# What images share: a name, their bytes, the key of near duplicates, or the file of pages.
Token = tuple[int, str]
_NAME, _BYTES, _NEAR, _FILE = range(4)
_WORDS = ("none", "source", "folder")
_TABLE = re.compile(r"(?P<file>.+\.[ct]sv):(?P<column>.+)", re.IGNORECASE | re.DOTALL)


def group_images(
    folder: ImageFolder, sha256: Mapping[str, str], near: Mapping[str, str], group_by: str = "none"
) -> dict[str, str]:
    """Return the key of each image's group: near duplicates, named groups, and pages of one file.

    The key of a group is its least member: a name where `group_by` gives it one, else the smallest
    digest. So the key does not depend on how near duplicates are found, and an image that joins a
    named group does not change it; one that joins other near duplicates changes it only where its
    digest is the smallest.

    Args:
        folder: The images.
        sha256: Digest of each image's file, by its path.
        near: Key of each image's group of near duplicates, by path.
        group_by: ``"none"``; ``"source"``, the photo that an image was made from by its name (see
            `sources_of`); ``"folder"``, the folder inside its class folder, such as a patient; a
            regular expression that is searched in each path, whose first group (or whole match) is
            the group's name; or ``"FILE.csv:COLUMN"``, a file with the columns path and COLUMN.
            Paths are relative to the folder of images, or to the file; in that case its images are
            matched by their bytes.

    Returns:
        Path to key, for each image.

    Raises:
        UsageError: `group_by` is not a regular expression.
        DataError: The file cannot be read, or nothing in `folder` has a group.
    """
    names = _names(folder, sha256, group_by)
    files = {path: file for path in folder.paths if (file := file_of_page(path))}
    if files:
        number = len(set(files.values()))
        say(f"{len(files):,} images are pages of {number:,} files; those of one stay together.")
    tokens: list[list[Token]] = []
    for path in folder.paths:
        named = sorted((_NAME, name) for name in names.get(path, ()))
        page = [(_FILE, files[path])] if path in files else []
        tokens.append([*named, (_BYTES, sha256[path]), (_NEAR, near[path]), *page])
    least = _unite(tokens)
    return {path: least[first][1] for path, (first, *_) in zip(folder.paths, tokens, strict=True)}


def number_groups(groups: Mapping[str, str], paths: Sequence[str]) -> np.ndarray:
    """Return the number of each image's group, int64 (n,), for the keys of `group_images`."""
    return np.unique([groups[path] for path in paths], return_inverse=True)[1]


def check_group_by(group_by: str) -> None:
    """Raise UsageError where `group_by` is neither a table's column nor a regular expression."""
    if group_by not in _WORDS and not _TABLE.fullmatch(group_by):
        _pattern(group_by)


def _pattern(group_by: str) -> re.Pattern[str]:
    try:
        return re.compile(group_by)
    except re.error as error:
        raise UsageError(
            f"Expected {option('group_by')} as source, folder, a regular expression or"
            " FILE.csv:COLUMN."
            f" Received: {group_by!r} ({error})."
        ) from error


def _names(folder: ImageFolder, sha256: Mapping[str, str], group_by: str) -> Mapping[str, set[str]]:
    """Return the names of each image's groups, for the images that have any."""
    if group_by == "none":
        return {}
    table = _TABLE.fullmatch(group_by)
    if table:
        file = Path(table["file"]).expanduser()
        names = _names_in_table(folder, sha256, file, table["column"])
    elif group_by == "source":
        names = {path: {name} for path, name in sources_of(folder).items()}
    elif group_by == "folder":
        names = {path: {_inner_folder(folder, path)} for path in folder.paths}
    else:
        pattern = _pattern(group_by)
        matches = ((path, pattern.search(path)) for path in folder.paths)
        names = {path: {match[bool(pattern.groups)]} for path, match in matches if match}
    names = {path: each - {"", None} for path, each in names.items() if each - {"", None}}
    if not names:
        raise DataError(
            f"{option('group_by', group_by)} gives none of the {len(folder)} images a group."
            f" Paths are relative to the folder, such as {folder.paths[0]!r}."
        )
    alone = len(folder) - len(names)
    say(
        f"Grouped {len(names):,} images into {len(set().union(*names.values())):,} by '{group_by}'"
        + (f"; {alone:,} without a name, each its own group." if alone else ".")
    )
    return names


def _inner_folder(folder: ImageFolder, path: str) -> str:
    """Return the name of the folder just inside an image's class folder; ``""`` for none."""
    within, inner = path.rpartition("/")[0], ""
    while within and within not in folder.class_folders:
        within, _, inner = within.rpartition("/")
    return inner if within else ""


def _names_in_table(
    folder: ImageFolder, sha256: Mapping[str, str], table: Path, column: str
) -> dict[str, set[str]]:
    paths = {nfc(path): path for path in folder.paths}
    copies: dict[str, list[str]] = defaultdict(list)
    for path in folder.paths:
        copies[sha256[path]].append(path)
    names: dict[str, set[str]] = defaultdict(set)
    unmatched = 0
    for _, row in read_rows(table, ("path", column)):
        path = nfc(row["path"])
        if path not in paths:
            path = path.replace("\\", "/").removeprefix("./")
        known = (
            [paths[path]]
            if path in paths
            else copies.get(sha256_or_none(table.parent / path) or "", [])
        )
        unmatched += not known
        for each in known:
            names[each].add(row[column])
    if unmatched:
        say(f"{unmatched:,} rows of {str(table)!r} do not match a usable image.")
    return names


def _unite(links: Iterable[list[Token]]) -> dict[Token, Token]:
    """Return the least token of each token's component, tokens of one list being linked."""
    parent: dict[Token, Token] = {}

    def root(token: Token) -> Token:
        while parent.setdefault(token, token) != token:
            parent[token] = token = parent[parent[token]]
        return token

    for first, *others in links:
        for other in others:
            least, more = sorted((root(first), root(other)))
            parent[more] = least
    return {token: root(token) for token in list(parent)}
