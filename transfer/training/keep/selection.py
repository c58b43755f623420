"""Do no harm: the solved head, the best epoch or a point between them, whichever is best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.recipe import MONITORS, Recipe
from transfer.system.progress import say
from transfer.training.keep.checkpoint import save_model, variables_that_train
from transfer.training.tuning.fit import Tuned
from transfer.training.tuning.history import finite
from transfer.training.tuning.metrics import judge

SHARES = (0.25, 0.5, 0.75)  # of the way from the start to the last epoch


@dataclass(frozen=True)
class Candidate:
    """Some weights, and what they make of the validation images.

    Attributes:
        name: ``head``, ``epoch 7`` or ``50% of fine-tuning``.
        weights: Values of the variables that train.
        right: bool array (n,): which images are recognised.
        figures: val_loss, val_accuracy and val_macro_f1.
    """

    name: str
    weights: Sequence[np.ndarray]
    right: np.ndarray
    figures: Mapping[str, float]

    def rank(self, monitor: str) -> tuple[float, float]:
        """Return what is the larger, the better it is; of equals the surer is better."""
        if not all(map(math.isfinite, self.figures.values())):
            return -math.inf, -math.inf
        value = self.figures[monitor]
        return value if MONITORS[monitor] == "max" else -value, -self.figures["val_loss"]


def keep_the_best(
    model: keras.Model,
    classifier: keras.Model,
    tuned: Tuned,
    recipe: Recipe,
    path: Path,
    to: Path | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Save the best of the candidates, all judged on the same images.

    These are the start, the best epoch, and with ``interpolate`` points on the line from the start
    to the last epoch, which keep some of what fine-tuning forgets (WiSE-FT: M. Wortsman et al.,
    "Robust fine-tuning of zero-shot models", 2022). The simpler has the first word: a point has to
    be better than the best epoch by the recipe's monitor, or as good and better by val_loss; and
    what takes the place of the start better by the monitor.

    Args:
        model: The classifier, or the part of it above a cut that shares its layers, as the last
            epoch left it.
        classifier: What is saved.
        tuned: What the fit has left.
        recipe: The knobs. With a training figure for a monitor, the head has none to be beaten:
            the best epoch is kept.
        path: model.keras, with the best epoch.
        to: Where the chosen model is saved, if not in its place.

    Returns:
        What was chosen and why, for run.json; and its figures, none for the head.

    Raises:
        TransferError: The disk is full.
    """
    if not recipe.monitor.startswith("val_"):
        return {"kept": f"epoch with the best {recipe.monitor}"}, finite(tuned.best_logs)
    variables = variables_that_train(model)
    last = [np.asarray(variable).copy() for variable in variables]

    def candidate(name: str, weights: Sequence[np.ndarray]) -> Candidate:
        _assign(variables, weights)
        parts = [
            (model.predict_on_batch(inputs), targets)
            for inputs, targets in tuned.val.as_numpy_iterator()
        ]
        probabilities, truth = map(np.concatenate, zip(*parts, strict=True))
        labels = truth.argmax(axis=1)
        figures = {f"val_{key}": value for key, value in judge(probabilities, labels).items()}
        return Candidate(name, weights, probabilities.argmax(axis=1) == labels, figures)

    head = candidate("head", tuned.start)
    candidates = [head]
    if tuned.best_epoch is not None:
        classifier.load_weights(path)
        weights = [np.array(variable) for variable in variables]
        candidates.append(candidate(f"epoch {tuned.best_epoch + 1}", weights))
    for share in SHARES if recipe.interpolate else ():
        weights = [a + np.float32(share) * (b - a) for a, b in zip(tuned.start, last, strict=True)]
        candidates.append(candidate(f"{share:.0%} of fine-tuning", weights))
    chosen = max(candidates[1:], key=lambda each: each.rank(recipe.monitor), default=head)
    if chosen.rank(recipe.monitor)[0] <= head.rank(recipe.monitor)[0]:
        chosen = head
    choice = _compare(chosen, head, candidates, recipe.monitor)
    _assign(variables, chosen.weights)
    save_model(classifier, to or path)
    return choice, {} if chosen is head else finite(chosen.figures)


def _assign(variables: Sequence[keras.Variable], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _compare(
    chosen: Candidate, head: Candidate, candidates: Sequence[Candidate], monitor: str
) -> dict[str, Any]:
    """Say what was chosen, and compare it with the head image by image."""
    from scipy.stats import binomtest

    gained = int((chosen.right & ~head.right).sum())
    lost = int((head.right & ~chosen.right).sum())
    values = {each.name: each.figures[monitor] for each in candidates}
    if chosen is head:
        why = f"no other had a better {monitor} than its {values['head']:.4f}"
    else:
        # McNemar's exact test: of the images on which the two disagree, is it more than chance?
        p_value = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
        why = (
            f"{monitor} {values[chosen.name]:.4f} against {values['head']:.4f} of the head alone;"
            f" of {len(head.right):,} images {gained} more are recognised and {lost} no longer"
            f" (p = {p_value:.2g}; they also chose, so it flatters)"
        )
    say(f"Kept: {chosen.name}: {why}")
    return {
        "kept": chosen.name,
        "why": why,
        "monitor": monitor,
        "candidates": finite(values),
        "gained": gained,
        "lost": lost,
    }
