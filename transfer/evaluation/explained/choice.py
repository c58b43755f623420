"""Which photos of an evaluation are explained in its report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer.evaluation.metrics import image_losses
from transfer.runs.multilabel_predictions import MultilabelPredictions
from transfer.runs.predictions import Predictions
from transfer.system.names import join_names

MOST = 24  # explanations of a report
MOST_HITS = 12


@dataclass(frozen=True)
class Chosen:
    """A photo, and the class that is explained.

    Attributes:
        path: Relative to the data folder.
        true: Its class; several are joined by ``|``.
        predicted: The same of the prediction.
        number: Index of the class that is explained.
        confidence: The probability of the predicted class; where a photo may be of several classes,
            of the one that is explained.
    """

    path: str
    true: str
    predicted: str
    number: int
    confidence: float


def choose(predictions: Predictions, most: int = MOST) -> list[Chosen]:
    """Return the worst mistakes, the worst first, then the surest hit of each class.

    A mistake is explained for the class that it was taken for. Hits have half of the places: where
    there are more classes, those that the mistakes are about come first.
    """
    sure = predictions.probabilities.max(axis=1)
    guess = predictions.probabilities.argmax(axis=1)
    losses, right = image_losses(predictions), guess == predictions.true
    by_loss = _sorted(-losses, predictions.paths, np.flatnonzero(~right))
    by_trust = _sorted(-sure, predictions.paths, np.flatnonzero(right))
    hits: dict[int, int] = {}
    for row in by_trust:
        hits.setdefault(int(guess[row]), row)
    concerned = [int(number) for row in by_loss for number in (guess[row], predictions.true[row])]
    best = _first(hits, concerned, most, len(by_loss))
    rows = [*by_loss[: most - len(best)], *best]
    classes = predictions.classes
    return [
        Chosen(
            predictions.paths[row],
            classes[predictions.true[row]],
            classes[guess[row]],
            int(guess[row]),
            float(sure[row]),
        )
        for row in rows
    ]


def choose_multilabel(predictions: MultilabelPredictions, most: int = MOST) -> list[Chosen]:
    """Return the same where a photo may be of several classes.

    A mistake is one class of a photo that was predicted wrongly, or missed.
    """
    shares, true = predictions.probabilities.astype(np.float64), predictions.true
    right = true == predictions.predicted
    loss = np.where(true, shares, 1 - shares)  # the probability of what is true
    names = [
        f"{path}/{number:05d}" for path in predictions.paths for number in range(true.shape[1])
    ]
    flat = _sorted(loss.ravel(), names, np.flatnonzero(~right))
    sure = _sorted(-shares.ravel(), names, np.flatnonzero(right & true))
    hits: dict[int, int] = {}
    for cell in sure:
        hits.setdefault(cell % true.shape[1], cell)
    best = _first(hits, [cell % true.shape[1] for cell in flat], most, len(flat))
    cells = [divmod(cell, true.shape[1]) for cell in [*flat[: most - len(best)], *best]]
    return [
        Chosen(
            predictions.paths[row],
            join_names(predictions.names(true[row])),
            join_names(predictions.names(predictions.predicted[row])),
            number,
            float(predictions.probabilities[row, number]),
        )
        for row, number in cells
    ]


def _first(hits: dict[int, int], concerned: list[int], most: int, mistakes: int) -> list[int]:
    """Return the hits that are shown, in the order of their classes."""
    places = max(min(most // 2, MOST_HITS), most - mistakes)
    order = [*dict.fromkeys(number for number in concerned if number in hits)]
    order += [number for number in sorted(hits) if number not in order]
    return [hits[number] for number in sorted(order[:places])]


def _sorted(key: np.ndarray, names: tuple[str, ...] | list[str], rows: np.ndarray) -> list[int]:
    """Return `rows` with the lowest `key` first, by name where keys are equal."""
    return sorted((int(row) for row in rows), key=lambda row: (key[row], names[row]))
