"""Images of one side that another side has seen: left out, or counted."""

from __future__ import annotations

from collections.abc import Mapping

from transfer.errors import DataError
from transfer.images.folder import SPLITS, ImageFolder
from transfer.system.progress import warn


def drop_shared(folder: ImageFolder, keys: Mapping[str, str], what: str) -> ImageFolder:
    """Leave out of train what stands in val or test too, and out of val what stands in test.

    Args:
        folder: The images; the undecided ones count as train.
        keys: Key of each image by its path: what has the same key is the same.
        what: What that means, for the message: ``"the same bytes"``.

    Raises:
        DataError: A class has no image left on a side.
    """
    folder = _drop(folder, keys, what, ("", "train"), ("val", "test"))
    return _drop(folder, keys, what, ("val",), ("test",))


def find_leaks(folder: ImageFolder, groups: Mapping[str, str]) -> dict[str, str]:
    """Return the val and test images that resemble one that an earlier side has seen.

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
                f"{len(found)} {split} image(s) are near duplicates of images that training sees,"
                f" or of their group, such as {found[0]!r} of {leaks[found[0]]!r}. The accuracy"
                " flatters; the report shows it without them too. --dedupe leaves their twins out"
                " of training."
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
        f"Left {len(folder) - len(kept)} image(s) out of {splits[-1]}: {what} stand in"
        f" {' or '.join(others)} too."
    )
    lost = _labels(folder, splits) - _labels(kept, splits)
    if lost:
        raise DataError(
            f"Class {folder.classes[min(lost)]!r} has no image left in {splits[-1]}: all are copies"
            f" of images in {' or '.join(others)}. Add others."
        )
    return kept


def _labels(folder: ImageFolder, splits: tuple[str, ...]) -> set[int]:
    rows = zip(folder.labels, folder.splits, strict=True)
    return {label for label, split in rows if split in splits}
