"""Decides which images are held out: by group, and by hash, which keeps earlier decisions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from transfer.data.audit.clean import Audit
from transfer.data.dataset import Dataset
from transfer.data.draw import divide, rank
from transfer.data.groups import group_images
from transfer.data.leaks import drop_shared, find_leaks, tell_leaks
from transfer.data.splitfile import Side, match_sides
from transfer.data.stratify import stratify
from transfer.errors import DataError, option
from transfer.images.folder import SPLITS, ImageFolder
from transfer.images.layout.plan import in_words
from transfer.system.progress import warn


@dataclass(frozen=True)
class SplitOptions:
    """How images are divided.

    Attributes:
        val: Share held out for validation where there is no val/, between 0 and 1.
        test: Share held out for the test where there is no test/; 0 for none.
        seed: Another seed gives another split.
        group_by: See `transfer.data.groups.group_images`.
        dedupe: Remove images from train (and val) whose group is in a later split as well.
    """

    val: float = 0.2
    test: float = 0.0
    seed: int = 0
    group_by: str = "none"
    dedupe: bool = False


def split_dataset(
    folder: ImageFolder, audit: Audit, options: SplitOptions, sides: Sequence[Side] | None = None
) -> Dataset:
    """Return audited images with every split decided, and warn of leaks.

    Args:
        folder: The usable images.
        audit: What was found in them.
        options: How they are divided.
        sides: Rows of a split file, whose images keep their split.

    Raises:
        DataError: They cannot be divided, see `assign_splits`.
        UsageError: `options.group_by` is invalid.
    """
    groups = group_images(folder, audit.sha256, audit.groups, options.group_by)
    known = None if sides is None else match_sides(sides, folder, audit.sha256)
    folder = assign_splits(folder, audit.sha256, groups, options, known)
    leaks = find_leaks(folder, groups)
    tell_leaks(folder, leaks)
    return Dataset(folder, audit.sha256, groups, leaks, audit.deep, audit.unusual)


def assign_splits(
    folder: ImageFolder,
    sha256: Mapping[str, str],
    groups: Mapping[str, str],
    options: SplitOptions,
    known: Mapping[str, str] | None = None,
) -> ImageFolder:
    """Give every image a split: its folder's, a known one, or one by the rule below.

    Rule. The seed and the key of a group are hashed to a number u in 0..1, and the group is
    ``val`` where u < `val`, ``test`` where u >= 1 - `test`, and otherwise ``train``. A decision
    depends only on the seed and the group, not on paths, the order of listing or other images:
    files that are added later do not move the others, and adding a `test` side does not change
    ``val``. Two bounds hold in each class, and override the rule in small ones:

    - Each side has at least one image of each class: a side without any gets the group whose u is
      nearest to it.
    - No held-out side gets more than twice its share of a class, where groups allow it.

    Limits. A share is met on average: of n images ``val`` holds n · val ± √(n · val(1 - val)).
    An earlier file changes sides only where its class is so small that a bound applies (with a
    share of 0.2, in one class of 10 images in seven, in one of 30 in two hundred), where its
    group's key changes, or where an image joins two groups. No rule that depends only on the
    current images can avoid this: of three images, each pair would have to be divided. Known
    splits can.

    Images of several classes each are divided by iterative stratification instead, see
    `transfer.data.stratify`: shares are met closely, and added files may move others.

    Args:
        folder: The images; splits that their folders give are kept.
        sha256: Digest of each image's file, by its path. Copies of val or test images are left
            out of train, and copies of test images out of val.
        groups: Key of each image's group, by its path; groups are never divided by the rule.
        options: Shares, seed, and whether near duplicates are removed.
        known: Splits that are already decided, by path; they override folders. The other images
            of their groups follow them, and the rest goes by the rule.

    Returns:
        The folder with every split decided.

    Raises:
        DataError: There are no training images, a class has too few groups to hold one out, or
            `known` holds out none.
    """
    known = known or {}
    shares = _shares(folder, known, options.val, options.test)
    splits = [
        known.get(path) or ("" if shares and split in ("", "train") else split)
        for path, split in zip(folder.paths, folder.splits, strict=True)
    ]
    given = set(folder.splits)
    folder = drop_shared(folder.with_splits(splits), sha256, "identical files")
    folder = _follow(folder, groups, known, given)
    if options.dedupe:
        folder = drop_shared(folder, groups, "near duplicates")
    if not {"", "train"} & set(folder.splits):
        found = ", ".join(f"{split}/" for split in SPLITS if split in folder.splits)
        raise DataError(
            f"No images to train on in {str(folder.root)!r}: expected a train/ folder with images."
            f" Received: {found or 'none'} alone."
        )
    if shares:
        fixed = {groups[p] for p, s in zip(folder.paths, folder.splits, strict=True) if s}
        hold_out = _hold_out if folder.label_sets is None else _hold_out_of_sets
        folder = hold_out(folder, groups, shares, options.seed)
        _check_undivided(folder, groups, fixed)
    _check_undivided(folder, sha256, set())
    return folder


def _shares(
    folder: ImageFolder, known: Mapping[str, str], val: float, test: float
) -> dict[str, float]:
    """Return the sides to hold out images for, with the share of each."""
    if test and "test" in folder.splits:
        warn(f"{option('test', test)} is not used: the data have a test/ folder.")
    shares = {"val": val, "test": test}
    shares = {side: each for side, each in shares.items() if each and side not in folder.splits}
    if known and "val" in shares.keys() - set(known.values()):
        raise DataError(
            "The split file holds none of these images out. Expected rows of train and of val."
        )
    if known and "test" in shares.keys() - set(known.values()):
        warn(f"{option('test', test)} is not used: the split file has no test images.")
        del shares["test"]
    return shares


def _follow(
    folder: ImageFolder, groups: Mapping[str, str], known: Mapping[str, str], given: set[str]
) -> ImageFolder:
    """Return the folder with the undecided images on the known side of their group, if any.

    Train takes precedence. Nothing is added to a side that folders give: images in train/ do not
    become test images.
    """
    sides: dict[str, str] = {}
    for path, side in sorted(known.items(), key=lambda item: -SPLITS.index(item[1])):
        if side == "train" or side not in given:
            sides[groups[path]] = side
    rows = zip(folder.paths, folder.splits, strict=True)
    return folder.with_splits([split or sides.get(groups[path], "") for path, split in rows])


def _hold_out(
    folder: ImageFolder, groups: Mapping[str, str], shares: Mapping[str, float], seed: int
) -> ImageFolder:
    """Return the folder with the undecided images divided among train and the sides of `shares`."""
    widths = _widths(shares)
    names = list(widths)
    sizes: dict[int, Counter[str]] = defaultdict(Counter)
    decided: dict[int, Counter[int]] = defaultdict(Counter)
    for path, label, split in zip(folder.paths, folder.labels, folder.splits, strict=True):
        if not split:
            sizes[label][groups[path]] += 1
        elif split in names:
            decided[label][names.index(split)] += 1
    sides = divide(sizes, decided, list(widths.values()), str(seed))
    for label in sorted(sizes.keys() | decided.keys()):
        found = {sides[group] for group in sizes[label]} | set(decided[label])
        lacking = [side for number, side in enumerate(names) if number not in found]
        if lacking:
            raise _cannot_divide(folder.classes[label], len(sizes[label]), names, lacking)
    rows = zip(folder.paths, folder.splits, strict=True)
    return folder.with_splits([split or names[sides[groups[path]]] for path, split in rows])


def _widths(shares: Mapping[str, float]) -> dict[str, float]:
    """Return the share of each side that gets images, train between val and test."""
    every = {"val": 0.0, "train": 1.0 - sum(shares.values()), "test": 0.0, **shares}
    return {side: width for side, width in every.items() if width}


def _hold_out_of_sets(
    folder: ImageFolder, groups: Mapping[str, str], shares: Mapping[str, float], seed: int
) -> ImageFolder:
    """Return the folder divided as by `_hold_out`, where images are of several classes each."""
    widths = _widths(shares)
    sides = list(widths)
    targets = np.column_stack([folder.targets(), np.ones(len(folder))])
    splits = np.array(folder.splits)
    keys, group = np.unique([groups[path] for path in folder.paths], return_inverse=True)
    open_ = splits == ""
    counts = np.zeros((len(keys), targets.shape[1]))
    np.add.at(counts, group[open_], targets[open_])
    decided = np.stack([targets[splits == side].sum(axis=0) for side in sides])
    order = np.argsort(np.argsort([rank(str(seed), str(key)) for key in keys]))
    chosen = stratify(counts[:, :-1], counts[:, -1], list(widths.values()), order, decided)
    divided = folder.with_splits(
        [split or sides[chosen[number]] for split, number in zip(splits, group, strict=True)]
    )
    for side in sides:
        if side not in divided.splits:
            raise DataError(
                f"There are {len(keys)} different image(s) (near duplicates, and those of one"
                f" {option('group_by')} group, count as one), too few for {' and '.join(sides)}."
                " Add images."
            )
        own = divided.select(side).class_counts()
        rare = [name for name, count in zip(divided.classes, own, strict=True) if not count]
        if rare:
            text = f"{side} has no image of {in_words(rare)}: too few different images to divide."
            warn(text)
    return divided


def _cannot_divide(
    name: str, groups: int, sides: Sequence[str], lacking: Sequence[str]
) -> DataError:
    held = " and ".join(side for side in sides if side != "train")
    if groups == 0:
        return DataError(
            f"The split file leaves class {name!r} without an image for {' and '.join(lacking)}."
            f" Add rows or images, or leave out {option('split')}"
        )
    if groups < len(sides):
        return DataError(
            f"Class {name!r} has {groups} different image(s) to divide (near duplicates, and those"
            f" of one {option('group_by')} group, count as one); need at least {len(sides)} to"
            f" hold one out for {held}. Add images, or provide {held} folders next to train/."
        )
    return DataError(
        f"Class {name!r} shares its images with other classes, so that none is left for"
        f" {' and '.join(lacking)}. Remove the copies, try another {option('seed')}, or"
        f" provide {held} folders next to train/."
    )


def _check_undivided(folder: ImageFolder, keys: Mapping[str, str], without: set[str]) -> None:
    """Assert that no key is on two sides, except those of `without`."""
    sides: dict[str, set[str]] = defaultdict(set)
    for path, split in zip(folder.paths, folder.splits, strict=True):
        sides[keys[path]].add(split)
    divided = [key for key, each in sides.items() if len(each) > 1 and key not in without]
    if divided:
        raise AssertionError(f"{len(divided)} group(s) of images are on two sides of the split")
