"""The files of an evaluation: predictions, metrics and the confusion matrix."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from transfer.evaluation.metrics import compute_metrics
from transfer.runs.metrics import Metrics, PriorUsed
from transfer.runs.predictions import Predictions
from transfer.system.csv import write_csv
from transfer.system.files import write_json

TRAINED_ON, CHOSE_THE_MODEL = "trained_on", "chose_the_model"


def write_evaluation(
    directory: Path,
    predictions: Predictions,
    split: str,
    leaks: Collection[str] = (),
    prior: PriorUsed | None = None,
    caveat: str | None = None,
) -> Metrics:
    """Write predictions.csv, metrics.json, confusion_matrix.csv, .png and .svg.

    Args:
        directory: An existing directory, a run's own or another one.
        predictions: At least one image.
        split: Name of the split, for example ``"val"``.
        leaks: Paths of images that training has seen, or near duplicates of them.
        prior: The class frequencies that the predictions were corrected to; None where they are
            the model's own.
        caveat: Why the metrics are optimistic about new images, from `find_caveat`.

    Returns:
        The metrics.

    Raises:
        DataError: There is no image to evaluate. Nothing is written.
    """
    from transfer.evaluation.plots import plot_confusion_matrix

    metrics = compute_metrics(predictions, split, leaks)
    metrics["caveat"] = caveat
    if prior is not None:
        metrics["prior"] = prior
    matrix, classes = metrics["confusion_matrix"], predictions.classes
    predictions.write(directory / "predictions.csv")
    write_csv(
        directory / "confusion_matrix.csv",
        ["true\\predicted", *classes],
        ([name, *counts] for name, counts in zip(classes, matrix, strict=True)),
    )
    plot_confusion_matrix(matrix, classes, directory / "confusion_matrix.png")
    write_json(directory / "metrics.json", metrics)
    return metrics


def find_caveat(split: str, monitor: str, epochs: int) -> str | None:
    """Return what a run used the images of a split for before it was evaluated on them.

    Validation images choose the model only where there is more than one epoch to choose from. A
    head that is solved directly has a single one.

    Args:
        split: The split of the run's own images.
        monitor: What the run chose the best epoch by.
        epochs: Number of rows in the run's history.csv.

    Returns:
        ``"trained_on"``, ``"chose_the_model"``, or None where the images are new to the model.
    """
    if split == "train":
        return TRAINED_ON
    if split == "val" and epochs > 1 and monitor not in ("accuracy", "loss"):
        return CHOSE_THE_MODEL
    return None
