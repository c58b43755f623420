"""--time: how many views and epochs a run can afford, by speeds that are measured on the spot."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.features.cache import FeatureCache
from transfer.features.extract import Features, FrozenNetwork, extract
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import naming_bad_files
from transfer.progress import say
from transfer.recipe import Recipe
from transfer.training.batches import Tuning
from transfer.training.head import build_head, parse_head

MOST_EPOCHS = 50  # beyond these, more of the same teaches nothing
SAMPLE = 128  # images by which speeds are measured
CLOSING = 8.0  # seconds for loading, converting, drawing: what hardly depends on the images
JUDGED = 1 / 3  # of a step: what its forward half takes


@dataclass(frozen=True)
class Costs:
    """What the parts of a run take, in seconds.

    Attributes:
        view: The features of one augmented view of all training images.
        epoch: One epoch of fine-tuning with its validation.
        closing: All that follows the last epoch.
    """

    view: float
    epoch: float
    closing: float

    def views(self, seconds: float, most: int) -> int:
        """Return how many views to make: one for each epoch that can follow, and what is left over.

        Args:
            seconds: From now to the end of the run.
            most: As many as there is room for.
        """
        left = seconds - self.closing
        epochs = min(_times(left, self.view + self.epoch), MOST_EPOCHS)
        if epochs == 0 or epochs >= most:
            return min(epochs, most)
        return min(_times(left - epochs * self.epoch, self.view), most)

    def epochs(self, seconds: float) -> int:
        """Return how many epochs fit into the seconds to the end of the run; 0 for none."""
        return min(_times(seconds - self.closing, self.epoch), MOST_EPOCHS)


def _times(seconds: float, each: float) -> int:
    return max(0, int(min(seconds / max(each, 1e-6), 1e6)))


def measure_costs(
    tuning: Tuning,
    sides: tuple[ImageFolder, ImageFolder],
    recipe: Recipe,
    judged: int,
    frozen: tuple[FrozenNetwork, FeatureCache | None, Path] | None = None,
) -> Costs:
    """Measure what a run on these images will take, on a few of them. No weight moves.

    Args:
        tuning: What will be trained.
        sides: Training and validation images.
        recipe: The knobs.
        judged: Number of images that the run is evaluated on in the end.
        frozen: What makes the features, where they are kept, and a folder for a while.
    """
    few = _some(sides[0], recipe.seed), _some(sides[1], recipe.seed)
    image, features = 0.0, None
    if frozen is not None:
        image, features = _view(*frozen, few, kept=tuning.cut is not None)
    vectors, classes = tuning.extractor.output_shape[-1], len(tuning.class_weights)
    head = build_head(parse_head(recipe.head), vectors, classes, recipe.seed)
    trial = replace(recipe, epochs=2)
    _, model, batches = tuning.start(head, few, features, trial)
    step = _epoch(model, batches) / (len(few[0]) + JUDGED * len(few[1]))
    epoch = step * (len(sides[0]) + JUDGED * len(sides[1]))
    choosing = 5 * step * JUDGED * len(sides[1])  # see `transfer.training.choice`
    return Costs(image * len(sides[0]), epoch, CLOSING + choosing + image * judged)


def _view(
    network: FrozenNetwork,
    cache: FeatureCache | None,
    directory: Path,
    few: tuple[ImageFolder, ImageFolder],
    kept: bool,
) -> tuple[float, tuple[Features, Features]]:
    """Return the seconds per image and view, and the features of both sides.

    What is in the cache already takes no time.
    """
    places = [directory / f"few-{name}.npy" if kept else None for name in ("train", "val")]
    val = extract(network, few[1], keep=places[1], cache=cache)  # the first call is slow
    extract(network, few[0], cache=cache, keep=places[0])
    started = time.perf_counter()
    train = extract(network, few[0], views=1, keep=places[0], cache=cache)
    seconds = time.perf_counter() - started
    made = 1 if cache is not None else 2  # without a cache, the images themselves are run anew
    return seconds / made / len(few[0]) if train.computed else 0.0, (train, val)


def _some(folder: ImageFolder, seed: int) -> ImageFolder:
    drawn = np.random.default_rng(seed).permutation(len(folder))[:SAMPLE]
    return folder.keep(np.isin(np.arange(len(folder)), drawn).tolist())


def _epoch(model: keras.Model, batches: Any) -> float:
    """Return the seconds of the second of two epochs at a rate of 0."""
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.AdamW(0.0, weight_decay=0.0), loss, jit_compile=False)
    ends: list[float] = []
    with naming_bad_files():
        model.fit(
            batches.train,
            steps_per_epoch=batches.steps_per_epoch,
            epochs=2,
            validation_data=batches.val,
            shuffle=False,
            verbose=0,
            callbacks=[
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
                )
            ],
        )
    return ends[1] - ends[0]


def tell_plan(epochs: int, views: int, seconds: float) -> None:
    """Say what the time that is left is spent on."""
    if epochs:
        say(f"{seconds:.0f} s are left: {epochs} epochs on {views} views and the photos themselves")
    else:
        say(f"{max(seconds, 0):.0f} s are left, too few for fine-tuning: the head alone it is.")
