"""The time limit: how many views and epochs a run can afford, from speeds measured at its start."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.features.extract import Features
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import naming_bad_files
from transfer.settings import Settings
from transfer.system.progress import say, silenced
from transfer.training.frozen import MOST_VIEWS
from transfer.training.optim.optimizers import LayerwiseAdamW
from transfer.training.optim.precision import mix_precision
from transfer.training.settle import MOST_EPOCHS
from transfer.training.setup import Setup, Tunable
from transfer.training.tuning.batches import with_targets
from transfer.training.tuning.metrics import compile_options

SAMPLE = 64  # images of each split on which speeds are measured
MEASURED = 3.0  # seconds of training on them, or two passes if those take longer
ROUNDS = 100  # passes over them, at most
PROBED = 16  # images checked to find out whether a view is in the cache
CLOSING = 8.0  # seconds for loading, converting and plotting: nearly constant
SAVING = 0.5  # seconds per epoch
FORWARD = 1 / 3  # cost of evaluating an image, as a share of training on it


@dataclass(frozen=True)
class Costs:
    """How long the parts of a run take, in seconds.

    Attributes:
        photos: The features of the training and validation images themselves.
        view: The features of one augmented view of all training images.
        epoch: One epoch of fine-tuning with its validation.
        closing: Everything after the last epoch.
        cached: Number of views already in the cache.
    """

    photos: float
    view: float
    epoch: float
    closing: float
    cached: int = 0

    def views(self, seconds: float, most: int) -> int:
        """Return how many views to compute: one per epoch that fits, and more if time is left.

        Args:
            seconds: From now to the end of the run.
            most: Upper limit.
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
            slack: Seconds of permitted overrun, at most half an epoch.
            most: Upper limit.
        """
        left = seconds - self.closing + min(slack, self.epoch / 2)
        return min(_times(left, self.epoch), most or MOST_EPOCHS)


NOTHING_FITS = Costs(photos=0.0, view=0.0, epoch=1e9, closing=0.0)


def _times(seconds: float, each: float) -> int:
    if seconds < 0 or each <= 0:
        return 0 if seconds < 0 else 10**6
    return int(min(seconds / each, 1e6))


def measure_costs(setup: Setup, evaluated: int, left: float) -> Costs:
    """Measure how long the parts of a run take, on a few images. No weights change.

    Args:
        setup: What will be trained.
        evaluated: Number of images that the run is evaluated on in the end.
        left: Seconds to the end of the run; with too few, nothing is measured.
    """
    if left <= CLOSING:
        return NOTHING_FITS
    say("Measuring how much fits into the time limit")
    settings, seed = setup.settings, setup.settings.seed
    sizes = len(setup.dataset.train), len(setup.dataset.val)
    train = _some(setup.dataset.train.images, SAMPLE, seed)
    val = _some(setup.dataset.val.images, SAMPLE, seed)
    chosen = {*train.paths, *val.paths}
    few = setup.dataset.keep([path in chosen for path in setup.dataset.paths])
    with silenced(), tempfile.TemporaryDirectory(dir=setup.scratch) as folder:
        sample = replace(setup, dataset=few, scratch=Path(folder)).plan(epochs=ROUNDS)
        if not settings.pretrained:
            step = _training_seconds(sample, None)
            return _costs(0.0, step, sizes, step * FORWARD * evaluated)  # nothing to choose between
        image, features = _feature_seconds(sample, train, val)
        step = _training_seconds(sample, features) if settings.fine_tunes else 0.0
        del features
    choosing = 5 * step * FORWARD * sizes[1]  # see `transfer.training.keep.selection`
    costs = _costs(image, step, sizes, image * evaluated + choosing)
    cached = _cached_views(setup, _some(train, PROBED, seed))
    return replace(costs, photos=0.0 if cached else costs.photos, cached=max(0, cached - 1))


def _costs(image: float, step: float, sizes: tuple[int, int], closing: float) -> Costs:
    """Return the costs of a run from the seconds per image in each part."""
    train, val = sizes
    return Costs(
        photos=image * (train + val),
        view=image * train,
        epoch=step * (train + FORWARD * val) + SAVING if step else 0.0,
        closing=CLOSING + closing,
    )


def _feature_seconds(
    setup: Setup, train: ImageFolder, val: ImageFolder
) -> tuple[float, tuple[Features, Features]]:
    """Return the seconds per image or view, and the features of both splits."""
    for source in setup.sources:
        source.start()
    setup = setup.without_cache()
    of_val = setup.features_of(val)  # the first call is slow
    started = time.perf_counter()
    of_train = setup.features_of(train, views=1)
    return (time.perf_counter() - started) / (2 * len(train)), (of_train, of_val)


def _cached_views(setup: Setup, few: ImageFolder) -> int:
    """Return how many versions of some images are cached: themselves, then views without a gap."""
    _, own, for_views = setup.sources
    outputs = own.network.model.outputs
    types = [np.float16] * (len(outputs) - 1) + [np.float32]
    rows = [
        np.empty((len(few), *output.shape[1:]), dtype)
        for output, dtype in zip(outputs, types, strict=True)
    ]
    views = 0
    while views <= MOST_VIEWS:
        stored = (for_views if views else own).view(few, views)
        if stored is None or not stored.restore(rows).all():
            break
        views += 1
    return views


def _some(images: ImageFolder, number: int, seed: int) -> ImageFolder:
    drawn = np.random.default_rng(seed).permutation(len(images))[:number]
    return images.keep(np.isin(np.arange(len(images)), drawn).tolist())


def _training_seconds(setup: Setup, features: tuple[Features, Features] | None) -> float:
    """Return the seconds of training per image, without the first batches."""
    tunable = setup.start(setup.new_head(), features)
    weights = tunable.base.get_weights()
    ends = _ends(tunable, setup.settings)
    tunable.base.set_weights(weights)  # from scratch, BatchNormalization statistics have changed
    tunable.base.trainable = False
    steps, size = tunable.batches.steps_per_epoch, setup.settings.batch_size
    images = tunable.batches.images
    sizes = [min(size, images - step % steps * size) for step in range(len(ends))]
    return (ends[-1] - ends[steps - 1]) / sum(sizes[steps:])


def _ends(tunable: Tunable, settings: Settings) -> list[float]:
    """Train at a rate of 0 for at least two passes; return the time at which each batch ended."""
    model, optimizer = tunable.model, LayerwiseAdamW(learning_rate=0.0, weight_decay=0.0)
    if settings.mixed_precision:
        model, optimizer = mix_precision(model, tunable.base, optimizer)
    classes = model.output_shape[-1]
    loss = compile_options(classes, settings.multi_label)["loss"]
    model.compile(optimizer, loss, jit_compile=False)
    batches = with_targets(tunable.batches, classes, replace(settings, mix="none"))
    steps = tunable.batches.steps_per_epoch  # the first pass includes tracing
    ends: list[float] = []

    def done(batch: int, logs: Any) -> None:
        ends.append(time.perf_counter())
        enough = len(ends) >= 2 * steps and ends[-1] - ends[steps - 1] > MEASURED
        model.stop_training = enough

    with naming_bad_files():
        model.fit(
            batches.train,
            steps_per_epoch=ROUNDS * steps,  # as one epoch: starting another takes time
            shuffle=False,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=done)],
        )
    return ends


def tell_plan(epochs: int, views: int | None, seconds: float) -> None:
    """Say how the remaining time is spent.

    Args:
        epochs: Of fine-tuning; 0 for none.
        views: Views used; None where images are augmented differently in each epoch.
        seconds: From now to the end of the run.
    """
    words = f"{max(seconds, 0):.0f} s are left"
    if not epochs:
        say(f"{words}, too few for fine-tuning: only the head is trained.")
        return
    words += f": {epochs} epoch{'s' * (epochs > 1)}"
    if views:
        words += f" on {views} view{'s' * (views > 1)} and the original photos"
    say(words)
