"""--time: how many views and epochs a run can afford, by speeds that are measured on the spot."""

from __future__ import annotations

import tempfile
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
from transfer.recipe import Recipe
from transfer.system.progress import hushed, say
from transfer.training.feature_plan import MOST_VIEWS
from transfer.training.optim.schedules import MOST_EPOCHS
from transfer.training.tuning.batches import Batches, Tuning

SAMPLE = 64  # images of each side by which speeds are measured
MEASURED = 3.0  # seconds of training on them, or twice all of them if that takes longer
ROUNDS = 100  # over them at most, however fast it is
PROBED = 16  # images that tell whether a view is in the cache
CLOSING = 8.0  # seconds for loading, converting, drawing: what hardly depends on the images
SAVING = 0.5  # seconds of each epoch
FORWARD = 1 / 3  # of the time of training on an image: what judging it takes


@dataclass(frozen=True)
class Costs:
    """What the parts of a run take, in seconds.

    Attributes:
        photos: The features of the training and validation images themselves.
        view: The features of one augmented view of all training images.
        epoch: One epoch of fine-tuning with its validation.
        closing: All that follows the last epoch.
        cached: Number of views that are there already and take no time.
    """

    photos: float
    view: float
    epoch: float
    closing: float
    cached: int = 0

    def views(self, seconds: float, most: int) -> int:
        """Return how many views to make: one for each epoch that can follow, and what is left over.

        Args:
            seconds: From now to the end of the run.
            most: As many as there is room for.
        """
        left = seconds - self.closing - self.photos
        spent = [
            epochs * self.epoch + max(0, epochs - self.cached) * self.view
            for epochs in range(1, MOST_EPOCHS + 1)
        ]
        epochs = sum(each <= left for each in spent)
        if epochs == 0 or epochs >= most:
            return min(epochs, most)
        return min(self.cached + _times(left - epochs * self.epoch, self.view), most)

    def epochs(self, seconds: float, slack: float = 0.0, most: int | None = None) -> int:
        """Return how many epochs fit into the seconds to the end of the run; 0 for none.

        Args:
            seconds: From now to the end of the run.
            slack: By how many seconds the last may stand out, if that is half of it at most.
            most: No more than these.
        """
        left = seconds - self.closing + min(slack, self.epoch / 2)
        return min(_times(left, self.epoch), most or MOST_EPOCHS)


NOTHING_FITS = Costs(photos=0.0, view=0.0, epoch=1e9, closing=0.0)


def _times(seconds: float, each: float) -> int:
    if seconds < 0 or each <= 0:
        return 0 if seconds < 0 else 10**6
    return int(min(seconds / each, 1e6))


def measure_costs(
    tuning: Tuning,
    sides: tuple[ImageFolder, ImageFolder],
    recipe: Recipe,
    judged: int,
    left: float,
    frozen: tuple[FrozenNetwork, FeatureCache | None, Path] | None = None,
) -> Costs:
    """Measure what a run on these images will take, on a few of them. No weight moves.

    Args:
        tuning: What will be trained.
        sides: Training and validation images.
        recipe: The knobs.
        judged: Number of images that the run is evaluated on in the end.
        left: Seconds to the end of the run: with hardly any, nothing is measured.
        frozen: What makes the features, where they are kept, and a folder for a while.
    """
    if left <= CLOSING:
        return NOTHING_FITS
    say("Measuring what there is time for")
    few = _some(sides[0], SAMPLE, recipe.seed), _some(sides[1], SAMPLE, recipe.seed)
    train, val = len(sides[0]), len(sides[1])
    if frozen is None:
        step = _training_seconds(tuning, few, None, recipe)
        return _costs(0.0, step, (train, val), step * FORWARD * judged)  # there is no choosing
    network, cache, directory = frozen
    with hushed(), tempfile.TemporaryDirectory(dir=directory) as folder:
        place = Path(folder) if tuning.cut is not None else None
        image, features = _feature_seconds(network, cache, place, few)
        step = _training_seconds(tuning, few, features, recipe) if tuning.chosen else 0.0
        del features
    choosing = 5 * step * FORWARD * val  # see `transfer.training.keep.selection`
    costs = _costs(image, step, (train, val), image * judged + choosing)
    cached = _cached(network, cache, _some(few[0], PROBED, recipe.seed))
    return replace(costs, photos=0.0 if cached else costs.photos, cached=max(0, cached - 1))


def _costs(image: float, step: float, sides: tuple[int, int], judging: float) -> Costs:
    """Return the costs of a run from those of an image in each of its parts."""
    train, val = sides
    return Costs(
        photos=image * (train + val),
        view=image * train,
        epoch=step * (train + FORWARD * val) + SAVING if step else 0.0,
        closing=CLOSING + judging,
    )


def _feature_seconds(
    network: FrozenNetwork,
    cache: FeatureCache | None,
    place: Path | None,
    few: tuple[ImageFolder, ImageFolder],
) -> tuple[float, tuple[Features, Features]]:
    """Return the seconds that an image or a view of one takes, and the features of both sides."""
    network.engine(cache)
    places = [place / name if place else None for name in ("train.npy", "val.npy")]
    val = extract(network, few[1], keep=places[1])  # the first call is slow
    started = time.perf_counter()
    train = extract(network, few[0], views=1, keep=places[0])
    return (time.perf_counter() - started) / (2 * len(few[0])), (train, val)


def _cached(network: FrozenNetwork, cache: FeatureCache | None, few: ImageFolder) -> int:
    """Return how many versions of some images are in the cache, themselves and views in a row."""
    if cache is None:
        return 0
    outputs = network.model.outputs
    types = [np.float16] * (len(outputs) - 1) + [np.float32]
    rows = [
        np.empty((len(few), *output.shape[1:]), dtype)
        for output, dtype in zip(outputs, types, strict=True)
    ]
    found = 0
    while found <= MOST_VIEWS and cache.view(few, found, network.recipe).restore(rows).all():
        found += 1
    return found


def _some(folder: ImageFolder, number: int, seed: int) -> ImageFolder:
    drawn = np.random.default_rng(seed).permutation(len(folder))[:number]
    return folder.keep(np.isin(np.arange(len(folder)), drawn).tolist())


def _training_seconds(
    tuning: Tuning,
    few: tuple[ImageFolder, ImageFolder],
    features: tuple[Features, Features] | None,
    recipe: Recipe,
) -> float:
    """Return the seconds that training on an image takes, once all is under way."""
    head = tuning.new_head(recipe)
    _, model, batches = tuning.start(head, few, features, replace(recipe, epochs=ROUNDS))
    ends = _ends(model, batches)
    tuning.base.trainable = False  # as it was
    steps, size = batches.steps_per_epoch, recipe.batch_size
    sizes = [min(size, len(few[0]) - step % steps * size) for step in range(len(ends))]
    return (ends[-1] - ends[steps - 1]) / sum(sizes[steps:])


def _ends(model: keras.Model, batches: Batches) -> list[float]:
    """Train at a rate of 0, on all images twice at least; return when each batch was done."""
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.AdamW(0.0, weight_decay=0.0), loss, jit_compile=False)
    steps = batches.steps_per_epoch  # in the first of them, functions are traced
    ends: list[float] = []

    def done(batch: int, logs: Any) -> None:
        ends.append(time.perf_counter())
        enough = len(ends) >= 2 * steps and ends[-1] - ends[steps - 1] > MEASURED
        model.stop_training = enough

    with naming_bad_files():
        model.fit(
            batches.train,
            steps_per_epoch=ROUNDS * steps,  # as one epoch: beginning another takes time
            shuffle=False,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=done)],
        )
    return ends


def tell_plan(epochs: int, views: int | None, seconds: float) -> None:
    """Say what the time that is left is spent on.

    Args:
        epochs: Of fine-tuning; 0 for none.
        views: What they are on, beside the images; None where images are augmented anew in each.
        seconds: From now to the end of the run.
    """
    words = f"{max(seconds, 0):.0f} s are left"
    if not epochs:
        say(f"{words}, too few for fine-tuning: the head alone it is.")
        return
    words += f": {epochs} epoch{'s' * (epochs > 1)}"
    if views:
        words += f" on {views} view{'s' * (views > 1)} and the photos themselves"
    say(words)
