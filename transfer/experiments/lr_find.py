"""The learning rate range test: a short training whose rate rises until the loss does too."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from transfer.data.groups import number_groups
from transfer.errors import UsageError
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import naming_bad_files
from transfer.networks.classifier import build_extractor, is_from_scratch, layers_to_unfreeze
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.system.progress import bar
from transfer.training.balance import weigh_classes
from transfer.training.feature_plan import (
    choose_cut,
    compute_features,
    frozen_network,
    open_cache,
    views_of,
)
from transfer.training.head.fitting import fit_head
from transfer.training.optim.precision import resolve_mixed_precision
from transfer.training.optim.schedules import settle
from transfer.training.seeds import sow
from transfer.training.tuning.batches import Batches, Tuning, with_targets
from transfer.training.tuning.fit import compile_for_tuning
from transfer.training.tuning.history import History

LOWEST, HIGHEST, STEPS = 1e-7, 1.0, 100
QUIET = 25  # first steps, with rates that change nothing yet: what they show is noise
KERNEL = np.array([1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]) / 36.0


@dataclass(frozen=True)
class RateCurve:
    """What each learning rate did.

    Attributes:
        rates: Learning rate of each step, rising.
        losses: Training loss of its batch, before the step.
        smoothed: The same, as a weighted geometric mean of 11 neighbours.
        suggestion: Where the loss is low from the start, half the limit; else where the smoothed
            loss falls fastest; None where there is no limit, or no fall by more than noise.
        limit: From where on it stays above what it was at first; None where it does not.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None
    limit: float | None


def find_rate(
    folder: ImageFolder,
    recipe: Recipe,
    weights: Weights,
    sha256: Mapping[str, str],
    groups: Mapping[str, str],
) -> RateCurve:
    """Raise the rate from 1e-7 to 1 over 100 steps of fine-tuning, and look at the loss.

    L. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3. All is as
    in `transfer.training.train.train`, from the trained head on; nothing is kept but features.

    Args:
        folder: All images, each with its split.
        recipe: The knobs; rate, schedule and epochs do not matter.
        weights: The backbone's weights, present as a file (or "none").
        sha256: Path to hex digest of the file, for every image.
        groups: Path to the key of its group, for every image.

    Raises:
        UsageError: Nothing is to be fine-tuned.
    """
    sow(recipe)
    sides = folder.select("train"), folder.select("val")
    steps = STEPS * recipe.accumulate
    extractor = build_extractor(recipe, weights)
    base = extractor.get_layer(recipe.backbone)
    recipe = replace(
        settle(recipe, len(sides[0]), base),
        epochs=math.ceil(steps / math.ceil(len(sides[0]) / recipe.batch_size)),
        monitor="val_loss",
        mixed_precision=resolve_mixed_precision(recipe.mixed_precision),
    )
    with tempfile.TemporaryDirectory() as scratch:
        own = number_groups(groups, sides[0].paths)
        model, batches = _fine_tuning(extractor, sides, recipe, weights, sha256, own, Path(scratch))
        model = compile_for_tuning(model, base, recipe, steps)
        model.optimizer.learning_rate = rising(LOWEST, HIGHEST, steps)
        batches = with_targets(batches, model.output_shape[-1], recipe)
        with naming_bad_files():
            rates, losses = _climb(model, batches, steps, recipe.accumulate)
    return read_curve(rates, losses, guessing=math.log(model.output_shape[-1]))


def _fine_tuning(
    extractor: keras.Model,
    sides: tuple[ImageFolder, ImageFolder],
    recipe: Recipe,
    weights: Weights,
    sha256: Mapping[str, str],
    groups: np.ndarray,
    scratch: Path,
) -> tuple[keras.Model, Batches]:
    """Return the model as fine-tuning takes it up, and the batches that it gets."""
    base = extractor.get_layer(recipe.backbone)
    from_scratch = is_from_scratch(recipe, weights)
    chosen = layers_to_unfreeze(base, recipe.unfreeze, from_scratch)
    if not chosen:
        raise UsageError("Nothing is fine-tuned with --unfreeze none. Expected blocks to train.")
    counts = np.bincount(sides[0].labels, minlength=len(sides[0].classes)).tolist()
    class_weights = weigh_classes(counts, recipe.balance)
    cut = features = head = None
    if not from_scratch:
        cut, room = choose_cut(base, chosen, recipe, images=(len(sides[0]), len(sides[1])))
        views = min(views_of(recipe, len(sides[0]), tuned=cut is not None), room)
        network = frozen_network(extractor, base, cut, recipe)
        cache = open_cache(network, base, cut, weights, sha256)
        place = None if cut is None else scratch
        features = compute_features(network, sides, cache, place, views)
        history = History(scratch / "history.csv")
        head, _ = fit_head(*features, class_weights, recipe, history, groups)
    tuning = Tuning(extractor, base, chosen, cut, class_weights)
    return tuning.start(head or tuning.new_head(recipe), sides, features, recipe)[1:]


def _climb(
    model: keras.Model, batches: Batches, steps: int, accumulate: int
) -> tuple[list[float], list[float]]:
    """Train until the loss is that of two guesses; return the rate and the loss of each update."""
    guessing = math.log(model.output_shape[-1])  # the loss of one who knows nothing
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
    """Return the curve, with what can be read from it.

    A solved head leaves little to fall: the loss is at its floor, and so the fall over, long before
    the rate is too high. Where it starts below half of `guessing`, the end of what it bears tells
    more: the best rate is within a factor of 2 of the largest one that does not diverge (Y. Bengio,
    "Practical Recommendations for Gradient-Based Training of Deep Architectures", 2012).

    Args:
        rates: Learning rate of each step, rising.
        losses: Training loss of each step.
        guessing: The loss of one who knows nothing: ln of the number of classes.
    """
    logs = np.log(np.maximum(np.asarray(losses, dtype=float), 1e-7))  # one bad batch is one of many
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
    """Return the mean of each value and its neighbours; unlike that of fastai it does not lag."""
    smoothed: np.ndarray = _around(losses, KERNEL) / _around(np.ones(len(losses)), KERNEL)
    return smoothed


def _wobble(count: int) -> np.ndarray:
    """Return the deviation of each smoothed value where that of a single one is 1."""
    ones = np.ones(count)
    wobble: np.ndarray = np.sqrt(_around(ones, KERNEL**2)) / _around(ones, KERNEL)
    return wobble


def _around(row: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    half = len(kernel) // 2
    return np.convolve(row, kernel)[half : half + len(row)] if len(row) else row
