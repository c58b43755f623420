"""What a network gets to see: images at its size, and augmented as in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer.errors import DataError
from transfer.images.augment import build_augment
from transfer.images.decode import decode
from transfer.images.folder import ImageFolder
from transfer.system.progress import warn


@dataclass(frozen=True)
class Preview:
    """Images of a folder as arrays.

    Attributes:
        folder: The images that were chosen.
        pictures: uint8 array of shape (n, 1 + views, size, size, 3), RGB: of each image what the
            network sees of it, then its augmented views.
    """

    folder: ImageFolder
    pictures: np.ndarray


def preview_images(
    folder: ImageFolder,
    *,
    count: int,
    views: int,
    size: int,
    resize: str,
    augment: str,
    seed: int,
) -> Preview:
    """Choose images of each class, decode and augment them.

    Args:
        folder: Where to choose from. Only the chosen images are opened.
        count: Images per class, or as many as there are; unreadable ones are passed over and said.
        views: Augmented views of each. They are those that a training with this seed computes;
            none where `augment` does nothing.
        size: Side in pixels.
        resize: See `transfer.images.decode.decode`.
        augment: See `transfer.images.augment.parse_augment`.
        seed: Seed of the choice and of the augmentation.

    Raises:
        DataError: No image can be read.
        UsageError: `augment` or `resize` cannot be read.
    """
    augmented = build_augment(augment, size) is not None
    decoded = _choose(folder, count, size, resize, seed)
    if not decoded:
        raise DataError(f"No image in {str(folder.root)!r} can be read.")
    chosen = folder.keep([path in decoded for path in folder.paths])
    seen = [np.stack([decoded[path] for path in chosen.paths])]
    if augmented:
        seen += [_augmented(chosen, size, resize, augment, seed, v + 1) for v in range(views)]
    return Preview(chosen, np.stack(seen, axis=1))


def _choose(
    folder: ImageFolder, count: int, size: int, resize: str, seed: int
) -> dict[str, np.ndarray]:
    """Return up to `count` readable images of each class, by path."""
    labels, decoded = np.array(folder.labels), {}
    for label in range(len(folder.classes)):
        rows = np.random.default_rng([seed, label]).permutation(np.flatnonzero(labels == label))
        found = 0
        for row in rows:
            if found == count:
                break
            path = folder.paths[row]
            try:
                decoded[path] = decode(folder.file(path), size, resize)
                found += 1
            except DataError as error:
                warn(f"Left out: {error}")
    return decoded


def _augmented(
    folder: ImageFolder, size: int, resize: str, augment: str, seed: int, view: int
) -> np.ndarray:
    from transfer.images.pipeline import image_dataset, naming_bad_files

    batches = image_dataset(
        folder,
        size=size,
        resize=resize,
        batch_size=32,
        augment=augment,
        seed=seed,
        epoch=view,
        labels=False,
    )
    with naming_bad_files():
        return np.concatenate([np.rint(batch).astype(np.uint8) for batch in batches])
