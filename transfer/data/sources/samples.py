"""Small data sets that need no download, written as plain image folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from transfer.data.sources.shapes import draw_shapes
from transfer.errors import UsageError, did_you_mean

Labelled = Iterator[tuple[str, Image.Image]]


def check_name(name: str) -> str:
    """Return `name`. Raises UsageError where there is no sample of that name."""
    if name not in _MAKERS:
        raise UsageError(
            f"Unknown sample {name!r}.{did_you_mean(name, _MAKERS)}"
            f" Expected one of: {', '.join(f'sample:{each}' for each in _MAKERS)}."
        )
    return name


def write_sample(name: str, target: Path) -> None:
    """Write a sample data set as PNG files: ``target/class/0001.png``.

    ``digits`` are the 1,797 handwritten digits that come with scikit-learn; ``shapes`` are 300
    circles, rectangles and triangles drawn by a shaky hand, the same each time.
    """
    counts: dict[str, int] = {}
    for label, image in _MAKERS[check_name(name)]():
        number = counts[label] = counts.get(label, 0) + 1
        (target / label).mkdir(exist_ok=True)
        image.save(target / label / f"{number:04d}.png")


def _digits() -> Labelled:
    from sklearn.datasets import load_digits

    digits = load_digits()
    for pixels, label in zip(digits.images, digits.target, strict=True):
        gray = Image.fromarray(np.rint(pixels * (255 / 16)).astype(np.uint8))
        yield str(label), gray.resize((64, 64), Image.Resampling.BICUBIC).convert("RGB")


_MAKERS: dict[str, Callable[[], Labelled]] = {"digits": _digits, "shapes": draw_shapes}
