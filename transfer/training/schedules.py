"""How long a training is, and how the learning rate runs over it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import keras

from transfer.recipe import Recipe

EPOCHS, STEPS, MOST = 8, 100, 50
SMOOTHING, ENOUGH = 0.1, 1000  # share, and from how many images on


def settle(recipe: Recipe, images: int) -> Recipe:
    """Return a recipe whose epochs, patience and label smoothing are settled.

    A few steps at the usual rate lead away from the solved head and not back: few photos need more
    epochs to become as many steps.

    Args:
        recipe: These may be None.
        images: Number of training images.
    """
    steps = math.ceil(images / recipe.batch_size)
    epochs = recipe.epochs or min(MOST, max(EPOCHS, math.ceil(STEPS / steps)))
    smoothing = recipe.label_smoothing
    if smoothing is None:
        smoothing = SMOOTHING if images >= ENOUGH else 0.0
    patience = recipe.patience or max(5, epochs // 2)
    return replace(recipe, epochs=epochs, patience=patience, label_smoothing=smoothing)


def settled(recipe: Recipe) -> int:
    """Return the number of epochs of a recipe from `settle`."""
    assert recipe.epochs is not None
    return recipe.epochs


def make_schedule(
    name: str, peak: float, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule | float:
    """Return the learning rate of each step.

    Args:
        name: ``cosine`` (`warm_cosine`), ``onecycle`` (`OneCycle`) or ``constant``.
        peak: The highest rate.
        steps: Updates of the weights in all.
    """
    match name:
        case "cosine":
            return warm_cosine(peak, steps)
        case "onecycle":
            return OneCycle(peak, steps)
        case _:
            return peak


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
