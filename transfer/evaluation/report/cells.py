"""The photos behind the confusion matrix: of each cell, of the most confused pairs, the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfer.evaluation.metrics import image_losses
from transfer.evaluation.report.album import Album, Photo, cell_id
from transfer.runs.metrics import Confusion
from transfer.runs.predictions import Predictions

MOST_WRONG, MOST_RIGHT = 60, 12  # photos that a box lists of a cell off and on the diagonal
MOST_WORST, MOST_PAIRS, MOST_OF_PAIR = 12, 8, 6


@dataclass(frozen=True)
class Shot:
    """One prediction as a page lists it.

    Attributes:
        path: Relative to the data folder.
        confidence: Probability of the predicted class, 0..1; None where it is not known.
        p_true: Probability of the true class, 0..1.
        true: Name of the true class.
        predicted: Name of the predicted class.
        photo: The photo; None where there is none to show.
    """

    path: str
    confidence: float | None
    p_true: float
    true: str
    predicted: str
    photo: Photo | None


@dataclass(frozen=True)
class Box:
    """The photos of one cell of the confusion matrix.

    Attributes:
        id: What the cell links to.
        true: Name of the true class.
        predicted: Name of the predicted class.
        count: Number of images of the cell.
        support: Number of images of the true class.
        shots: The most confident mistakes first; on the diagonal the least confident.
    """

    id: str
    true: str
    predicted: str
    count: int
    support: int
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Pair:
    """Two classes that the model confuses, and images of the confusion."""

    true: str
    predicted: str
    count: int
    share: float
    cell: str
    shots: tuple[Shot, ...]


def worst_mistakes(predictions: Predictions, album: Album, images: int = MOST_WORST) -> list[Shot]:
    """Return the wrongly classified images with the highest loss, the highest first.

    None where only what is predicted is known, by which no mistake is worse than another.
    """
    rows = worst_rows(predictions, images) if album.scored else []
    return [_shot(predictions, i, album.show(predictions.paths[i]), album) for i in rows]


def worst_rows(predictions: Predictions, images: int) -> list[int]:
    """Return the indices of the wrongly classified images, those with the highest loss first."""
    wrong = predictions.probabilities.argmax(axis=1) != predictions.true
    return _first(predictions, -image_losses(predictions), wrong, images)


def confused_pairs(
    predictions: Predictions, most_confused: Sequence[Confusion], album: Album
) -> list[Pair]:
    """Return the most confused pairs, each with the images the model was most confident about.

    Args:
        predictions: All predictions of the split.
        most_confused: As in metrics.json: true, predicted, count, share.
        album: Holds the photos of the page.
    """
    index = {name: i for i, name in enumerate(predictions.classes)}
    predicted = predictions.probabilities.argmax(axis=1)
    confidence = predictions.probabilities.max(axis=1)
    found = []
    for row in most_confused[:MOST_PAIRS]:
        true, other = index[row["true"]], index[row["predicted"]]
        here = (predictions.true == true) & (predicted == other)
        rows = _first(predictions, -confidence, here, MOST_OF_PAIR)
        shots = tuple(_shot(predictions, i, album.show(predictions.paths[i]), album) for i in rows)
        cell = cell_id(true, other)
        found.append(Pair(row["true"], row["predicted"], row["count"], row["share"], cell, shots))
    return found


def cell_boxes(predictions: Predictions, album: Album) -> list[Box]:
    """Return a box for each cell with images: all mistakes first, then the diagonal.

    Thumbnails go to mistakes before they go to what is right, as far as the page's budget reaches.
    """
    predicted = predictions.probabilities.argmax(axis=1)
    confidence = predictions.probabilities.max(axis=1)
    support = np.bincount(predictions.true, minlength=len(predictions.classes))
    rows = sorted(
        range(len(predictions.paths)),
        key=lambda i: (
            predicted[i] == predictions.true[i],
            predictions.true[i],
            predicted[i],
            confidence[i] if predicted[i] == predictions.true[i] else -confidence[i],
            predictions.paths[i],
        ),
    )
    cells: dict[tuple[int, int], list[int]] = {}
    for i in rows:
        cells.setdefault((int(predictions.true[i]), int(predicted[i])), []).append(i)
    boxes = []
    for (true, other), members in cells.items():
        most = MOST_RIGHT if true == other else MOST_WRONG
        shots = tuple(
            _shot(predictions, i, album.find(predictions.paths[i]), album) for i in members[:most]
        )
        names = predictions.classes[true], predictions.classes[other]
        boxes.append(Box(cell_id(true, other), *names, len(members), int(support[true]), shots))
    return boxes


def _first(predictions: Predictions, key: np.ndarray, among: np.ndarray, count: int) -> list[int]:
    """Return the `count` indices with the lowest `key`, by path where keys are equal."""
    chosen = [int(i) for i in among.nonzero()[0]]
    return sorted(chosen, key=lambda i: (key[i], predictions.paths[i]))[:count]


def _shot(predictions: Predictions, i: int, photo: Photo | None, album: Album) -> Shot:
    row, true = predictions.probabilities[i], int(predictions.true[i])
    best = int(row.argmax())
    return Shot(
        predictions.paths[i],
        float(row[best]) if album.scored else None,
        float(row[true]),
        predictions.classes[true],
        predictions.classes[best],
        photo,
    )
