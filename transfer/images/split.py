"""Decides which images are held out: stratified, seeded, and never a copy on both sides."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from transfer.errors import DataError, RunError
from transfer.images.folder import SPLITS, ImageFolder
from transfer.progress import warn
from transfer.run import read_csv, write_csv


def assign_splits(
    folder: ImageFolder, sha256: Mapping[str, str], *, val: float, seed: int
) -> ImageFolder:
    """Give every image a split; hold out a part of the training images where no val/ stands.

    The choice depends on the seed and the bytes of the images alone: not on names, places or
    the order of listing. Of each class about ``val`` is held out, at least one image, and at
    least one stays. Files with the same bytes stay together. Copies of given val or test images
    are left out of train, and copies of test images out of val.

    Args:
        folder: The images; their given splits are kept.
        sha256: Digest of each image's file, by its path.
        val: Share of each class to hold out, between 0 and 1.
        seed: Another seed gives another choice.

    Returns:
        The folder with every split decided.

    Raises:
        DataError: There are no training images, or a class has too few different images to hold
            one out.
    """
    folder = folder.with_splits([split or "train" for split in folder.splits])
    folder = _drop_copies(folder, sha256, "train", ("val", "test"))
    folder = _drop_copies(folder, sha256, "val", ("test",))
    if "train" not in folder.splits:
        found = ", ".join(f"{split}/" for split in SPLITS if split in folder.splits)
        raise DataError(
            f"No images to train on in {str(folder.root)!r}: expected a train/ folder with images."
            f" Received: {found or 'none'} alone."
        )
    if "val" not in folder.splits:
        held = _choose(folder.select("train"), sha256, val, seed)
        folder = folder.with_splits(
            [
                "val" if split == "train" and sha256[path] in held else split
                for path, split in zip(folder.paths, folder.splits, strict=True)
            ]
        )
    _check_disjoint(folder, sha256)
    return folder


def write_split(folder: ImageFolder, path: str | os.PathLike[str]) -> None:
    """Write split.csv (path,label,split), atomically; label is the class name."""
    rows = zip(folder.paths, folder.labels, folder.splits, strict=True)
    write_csv(
        Path(path),
        ["path", "label", "split"],
        ([name, folder.classes[label], split] for name, label, split in rows),
    )


def read_split(
    path: str | os.PathLike[str], root: str | os.PathLike[str], classes: Sequence[str]
) -> ImageFolder:
    """Read what `write_split` wrote.

    Args:
        path: The file.
        root: Folder that its paths are relative to.
        classes: Class names in the order of the model's outputs.

    Raises:
        RunError: The file is missing or damaged, or names other classes.
    """
    index = {name: label for label, name in enumerate(classes)}
    try:
        rows = read_csv(Path(path))
        labels = tuple(index[row["label"]] for row in rows)
        splits = tuple(row["split"] for row in rows)
        paths = tuple(row["path"] for row in rows)
    except (KeyError, ValueError, OSError, csv.Error) as error:
        raise RunError(
            f"{os.fspath(path)!r} cannot be read as a split of these classes: {error!r}"
        ) from error
    return ImageFolder(Path(root).absolute(), tuple(classes), paths, labels, splits)


def _drop_copies(
    folder: ImageFolder, sha256: Mapping[str, str], split: str, others: Sequence[str]
) -> ImageFolder:
    """Leave images out of `split` whose bytes stand in one of `others` too."""
    rows = list(zip(folder.paths, folder.splits, strict=True))
    given = {sha256[path] for path, each in rows if each in others}
    mask = [each != split or sha256[path] not in given for path, each in rows]
    if all(mask):
        return folder
    kept = folder.keep(mask)
    warn(
        f"Left {len(folder) - len(kept)} image(s) out of {split}: the same bytes stand in"
        f" {' or '.join(others)} too."
    )
    lost = set(folder.select(split).labels) - set(kept.select(split).labels)
    if lost:
        raise DataError(
            f"Class {folder.classes[min(lost)]!r} has no image left in {split}: all are copies of"
            f" images in {' or '.join(others)}. Add others."
        )
    return kept


def _choose(folder: ImageFolder, sha256: Mapping[str, str], val: float, seed: int) -> set[str]:
    """Return the digests of the images to hold out."""
    sizes: dict[int, Counter[str]] = defaultdict(Counter)
    for path, label in zip(folder.paths, folder.labels, strict=True):
        sizes[label][sha256[path]] += 1
    held: set[str] = set()
    decided: set[str] = set()
    # A copy in two classes is decided by the class with fewer images, which needs it more.
    for label in sorted(sizes, key=lambda label: (len(sizes[label]), label)):
        groups = sizes[label]
        if len(groups) < 2:
            raise DataError(
                f"Class {folder.classes[label]!r} has 1 image (copies not counted); need at least"
                " 2 to hold one out. Add images, or give a val/ folder beside train/."
            )
        total = groups.total()
        target = min(max(1, round(total * val)), total - 1)
        ranked = sorted(groups.keys() - decided, key=lambda digest: _rank(seed, digest))
        count = sum(groups[digest] for digest in held & groups.keys())
        for digest in ranked:
            if count + groups[digest] <= target:
                held.add(digest)
                count += groups[digest]
        if not count and ranked:  # every group of copies is larger than what is to be held out
            held.add(min(ranked, key=lambda digest: groups[digest]))
        decided |= groups.keys()
        _check_both_sides(folder.classes[label], groups, held)
    return held


def _rank(seed: int, digest: str) -> str:
    return hashlib.sha256(f"{seed}:{digest}".encode()).hexdigest()


def _check_both_sides(name: str, digests: Iterable[str], held: set[str]) -> None:
    sides = {digest in held for digest in digests}
    if len(sides) < 2:
        raise DataError(
            f"Class {name!r} shares its images with other classes, so that none can be held out."
            " Remove the copies, or give a val/ folder beside train/."
        )


def _check_disjoint(folder: ImageFolder, sha256: Mapping[str, str]) -> None:
    sides = [{sha256[path] for path in folder.select(split).paths} for split in SPLITS]
    shared = sum(map(len, sides)) - len(set().union(*sides))
    if shared:
        raise AssertionError(f"{shared} image(s) stand on two sides of the split")
