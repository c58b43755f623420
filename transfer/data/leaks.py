"""Images that are in more than one split: removed, or counted as leaks."""

from __future__ import annotations

from collections.abc import Mapping

from transfer.errors import DataError, option
from transfer.images.folder import SPLITS, ImageFolder
from transfer.system.progress import warn


def drop_shared(folder: ImageFolder, keys: Mapping[str, str], what: str) -> ImageFolder:
    """Remove from train what is also in val or test, and from val what is also in test.

    Args:
        folder: The images; the undecided ones count as train.
        keys: Key of each image by its path; images with the same key are copies.
        what: What the copies are called in the message, such as ``"identical files"``.

    Raises:
        DataError: A class has no image left on a side.
    """
    folder = _drop(folder, keys, what, ("", "train"), ("val", "test"))
    return _drop(folder, keys, what, ("val",), ("test",))


def find_leaks(folder: ImageFolder, groups: Mapping[str, str]) -> dict[str, str]:
    """Return the val and test images that resemble one in an earlier split.

    Args:
        folder: The images with their splits.
        groups: Key of each image's group (near duplicates, the same patient), by its path.

    Returns:
        Path to the path of one image of the same group in train, or for test images in val.
    """
    leaks: dict[str, str] = {}
    seen: dict[str, str] = {}
    for split in SPLITS:
        paths = folder.select(split).paths
        leaks |= {path: seen[groups[path]] for path in paths if groups[path] in seen}
        for path in paths:
            seen.setdefault(groups[path], path)
    return leaks


def tell_leaks(folder: ImageFolder, leaks: Mapping[str, str]) -> None:
    """Warn of the leaks of each split, with their number and an example."""
    for split in SPLITS:
        found = [path for path in folder.select(split).paths if path in leaks]
        if found:
            warn(
                f"{len(found)} {split} image(s) are near duplicates of images used in training,"
                f" or of their group, such as {found[0]!r} of {leaks[found[0]]!r}. Accuracy is"
                " optimistic; the report also shows it without them."
                f" {option('dedupe', True)} removes their duplicates from training."
            )


def _drop(
    folder: ImageFolder,
    keys: Mapping[str, str],
    what: str,
    splits: tuple[str, ...],
    others: tuple[str, ...],
) -> ImageFolder:
    rows = list(zip(folder.paths, folder.splits, strict=True))
    given = {keys[path] for path, split in rows if split in others}
    mask = [split not in splits or keys[path] not in given for path, split in rows]
    if all(mask):
        return folder
    kept = folder.keep(mask)
    warn(
        f"Left {len(folder) - len(kept)} image(s) out of {splits[-1]}: {what} are also in"
        f" {' or '.join(others)}."
    )
    lost = _classes(folder, splits) - _classes(kept, splits)
    if lost:
        raise DataError(
            f"Class {folder.classes[min(lost)]!r} has no image left in {splits[-1]}: all are copies"
            f" of images in {' or '.join(others)}. Add others."
        )
    return kept


def _classes(folder: ImageFolder, splits: tuple[str, ...]) -> set[int]:
    rows = zip(folder.labels, folder.splits, strict=True)
    present = {label for label, split in rows if split in splits}
    return {number for label in present for number in folder.classes_of(label)}
