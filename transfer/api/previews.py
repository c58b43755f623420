"""preview: images as the model will see them, before anything is trained."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack

import numpy as np

from transfer.api.knobs import PreviewKnobs
from transfer.api.recipes import make_recipe, refuse_knobs
from transfer.data.sources.prepare import resolve
from transfer.errors import UsageError, option
from transfer.evaluation.grid import Row, draw_grid
from transfer.evaluation.plots import check_png, readable
from transfer.images.augment import parse_augment
from transfer.images.pipeline import ImageOptions
from transfer.images.preview import make_preview
from transfer.networks.backbones import get_backbone
from transfer.recipe import Recipe
from transfer.recipe.reading import reading_of
from transfer.settings import Decoding
from transfer.system.guest import numpy_defaults
from transfer.system.progress import say, warn
from transfer.system.quiet import import_tensorflow

MOST_CLASSES = 40  # rows of the grid
MOST_IMAGES = 12  # per class
VIEWS = 3


@numpy_defaults()
def preview(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str] = "preview.png",
    *,
    count: int = 2,
    **knobs: Unpack[PreviewKnobs],
) -> Path:
    """Draw some training images of each class as the model will see them.

    Next to each are three augmented versions, the first ones that training with the same seed
    will use. A class whose name the font cannot draw appears as ``#3``, its index among the
    sorted names.

    Args:
        data: As for `finetune`.
        output: The PNG file to write, replaced if it exists.
        count: Images per class, 1 to 12.
        **knobs: Fields of `Recipe` that differ: ``augment``, ``resize``, ``image_size``,
            ``backbone``, ``seed``, and those that say how the data are read.

    Returns:
        The path of the file.

    Raises:
        UsageError: A knob has an invalid value.
        DataError: The images cannot be used.

    Example:
        >>> preview("data/dogs", "grid.png", augment="strong")
        PosixPath('grid.png')
    """
    path = check_png(output)
    if not (isinstance(count, int) and 1 <= count <= MOST_IMAGES):
        raise UsageError(
            f"Expected {option('count')} between 1 and {MOST_IMAGES}. Received: {count!r}"
        )
    refuse_knobs(knobs, PreviewKnobs, f"preview takes {', '.join(PreviewKnobs.__annotations__)}")
    recipe = make_recipe(None, knobs)
    size = get_backbone(recipe.backbone).side(recipe.image_size)
    if parse_augment(recipe.augment).keys() - {"fill"}:
        import_tensorflow()
    folder = resolve(data, reading_of(recipe)).index()
    if "train" in folder.splits:
        folder = folder.select("train")
    totals = np.bincount(folder.labels, minlength=len(folder.classes))
    found = make_preview(
        folder.keep([label < MOST_CLASSES for label in folder.labels]),
        ImageOptions(
            size,
            recipe.resize,
            augment=recipe.augment,
            seed=recipe.seed,
            decoding=Decoding(profiles=recipe.color_profiles),
        ),
        count=count,
        views=VIEWS,
    )
    labels = np.array(found.folder.labels)
    rows = [
        Row(name, i, _count(int(totals[i])), found.pictures[labels == i])
        for i, name in enumerate(folder.classes[:MOST_CLASSES])
    ]
    more = len(folder.classes) - len(rows)
    footer = f"{more} more classes are not shown." if more > 0 else ""
    if more > 0:
        warn(f"The first {len(rows)} of {len(folder.classes)} classes are shown.")
    draw_grid(rows, _title(recipe, size), footer, path)
    for row in rows:
        if readable(row.name, row.index) == f"#{row.index}":
            say(f"#{row.index} is {row.name}")
    return path


def _count(images: int) -> str:
    return f"{images:,} image{'' if images == 1 else 's'}"


def _title(recipe: Recipe, size: int) -> str:
    seen = f"{recipe.backbone}: {size} x {size} pixels, {recipe.resize}"
    if not parse_augment(recipe.augment).keys() - {"fill"}:
        return f"{seen}, no augmentation"
    return f"{seen}; each image, then {VIEWS} augmented versions: {recipe.augment}"
