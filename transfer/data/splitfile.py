"""Split files of the user's, matched with images by their bytes, then by their path."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transfer.errors import DataError, did_you_mean
from transfer.images.folder import SPLITS, ImageFolder
from transfer.system.csv import read_rows
from transfer.system.digests import is_sha256
from transfer.system.names import nfc
from transfer.system.progress import say, warn


@dataclass(frozen=True)
class Side:
    """One row of a split file: an image by its path and digest ("" for not known)."""

    path: str
    sha256: str
    split: str


def read_sides(path: str | os.PathLike[str]) -> list[Side]:
    """Read a split file that the user names, for `match_sides`.

    Args:
        path: A CSV file with the columns path and split, and sha256 where it is known; or a run.

    Raises:
        DataError: It cannot be read, is empty, or has an invalid value; the line is named.
    """
    file = Path(path).expanduser()
    file = file / "split.csv" if file.is_dir() else file
    sides: list[Side] = []
    lines: dict[str, tuple[int, str]] = {}
    for line, row in read_rows(file, ("path", "split")):
        side = Side(row["path"], row.get("sha256", ""), row["split"])
        where = f"Line {line} of {str(file)!r}"
        if side.split not in SPLITS:
            raise DataError(
                f"{where} has an unknown split {side.split!r}.{did_you_mean(side.split, SPLITS)}"
                " Expected train, val or test."
            )
        if side.sha256 and not is_sha256(side.sha256):
            raise DataError(f"{where} has no SHA-256 in lower-case hex: {side.sha256!r}.")
        for word in filter(None, (side.path, side.sha256)):
            first, split = lines.setdefault(word, (line, side.split))
            if split != side.split:
                raise DataError(
                    f"{where} puts {word!r} into {side.split}, and line {first} into {split}."
                )
        sides.append(side)
    if not sides:
        raise DataError(f"{str(file)!r} holds no row. Expected the columns path and split.")
    return sides


def match_sides(
    sides: Sequence[Side], folder: ImageFolder, sha256: Mapping[str, str]
) -> dict[str, str]:
    """Return the split of each image that a split file lists, by the image's path.

    Images are matched by their bytes, even if moved or renamed; those with other bytes by their
    path, in whichever Unicode form. Missing and moved images are counted and reported.

    Args:
        sides: What `read_sides` returned.
        folder: The images.
        sha256: Digest of each image's file, by its path.

    Raises:
        DataError: The file lists none of the images.
    """
    own = {nfc(path): path for path in folder.paths}
    sides = [replace(side, path=own.get(nfc(side.path), side.path)) for side in sides]
    known = {
        side.path: side.split
        for side in sides
        if side.sha256 and sha256.get(side.path) == side.sha256
    }
    rest = [side for side in sides if side.path not in known]
    digests = {side.sha256: side.split for side in rest if side.sha256}
    moved = {
        path: digests[sha256[path]]
        for path in folder.paths
        if path not in known and sha256[path] in digests
    }
    places = {side.path: side.split for side in rest}
    changed = {
        path: places[path]
        for path in folder.paths
        if path not in known and path not in moved and path in places
    }
    if moved:
        say(f"{len(moved):,} image(s) were moved or renamed; they are matched by their bytes.")
    found = {sha256[path] for path in moved}
    missing = sum(side.sha256 not in found and side.path not in changed for side in rest)
    if missing:
        warn(f"{missing:,} of the {len(sides):,} images of the split file are missing.")
    known |= moved | changed
    if not known:
        raise DataError(
            f"The split file lists none of the {len(folder):,} images in {str(folder.root)!r}."
            f" It lists paths such as {sides[0].path!r}."
        )
    new = len(folder) - len(known)
    if new:
        say(f"{new:,} image(s) are not in the split file and are assigned a split.")
    return known
