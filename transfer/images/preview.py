"""A preview of a network's input: images at its size, and augmented as in training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from transfer.errors import DataError
from transfer.images.augment import build_augment
from transfer.images.decode import decode
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import ImageOptions, image_batches, naming_bad_files
from transfer.system.progress import warn


@dataclass(frozen=True)
class Preview:
    """Images of a folder as arrays.

    Attributes:
        folder: The images that were chosen.
        pictures: uint8 array of shape (n, 1 + views, size, size, 3), RGB: each image as the
            network receives it, then its augmented views.
    """

    folder: ImageFolder
    pictures: np.ndarray


def make_preview(folder: ImageFolder, options: ImageOptions, *, count: int, views: int) -> Preview:
    """Choose images of each class, decode and augment them.

    Args:
        folder: Where to choose from. Only the chosen images are opened.
        options: How to decode and augment; the seed also decides which images are chosen.
        count: Images per class, or as many as there are. Unreadable ones are skipped with a
            warning.
        views: Augmented views of each image, the same as a training with this seed computes; none
            where ``options.augment`` has no effect.

    Raises:
        DataError: No image can be read.
        UsageError: ``options.augment`` or ``options.resize`` cannot be read.
    """
    augmented = build_augment(options.augment, options.size) is not None
    decoded = _choose(folder, count, options)
    if not decoded:
        raise DataError(f"No image in {str(folder.root)!r} can be read.")
    chosen = folder.keep([path in decoded for path in folder.paths])
    seen = [np.stack([decoded[path] for path in chosen.paths])]
    if augmented:
        seen += [_augmented(chosen, options, view + 1) for view in range(views)]
    return Preview(chosen, np.stack(seen, axis=1))


def samples(folder: ImageFolder, options: ImageOptions, most: int) -> Iterator[np.ndarray]:
    """Yield batches of readable images, evenly spaced and not augmented.

    Args:
        folder: Where to take them from.
        options: How to decode and batch.
        most: How many to read.

    Yields:
        float32 arrays of shape (b, size, size, 3), RGB, 0..255.
    """
    paths = folder.paths[:: -(-len(folder) // most)]
    for start in range(0, len(paths), options.batch_size):
        batch: list[np.ndarray] = []
        for path in paths[start : start + options.batch_size]:
            with suppress(DataError):
                file = folder.file(path)
                batch.append(decode(file, options.size, options.resize, options.decoding))
        if batch:
            yield np.stack(batch).astype(np.float32)


def _choose(folder: ImageFolder, count: int, options: ImageOptions) -> dict[str, np.ndarray]:
    """Return up to `count` readable images of each class, by path."""
    labels, decoded = np.array(folder.labels), {}
    for label in range(len(folder.label_names)):
        rng = np.random.default_rng([options.seed, label])
        readable = 0
        for row in rng.permutation(np.flatnonzero(labels == label)):
            if readable == count:
                break
            path = folder.paths[row]
            try:
                decoded[path] = decode(
                    folder.file(path), options.size, options.resize, options.decoding
                )
                readable += 1
            except DataError as error:
                warn(f"Left out: {error}")
    return decoded


def _augmented(folder: ImageFolder, options: ImageOptions, view: int) -> np.ndarray:
    batches = image_batches(folder, options, epochs=range(view, view + 1), labels=False)
    with naming_bad_files():
        return np.concatenate([np.rint(batch).astype(np.uint8) for batch in batches])
