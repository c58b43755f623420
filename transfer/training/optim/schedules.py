"""Learning-rate schedules."""

from __future__ import annotations

import math
from typing import Any

import keras


def make_schedule(
    name: str, peak: float, steps: int, accumulate: int = 1
) -> keras.optimizers.schedules.LearningRateSchedule | float:
    """Return the learning rate of each batch.

    Args:
        name: ``cosine`` (`warm_cosine`), ``onecycle`` (`OneCycle`) or ``constant``.
        peak: The highest rate.
        steps: Batches in all epochs together.
        accumulate: Batches per update. Keras counts steps in batches.
    """
    if name == "constant":
        return peak
    updates = max(1, steps // accumulate)
    schedule = warm_cosine(peak, updates) if name == "cosine" else OneCycle(peak, updates)
    return schedule if accumulate == 1 else PerUpdate(schedule, accumulate)


@keras.saving.register_keras_serializable("transfer")
class PerUpdate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A schedule over updates of several batches each.

    Args:
        schedule: The rate of each update.
        batches: Batches per update.
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
    """Return a rate that rises to `peak` over a tenth of the steps and falls to 0 along a cosine.

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
    """A rate that rises along a cosine over a quarter of the steps, then falls to almost 0.

    L. Smith and N. Topin, "Super-Convergence", 2018, in the form of fastai: from ``peak / 25``
    through `peak` to ``peak / 250,000``. The momentum is constant.

    Args:
        peak: The highest rate.
        steps: Total number of weight updates.
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
