"""preview: images as the model will see them, before anything is trained."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Unpack

import numpy as np

from transfer.api.knobs import PreviewKnobs
from transfer.api.recipes import check_normalisation, make_recipe, refuse_knobs
from transfer.data.sources.prepare import resolve
from transfer.errors import DataError, UsageError, option
from transfer.evaluation.grid import Row, draw_grid
from transfer.evaluation.plots import check_png, readable
from transfer.images.augment import parse_augment
from transfer.images.decode import decode
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import ImageOptions
from transfer.images.preview import make_preview
from transfer.networks.backbones import get_backbone
from transfer.networks.normalisation import fit_normalisation
from transfer.recipe import Recipe
from transfer.system.guest import as_guest, numpy_defaults
from transfer.system.progress import say, warn
from transfer.system.quiet import import_tensorflow

MOST_CLASSES = 40  # rows of the grid
MOST_IMAGES = 12  # per class
VIEWS = 3
MOST_SAMPLES, BATCH = 1000, 32  # images whose statistics normalise the others


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
            ``image_size``, ``backbone``, ``seed``, ``allow_empty``, ``follow_links``.

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
    folder = ImageFolder.index(
        resolve(data, follow_links=recipe.follow_links)[0],
        allow_empty=recipe.allow_empty,
        follow_links=recipe.follow_links,
    )
    if "train" in folder.splits:
        folder = folder.select("train")
    totals = np.bincount(folder.labels, minlength=len(folder.classes))
    found = make_preview(
        folder.keep([label < MOST_CLASSES for label in folder.labels]),
        ImageOptions(size, recipe.resize, augment=recipe.augment, seed=recipe.seed),
        count=count,
        views=VIEWS,
    )
    labels, title = np.array(found.folder.labels), _title(recipe, size)
    pictures = found.pictures
    if recipe.normalize != "none":
        pictures, scale = _normalised(pictures, folder, recipe)
        title += f"; {recipe.normalize}: {scale}"
    rows = [
        Row(name, i, _count(int(totals[i])), pictures[labels == i])
        for i, name in enumerate(folder.classes[:MOST_CLASSES])
    ]
    more = len(folder.classes) - len(rows)
    footer = f"{more} more classes are not shown." if more > 0 else ""
    if more > 0:
        warn(f"The first {len(rows)} of {len(folder.classes)} classes are shown.")
    draw_grid(rows, title, footer, path)
    for row in rows:
        if readable(row.name, row.index) == f"#{row.index}":
            say(f"#{row.index} is {row.name}")
    return path


def _normalised(
    pictures: np.ndarray, folder: ImageFolder, recipe: Recipe
) -> tuple[np.ndarray, str]:
    """Return pictures as the network receives them, in gray levels again, and what these mean."""
    backbone, shape = get_backbone(recipe.backbone), pictures.shape
    with as_guest():
        seen = (backbone.apply_preprocess(batch) for batch in _samples(folder, shape[2], recipe))
        normalise = fit_normalisation(recipe.normalize, shape[2], seen)
        flat = pictures.reshape(-1, *shape[2:]).astype(np.float32)
        values = normalise.predict(backbone.apply_preprocess(flat), verbose=0)
    low, high = np.percentile(values, [1, 99])
    gray = (values - low) / max(high - low, 1e-6) * 255
    scale = f"black is {low:.2g}, white {high:.2g}"
    return np.rint(gray.clip(0, 255)).astype(np.uint8).reshape(shape), scale


def _samples(folder: ImageFolder, side: int, recipe: Recipe) -> Iterator[np.ndarray]:
    """Yield float32 batches of up to `MOST_SAMPLES` readable images, evenly spaced."""
    step = -(-len(folder) // MOST_SAMPLES)
    batch: list[np.ndarray] = []
    for path in folder.paths[::step]:
        with suppress(DataError):
            batch.append(decode(folder.file(path), side, recipe.resize))
        if len(batch) == BATCH:
            yield np.stack(batch).astype(np.float32)
            batch = []
    if batch:
        yield np.stack(batch).astype(np.float32)


def _count(images: int) -> str:
    return f"{images:,} image{'' if images == 1 else 's'}"


def _title(recipe: Recipe, size: int) -> str:
    seen = f"{recipe.backbone}: {size} x {size} pixels, {recipe.resize}"
    if not parse_augment(recipe.augment).keys() - {"fill"}:
        return f"{seen}, no augmentation"
    return f"{seen}; each image, then {VIEWS} augmented versions: {recipe.augment}"
