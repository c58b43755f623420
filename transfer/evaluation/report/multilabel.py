"""The sections of the report where an image may be of several classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import DataError, RunError, call
from transfer.evaluation.report.album import Album, Photo
from transfer.evaluation.report.matrix import LEVELS, LONGEST_HEAD
from transfer.evaluation.report.words import LONGEST_TITLE, isolate, percent
from transfer.runs.multilabel_metrics import MultilabelMetrics
from transfer.runs.multilabel_predictions import MultilabelPredictions
from transfer.runs.run import Run
from transfer.statistics.multilabel import set_losses
from transfer.system.text import shorten

MOST_CLASSES = 60  # of the table of co-occurrences
MOST_MISTAKES = 18


@dataclass(frozen=True)
class Mistake:
    """An image of which not all classes are predicted rightly.

    Attributes:
        photo: The image.
        right: (class, probability) of those that are rightly predicted.
        missed: The same of those that it is of and not predicted as.
        wrong: The same of those that it is predicted as and not of.
    """

    photo: Photo
    right: tuple[tuple[str, float], ...]
    missed: tuple[tuple[str, float], ...]
    wrong: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Together:
    """One cell of the table of co-occurrences.

    Attributes:
        images: Images of both classes.
        predicted: Images of the class of the row that are predicted as that of the column.
        level: Shade, 0 to 10: `images` as a share of the row's class.
        title: Tooltip; empty where both are 0.
    """

    images: int
    predicted: int
    level: int
    title: str


def read_multilabel(run: Run, directory: Path) -> tuple[MultilabelPredictions, MultilabelMetrics]:
    """Return predictions and metrics of an evaluation.

    Raises:
        RunError: A file is missing or damaged, or they do not fit each other.
        DataError: predictions.csv has no images.
    """
    metrics = run.read_multilabel_metrics(directory)
    thresholds = [row["threshold"] for row in metrics["per_class"]]
    classes = run.classes
    if [row["class"] for row in metrics["per_class"]] != list(classes):
        problem = "names other classes"
    elif any(
        {len(table), *map(len, table)} != {len(classes)}
        for table in (metrics["co_occurrence"], metrics["predicted_with"])
    ):
        problem = "has a table of another size"
    else:
        problem = ""
    predictions = None
    if not problem:
        predictions = MultilabelPredictions.read(directory / "predictions.csv", classes, thresholds)
        if not predictions.paths:
            raise DataError(
                f"Expected at least one image in {directory / 'predictions.csv'}. Received: none."
                f" Evaluate a split that has images: {call('evaluate', 'RUN')}"
            )
        if metrics["n"] != len(predictions.paths):
            problem = f"has {metrics['n']} images"
    if predictions is None or problem:
        raise RunError(
            f"Expected {directory / 'metrics.json'} to fit classes.json and predictions.csv. It"
            f" {problem}. Write both again with: {call('evaluate', 'RUN')}"
        )
    return predictions, metrics


def multilabel_sections(
    predictions: MultilabelPredictions, metrics: MultilabelMetrics, album: Album
) -> dict[str, Any]:
    """Return the variables of the templates that have no counterpart for one class per image."""
    return {
        "heads": [shorten(name, LONGEST_HEAD) for name in predictions.classes],
        "together": _together(metrics, predictions.classes),
        "mistakes": _mistakes(predictions, album),
        "wrong_images": int((predictions.predicted != predictions.true).any(axis=1).sum()),
    }


def _together(metrics: MultilabelMetrics, classes: tuple[str, ...]) -> list[list[Together]]:
    if len(classes) > MOST_CLASSES:
        return []
    rows = []
    names = [isolate(shorten(name, LONGEST_TITLE)) for name in classes]
    for i, (both, found) in enumerate(
        zip(metrics["co_occurrence"], metrics["predicted_with"], strict=True)
    ):
        support = both[i] or 1
        cells = []
        for j, (images, predicted) in enumerate(zip(both, found, strict=True)):
            title = f"{images} of the {both[i]} images of {names[i]} are of {names[j]} too"
            if i == j:
                title = f"{both[i]} images of {names[i]}"
            title += f"; {predicted} are predicted as {names[j]}"
            shown = title if images or predicted else ""
            cells.append(Together(images, predicted, -int(-images / support * LEVELS // 1), shown))
        rows.append(cells)
    return rows


def _mistakes(predictions: MultilabelPredictions, album: Album) -> list[Mistake]:
    """Return the images with the highest loss among those that are not predicted rightly."""
    true, predicted = predictions.true, predictions.predicted
    loss = set_losses(predictions.probabilities, true)
    wrong = np.flatnonzero((true != predicted).any(axis=1))
    worst = sorted(wrong.tolist(), key=lambda i: (-loss[i], predictions.paths[i]))

    def named(i: int, mask: np.ndarray) -> tuple[tuple[str, float], ...]:
        row = predictions.probabilities[i]
        return tuple((predictions.classes[n], float(row[n])) for n in np.flatnonzero(mask))

    def facts(i: int) -> list[tuple[str, str]]:
        masks = ("Right", true[i] & predicted[i]), ("Missed", true[i] & ~predicted[i])
        return [
            (words, ", ".join(f"{isolate(name)} {percent(p, 0)}" for name, p in found))
            for words, mask in (*masks, ("Wrong", predicted[i] & ~true[i]))
            if (found := named(i, mask))
        ]

    return [
        Mistake(
            album.show(predictions.paths[i], *facts(i)),
            named(i, true[i] & predicted[i]),
            named(i, true[i] & ~predicted[i]),
            named(i, predicted[i] & ~true[i]),
        )
        for i in worst[:MOST_MISTAKES]
    ]
