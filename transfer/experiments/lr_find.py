"""The learning rate range test: a short training whose rate rises until the loss rises too."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from transfer.data.dataset import Dataset
from transfer.errors import UsageError, option
from transfer.images.pipeline import naming_bad_files
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.system.progress import bar
from transfer.training.head.fitting import fit_head
from transfer.training.settle import settle
from transfer.training.setup import Setup, Tunable, compute_features, prepare
from transfer.training.tuning.batches import Batches, with_targets
from transfer.training.tuning.fit import compile_for_tuning
from transfer.training.tuning.history import History

LOWEST, HIGHEST, STEPS = 1e-7, 1.0, 100
QUIET = 25  # first steps, whose rates are too low to change anything: they show the noise
KERNEL = np.array([1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]) / 36.0


@dataclass(frozen=True)
class RateCurve:
    """The loss at each learning rate.

    Attributes:
        rates: Learning rate of each step, rising.
        losses: Training loss of its batch, before the step.
        smoothed: The same, as a weighted geometric mean of 11 neighbours.
        suggestion: Where the loss is low from the start, half the limit; otherwise where the
            smoothed loss falls fastest; None without a limit, or without a fall beyond the noise.
        limit: Rate from which the smoothed loss stays above its initial value; None without.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None
    limit: float | None


def find_rate(dataset: Dataset, recipe: Recipe, weights: Weights) -> RateCurve:
    """Raise the rate from 1e-7 to 1 over 100 steps of fine-tuning, and record the loss.

    L. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3. All else is
    as in `transfer.training.train.train`, from the fitted head on; only features are kept.

    Args:
        dataset: The images, each with its split.
        recipe: The knobs; rate, schedule and epochs do not matter.
        weights: The backbone's.

    Raises:
        UsageError: Nothing is to be fine-tuned.
    """
    steps = STEPS * recipe.accumulate
    settings, base = settle(recipe, dataset, weights)
    if not settings.fine_tunes:
        raise UsageError(
            f"Nothing is fine-tuned with {option('unfreeze', 'none')}. Expected blocks to train."
        )
    batches = math.ceil(len(dataset.train) / settings.batch_size)
    settings = replace(settings, epochs=math.ceil(steps / batches), monitor="val_loss")
    # loss of a uniform guess
    guessing = math.log(2 if settings.multi_label else len(settings.class_weights))
    with tempfile.TemporaryDirectory() as scratch:
        setup = prepare(settings, dataset, weights, Path(scratch), base)
        tunable = _fitted(setup)
        model = compile_for_tuning(tunable, settings, steps)
        model.optimizer.learning_rate = rising(LOWEST, HIGHEST, steps)
        with_soft = with_targets(tunable.batches, model.output_shape[-1], settings)
        with naming_bad_files():
            rates, losses = _climb(model, with_soft, steps, settings.accumulate, guessing)
    return read_curve(rates, losses, guessing)


def _fitted(setup: Setup) -> Tunable:
    """Return the model as it is when fine-tuning begins, and its batches."""
    if not setup.settings.pretrained:
        return setup.start(setup.new_head(), None)
    setup, features = compute_features(setup)
    history = History(setup.scratch / "history.csv")
    groups = setup.dataset.train.group_numbers()
    head, _ = fit_head(*features, setup.settings, history, groups)
    return setup.start(head, features)


def _climb(
    model: keras.Model, batches: Batches, steps: int, accumulate: int, guessing: float
) -> tuple[list[float], list[float]]:
    """Train until the loss is twice that of a uniform guess; return rate and loss per update."""
    rates: list[float] = []
    losses: list[float] = []
    waiting: list[float] = []  # losses of the batches since the last update
    with bar("Raising the rate", steps) as advance:
        for inputs, targets, weights in batches.train.take(steps):
            rate = float(model.optimizer.learning_rate)
            model.reset_metrics()
            loss = float(model.train_on_batch(inputs, targets, weights, return_dict=True)["loss"])
            advance(1)
            if not math.isfinite(loss):
                break
            waiting.append(loss)
            if len(waiting) < accumulate:
                continue
            rates.append(rate)
            losses.append(float(np.mean(waiting)))
            waiting.clear()
            if np.mean(losses[-5:]) > 2 * max(guessing, float(np.mean(losses[:QUIET]))):
                break
    return rates, losses


def rising(low: float, high: float, steps: int) -> keras.optimizers.schedules.ExponentialDecay:
    """Return a rate that rises by the same factor each step, from `low` to `high` at the last."""
    return keras.optimizers.schedules.ExponentialDecay(low, steps - 1, high / low)


def read_curve(rates: Sequence[float], losses: Sequence[float], guessing: float) -> RateCurve:
    """Return the curve with its suggestion and limit.

    With a solved head the loss starts near its floor, and its steepest fall comes long before the
    rate is too high. Where it starts below half of `guessing`, the limit says more: the best rate
    is within a factor of 2 of the largest one that does not diverge (Y. Bengio, "Practical
    Recommendations for Gradient-Based Training of Deep Architectures", 2012).

    Args:
        rates: Learning rate of each step, rising.
        losses: Training loss of each step.
        guessing: Loss of a uniform guess, ln(classes).
    """
    logs = np.log(
        np.maximum(np.asarray(losses, dtype=float), 1e-7)
    )  # logs: one bad batch counts little
    smoothed, quiet = smooth(logs), logs[:QUIET]
    suggestion = limit = None
    if len(losses) > QUIET:
        noise = 4 * quiet.std() * _wobble(len(losses))
        below = np.flatnonzero(smoothed <= quiet.mean() + noise)
        limit = rates[below[-1] + 1] if below[-1] + 1 < len(rates) else None
        lowest = int(smoothed[: -(len(KERNEL) // 2)].argmin())  # the last have few neighbours
        if limit is not None and quiet.mean() < math.log(guessing / 2):
            suggestion = limit / 2
        elif smoothed[lowest] < quiet.mean() - noise[lowest]:
            suggestion = rates[int(np.gradient(smoothed)[: lowest + 1].argmin())]
    return RateCurve(
        tuple(rates), tuple(losses), tuple(np.exp(smoothed).tolist()), suggestion, limit
    )


def smooth(losses: np.ndarray) -> np.ndarray:
    """Return weighted means of neighbours, which unlike fastai's do not lag behind."""
    smoothed: np.ndarray = _around(losses, KERNEL) / _around(np.ones(len(losses)), KERNEL)
    return smoothed


def _wobble(count: int) -> np.ndarray:
    """Return the standard deviation of each smoothed value, given 1 for each single value."""
    ones = np.ones(count)
    wobble: np.ndarray = np.sqrt(_around(ones, KERNEL**2)) / _around(ones, KERNEL)
    return wobble


def _around(row: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    half = len(kernel) // 2
    return np.convolve(row, kernel)[half : half + len(row)] if len(row) else row
