"""preview: images as the model will see them, before anything is trained."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Unpack

import numpy as np

from transfer.api.knobs import PreviewKnobs
from transfer.api.recipes import check_normalisation, make_recipe, refuse_knobs
from transfer.data.sources.prepare import resolve
from transfer.errors import UsageError, option
from transfer.evaluation.fonts import readable
from transfer.evaluation.grid import Row, draw_grid
from transfer.evaluation.plots import check_png
from transfer.images.augment import parse_augment
from transfer.images.pipeline import ImageOptions
from transfer.images.preview import make_preview, samples
from transfer.networks.backbones import get_backbone
from transfer.networks.normalisation import fit_normalisation
from transfer.recipe import Recipe
from transfer.recipe.reading import reading_of
from transfer.settings import Decoding
from transfer.system.guest import as_guest, numpy_defaults
from transfer.system.progress import say, warn
from transfer.system.quiet import import_tensorflow

MOST_CLASSES = 40  # rows of the grid
MOST_IMAGES = 12  # per class
VIEWS = 3
MOST_SAMPLES = 1000  # images whose statistics normalise the others


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
    will use. With ``normalize`` all are shown as the network receives them, by the statistics of up
    to 1,000 of the images; the title says which values are black and white. A class whose name the
    font cannot draw appears as ``#3``, its index among the sorted names.

    Args:
        data: As for `finetune`.
        output: The PNG file to write, replaced if it exists.
        count: Images per class, 1 to 12.
        **knobs: Fields of `Recipe` that differ: ``augment``, ``normalize``, ``resize``,
            ``image_size``, ``backbone``, ``seed``, and those that say how the data are read.

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
    check_normalisation(recipe)
    if recipe.normalize != "none" or parse_augment(recipe.augment).keys() - {"fill"}:
        import_tensorflow()
    folder = resolve(data, reading_of(recipe)).index()
    if "train" in folder.splits:
        folder = folder.select("train")
    options = ImageOptions(
        size,
        recipe.resize,
        augment=recipe.augment,
        seed=recipe.seed,
        decoding=Decoding(profiles=recipe.color_profiles),
    )
    names = folder.label_names
    totals = np.bincount(folder.labels, minlength=len(names))
    found = make_preview(
        folder.keep([label < MOST_CLASSES for label in folder.labels]),
        options,
        count=count,
        views=VIEWS,
    )
    labels, title = np.array(found.folder.labels), _title(recipe, size)
    pictures = found.pictures
    if recipe.normalize != "none":
        pictures, meaning = _normalised(pictures, recipe, samples(folder, options, MOST_SAMPLES))
        title += f"; {recipe.normalize}: {meaning}"
    rows = [
        Row(name or "(none)", i, _count(int(totals[i])), pictures[labels == i])
        for i, name in enumerate(names[:MOST_CLASSES])
    ]
    more = len(names) - len(rows)
    footer = f"{more} more classes are not shown." if more > 0 else ""
    if more > 0:
        warn(f"The first {len(rows)} of {len(names)} classes are shown.")
    draw_grid(rows, title, footer, path)
    for row in rows:
        if readable(row.name, row.index) == f"#{row.index}":
            say(f"#{row.index} is {row.name}")
    return path


def _normalised(
    pictures: np.ndarray, recipe: Recipe, batches: Iterable[np.ndarray]
) -> tuple[np.ndarray, str]:
    """Return pictures as the network receives them, in gray levels again, and what these mean."""
    scale, side = get_backbone(recipe.backbone).apply_preprocess, pictures.shape[2]
    with as_guest():
        normalise = fit_normalisation(recipe.normalize, side, map(scale, batches))
        flat = pictures.reshape(-1, side, side, 3).astype(np.float32)
        values = normalise.predict(scale(flat), verbose=0)
    low, high = np.percentile(values, [1, 99])
    gray = (values - low) / max(high - low, 1e-6) * 255
    levels = np.rint(gray.clip(0, 255)).astype(np.uint8).reshape(pictures.shape)
    return levels, f"black is {low:.2g}, white {high:.2g}"


def _count(images: int) -> str:
    return f"{images:,} image{'' if images == 1 else 's'}"


def _title(recipe: Recipe, size: int) -> str:
    seen = f"{recipe.backbone}: {size} x {size} pixels, {recipe.resize}"
    if not parse_augment(recipe.augment).keys() - {"fill"}:
        return f"{seen}, no augmentation"
    return f"{seen}; each image, then {VIEWS} augmented versions: {recipe.augment}"
