"""Small data sets that need no download: made on first use, as plain image folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from transfer.cachedir import cache_dir
from transfer.errors import DataError, UsageError, did_you_mean
from transfer.progress import say
from transfer.sources.shapes import draw_shapes
from transfer.sources.staging import new_folder

Labelled = Iterator[tuple[str, Image.Image]]


def sample_names() -> list[str]:
    """Return the names that `prepare_sample` knows."""
    return sorted(_MAKERS)


def prepare_sample(name: str) -> Path:
    """Return the folder of a sample data set; write it where it is not there yet.

    ``digits`` are the 1,797 handwritten digits that come with scikit-learn; ``shapes`` are 300
    circles, rectangles and triangles drawn by a shaky hand, the same each time.

    Raises:
        UsageError: There is no sample of that name.
        DataError: The folder cannot be written.
    """
    if name not in _MAKERS:
        raise UsageError(f"Unknown sample {name!r}.{did_you_mean(name, _MAKERS)}")
    folder = cache_dir() / "samples" / f"{name}-v1"
    if folder.is_dir():
        return folder
    say(f"Writing the sample {name!r} to {folder}.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as temporary:
            _write(_MAKERS[name](), temporary)
    except OSError as error:
        if folder.is_dir():  # another process was faster, and its copy is as good
            return folder
        raise DataError(
            f"Cannot write the sample to {str(folder)!r}: {error.strerror}."
            " Choose another place with the variable TRANSFER_CACHE_DIR."
        ) from error
    return folder


def _write(images: Labelled, folder: Path) -> None:
    counts: dict[str, int] = {}
    for label, image in images:
        number = counts[label] = counts.get(label, 0) + 1
        (folder / label).mkdir(exist_ok=True)
        image.save(folder / label / f"{number:04d}.png")


def _digits() -> Labelled:
    from sklearn.datasets import load_digits

    digits = load_digits()
    for pixels, label in zip(digits.images, digits.target, strict=True):
        gray = Image.fromarray(np.rint(pixels * (255 / 16)).astype(np.uint8))
        yield str(label), gray.resize((64, 64), Image.Resampling.BICUBIC).convert("RGB")


_MAKERS: dict[str, Callable[[], Labelled]] = {"digits": _digits, "shapes": draw_shapes}
