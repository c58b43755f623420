"""Model selection: the head's model, the best epoch or an interpolation, whichever is best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from transfer.networks.saved.model import load_weights_file
from transfer.recipe import MONITORS
from transfer.runs.info import Choice, Figures
from transfer.settings import Settings
from transfer.statistics.metrics import score
from transfer.statistics.multilabel import HALF, score_sets
from transfer.statistics.paired import mcnemar
from transfer.system.progress import say
from transfer.training.keep.checkpoint import save_model, variables_that_train
from transfer.training.setup import Tunable
from transfer.training.tuning.fit import Tuned
from transfer.training.tuning.history import finite

SHARES = (0.25, 0.5, 0.75)  # of the way from the start to the last epoch


@dataclass(frozen=True)
class Candidate:
    """Weights, and how well they do on the validation images.

    Attributes:
        name: ``head``, ``epoch 7`` or ``50% of fine-tuning``.
        weights: Values of the variables that train.
        right: bool array (n,): which images are classified correctly.
        figures: val_loss, val_accuracy and val_macro_f1.
    """

    name: str
    weights: Sequence[np.ndarray]
    right: np.ndarray
    figures: Mapping[str, float]

    def rank(self, monitor: str) -> tuple[float, float]:
        """Return a key that is larger for better candidates; val_loss breaks ties."""
        if not all(map(math.isfinite, self.figures.values())):
            return -math.inf, -math.inf
        value = self.figures[monitor]
        return value if MONITORS[monitor] == "max" else -value, -self.figures["val_loss"]


def keep_the_best(
    tunable: Tunable, tuned: Tuned, settings: Settings, path: Path, to: Path | None = None
) -> tuple[Choice, Figures]:
    """Save the best of the candidates, all evaluated on the same validation images.

    These are the start, the best epoch, and with ``interpolate`` points on the line from the start
    to the last epoch, which keep some of what fine-tuning forgets (WiSE-FT: M. Wortsman et al.,
    "Robust fine-tuning of zero-shot models", 2022). Ties go to the simpler candidate: a point has
    to beat the best epoch by the monitor, or equal it with a lower val_loss; and the start is kept
    unless a candidate beats it by the monitor.

    Args:
        tunable: As it is after the last epoch.
        tuned: The outcome of fine-tuning.
        settings: If the monitor is a training figure, which the head does not have, the best epoch
            is kept.
        path: model.keras, with the best epoch.
        to: Where the chosen model is saved, if not at `path`.

    Returns:
        What was kept and why, and its figures; none for the head.

    Raises:
        TransferError: The disk is full.
    """
    monitor = settings.monitor
    if not monitor.startswith("val_"):
        return Choice(f"epoch with the best {monitor}"), finite(tuned.best_logs)
    candidates = _candidates(tunable, tuned, settings, path)
    head = candidates[0]
    chosen = max(candidates[1:], key=lambda each: each.rank(monitor), default=head)
    if chosen.rank(monitor)[0] <= head.rank(monitor)[0]:
        chosen = head
    choice = _choice(chosen, candidates, monitor)
    say(f"Kept: {choice.kept}: {choice.why}")
    _assign(variables_that_train(tunable.model), chosen.weights)
    save_model(tunable.classifier, to or path)
    return choice, {} if chosen is head else finite(chosen.figures)


def _candidates(tunable: Tunable, tuned: Tuned, settings: Settings, path: Path) -> list[Candidate]:
    """Return the candidates, the head first."""
    variables = variables_that_train(tunable.model)
    last = [np.asarray(variable).copy() for variable in variables]

    def candidate(name: str, weights: Sequence[np.ndarray]) -> Candidate:
        _assign(variables, weights)
        probabilities, truth = predict_val(tunable, tuned)
        if settings.multi_label:
            right = ((probabilities > HALF) == (truth > HALF)).all(axis=1)
            found = score_sets(probabilities, truth)
        else:
            labels = truth.argmax(axis=1)
            right, found = probabilities.argmax(axis=1) == labels, score(probabilities, labels)
        figures = {f"val_{key}": value for key, value in found.items()}
        return Candidate(name, weights, right, figures)

    candidates = [candidate("head", tuned.start)]
    if tuned.best_epoch is not None:
        load_weights_file(tunable.classifier, path)
        weights = [np.array(variable) for variable in variables]
        candidates.append(candidate(f"epoch {tuned.best_epoch + 1}", weights))
    for share in SHARES if settings.interpolate else ():
        weights = [a + np.float32(share) * (b - a) for a, b in zip(tuned.start, last, strict=True)]
        candidates.append(candidate(f"{share:.0%} of fine-tuning", weights))
    return candidates


def predict_val(tunable: Tunable, tuned: Tuned) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and targets of the validation images, (n, classes), with the weights
    that the model has now."""
    parts = [
        (tunable.model.predict_on_batch(inputs), targets)
        for inputs, targets in tuned.val.as_numpy_iterator()
    ]
    probabilities, targets = map(np.concatenate, zip(*parts, strict=True))
    return probabilities, targets


def _assign(variables: Sequence[keras.Variable], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _choice(chosen: Candidate, candidates: Sequence[Candidate], monitor: str) -> Choice:
    """Return what was kept, compared with the head image by image."""
    head = candidates[0]
    gained = int((chosen.right & ~head.right).sum())
    lost = int((head.right & ~chosen.right).sum())
    values = {each.name: each.figures[monitor] for each in candidates}
    if chosen is head:
        why = f"no other candidate had a better {monitor} than its {values['head']:.4f}"
    else:
        why = (
            f"{monitor} {values[chosen.name]:.4f}, against {values['head']:.4f} for the head alone;"
            f" of {len(head.right):,} validation images, {gained} are now right and {lost} no"
            f" longer (McNemar's test: p = {mcnemar(gained, lost):.2g}, optimistic because the"
            " choice was made on the same images)"
        )
    return Choice(chosen.name, why, monitor, finite(values), gained, lost)
