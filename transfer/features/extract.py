"""Images -> what the frozen part of a network makes of them, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from transfer.features.engines import (
    Engine,
    choose_engine,
    keras_engine,
    openvino_engine,
    run_engine,
)
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import image_dataset, naming_bad_files
from transfer.progress import bar
from transfer.recipe import Recipe


@dataclass(frozen=True)
class Features:
    """What the frozen part made of n images, each seen in `views` versions.

    Rows are ordered view by view: row ``view * n + i`` is image `i`; view 0 is the image itself.

    Attributes:
        vectors: float32 array of shape (views * n, d): the input of the head.
        labels: int64 array of shape (views * n,).
        activations: float16 memory map of shape (views * n, h, w, c): what the frozen trunk
            hands to the layers that are trained later. None where nobody asked for it.
        views: Versions of each image, 1 or more.
    """

    vectors: np.ndarray
    labels: np.ndarray
    activations: np.ndarray | None
    views: int

    def __len__(self) -> int:
        return len(self.labels) // self.views


def extract(
    extractor: keras.Model,
    folder: ImageFolder,
    recipe: Recipe,
    *,
    views: int = 0,
    keep: Path | None = None,
) -> Features:
    """Run a frozen network once over the images, and once over each augmented view of them.

    Args:
        extractor: From images (b, s, s, 3), RGB 0..255, to vectors (b, d), or to a list of an
            activation (b, ...) and vectors.
        folder: The images of one side of the split.
        recipe: Says how the images are resized and augmented.
        views: Augmented views of every image beside the image itself.
        keep: File for the activations, where the extractor gives them out.
    """
    rows, row = len(folder) * (views + 1), 0
    engine = make_engine(extractor, recipe, rows)
    shapes = [tuple(output.shape[1:]) for output in extractor.outputs]
    vectors = np.empty((rows, *shapes[-1]), dtype=np.float32)
    activations = None
    if keep is not None:
        activations = np.lib.format.open_memmap(keep, "w+", np.float16, (rows, *shapes[0]))
    side = folder.splits[0]
    with bar(
        f"Features ({side}, {views + 1} views)" if views else f"Features ({side})", rows
    ) as advance:
        for view in range(views + 1):
            batches = image_dataset(
                folder,
                size=extractor.input.shape[1],
                resize=recipe.resize,
                batch_size=recipe.batch_size,
                augment=recipe.augment if view else "none",
                seed=recipe.seed,
                epoch=view,
                labels=False,
            )
            with naming_bad_files():
                for outputs in run_engine(engine, batches, recipe.batch_size):
                    count = len(outputs[-1])
                    vectors[row : row + count] = outputs[-1]
                    if activations is not None:
                        activations[row : row + count] = outputs[0]
                    row += count
                    advance(count)
    labels = np.tile(np.array(folder.labels, dtype=np.int64), views + 1)
    return Features(vectors, labels, activations, views + 1)


def make_engine(model: keras.Model, recipe: Recipe, images: int) -> Engine:
    """Return what runs `model` over so many images.

    Raises:
        UsageError: The recipe asks for OpenVINO, which is not installed.
    """
    name = choose_engine(recipe.engine, recipe.precision, images)
    if name == "keras":
        return keras_engine(model)
    return openvino_engine(model, recipe.batch_size, recipe.precision)
