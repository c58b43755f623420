"""How long a training is, and how the learning rate runs over it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import keras

from transfer.errors import UsageError
from transfer.recipe import Recipe

EPOCHS = 8  # of fine-tuning, at least
UPDATES = 100  # of the weights, at least: few photos need more epochs for them
MOST_EPOCHS = 50  # more of the same few photos teaches nothing
RATE, RATE_WITHOUT_NORMALISATION = 5e-4, 1e-4
SMOOTHING = 0.1
ENOUGH_TO_SMOOTH = 1000  # images


def settle(recipe: Recipe, images: int, base: keras.Model) -> Recipe:
    """Return a recipe whose epochs, learning rate and label smoothing are settled.

    A few steps at the usual rate lead away from the solved head and not back: few photos need more
    epochs to become as many steps.

    Args:
        recipe: These may be None.
        images: Number of training images.
        base: The backbone.

    Raises:
        UsageError: There are fewer batches than are accumulated for one update.
    """
    batches = math.ceil(images / recipe.batch_size)
    updates = batches / recipe.accumulate  # in one epoch
    epochs = recipe.epochs or min(MOST_EPOCHS, max(EPOCHS, math.ceil(UPDATES / updates)))
    check_updates(recipe, batches, epochs)
    smoothing = recipe.label_smoothing
    if smoothing is None:
        smoothing = SMOOTHING if images >= ENOUGH_TO_SMOOTH else 0.0
    rate = recipe.learning_rate or (RATE if _normalises(base) else RATE_WITHOUT_NORMALISATION)
    return replace(recipe, epochs=epochs, learning_rate=rate, label_smoothing=smoothing)


def _normalises(base: keras.Model) -> bool:
    kinds = (
        keras.layers.BatchNormalization,
        keras.layers.GroupNormalization,
        keras.layers.LayerNormalization,
    )
    return any(isinstance(layer, kinds) for layer in base._flatten_layers())


def check_updates(recipe: Recipe, batches: int, epochs: int) -> None:
    """Raise UsageError where so few batches in each epoch never update the weights."""
    if recipe.accumulate > batches * epochs:
        raise UsageError(
            f"--accumulate {recipe.accumulate} never updates the weights: there are"
            f" {batches * epochs:,} batches in {epochs} epochs. Make it or the batches smaller."
        )


def epochs_of(recipe: Recipe) -> int:
    """Return the number of epochs of a recipe from `settle`."""
    assert recipe.epochs is not None
    return recipe.epochs


def rate_of(recipe: Recipe) -> float:
    """Return the learning rate of a recipe from `settle`."""
    assert recipe.learning_rate is not None
    return recipe.learning_rate


def make_schedule(
    name: str, peak: float, steps: int, accumulate: int = 1
) -> keras.optimizers.schedules.LearningRateSchedule | float:
    """Return the learning rate of each batch.

    Args:
        name: ``cosine`` (`warm_cosine`), ``onecycle`` (`OneCycle`) or ``constant``.
        peak: The highest rate.
        steps: Batches in all.
        accumulate: Batches that make one update. Keras counts batches.
    """
    if name == "constant":
        return peak
    updates = max(1, steps // accumulate)
    schedule = warm_cosine(peak, updates) if name == "cosine" else OneCycle(peak, updates)
    return schedule if accumulate == 1 else PerUpdate(schedule, accumulate)


@keras.saving.register_keras_serializable("transfer")
class PerUpdate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A schedule of updates, each of which takes several batches.

    Args:
        schedule: The rate of each update.
        batches: How many make one.
    """

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule, batches: int
    ) -> None:
        self.schedule = schedule
        self.batches = batches

    def __call__(self, step: Any) -> Any:
        return self.schedule(keras.ops.floor_divide(step, self.batches))

    def get_config(self) -> dict[str, Any]:
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "batches": self.batches}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PerUpdate:
        """Return what `get_config` describes."""
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["batches"])


def warm_cosine(peak: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return a rate that rises to `peak` over a tenth of the steps and falls to 0 as a cosine.

    I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017,
    without restarts.
    """
    warm_up = steps // 10
    if warm_up == 0:
        return keras.optimizers.schedules.CosineDecay(peak, decay_steps=steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=steps - warm_up, warmup_target=peak, warmup_steps=warm_up
    )


@keras.saving.register_keras_serializable("transfer")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A rate that rises as a cosine over a quarter of the steps and falls as one to almost 0.

    L. Smith and N. Topin, "Super-Convergence", 2018, in the form of fastai: from ``peak / 25``
    over `peak` to ``peak / 250,000``. The momentum stays as it is.

    Args:
        peak: The highest rate.
        steps: Updates of the weights in all.
    """

    def __init__(self, peak: float, steps: int) -> None:
        self.peak = peak
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        ops = keras.ops
        done = ops.clip(ops.cast(step, "float32") / self.steps, 0.0, 1.0)
        rise = _between(self.peak / 25, self.peak, done / 0.25)
        fall = _between(self.peak, self.peak / 250_000, (done - 0.25) / 0.75)
        return ops.where(done < 0.25, rise, fall)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "steps": self.steps}


def _between(start: float, end: float, share: Any) -> Any:
    return end + (start - end) * (1 + keras.ops.cos(math.pi * share)) / 2
