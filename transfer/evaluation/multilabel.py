"""The evaluation of a model with several classes for each image: metrics and files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from transfer.errors import TransferError, option
from transfer.evaluation.metrics import without_leaks
from transfer.runs.multilabel_metrics import MultilabelClass, MultilabelMetrics
from transfer.runs.multilabel_predictions import MultilabelPredictions
from transfer.statistics.intervals import wilson_interval
from transfer.statistics.multilabel import (
    average_precisions,
    count_hits,
    f1_scores,
    macro_f1_of_sets,
    micro_f1,
    set_losses,
)
from transfer.system.csv import write_csv
from transfer.system.files import write_json

CHOSE_THE_THRESHOLDS = "chose_the_thresholds"


def write_multilabel_evaluation(
    directory: Path,
    predictions: MultilabelPredictions,
    split: str,
    leaks: Collection[str] = (),
    caveat: str | None = None,
) -> MultilabelMetrics:
    """Write predictions.csv, metrics.json, co_occurrence.csv, .png and .svg.

    Args:
        directory: An existing directory, a run's own or another one.
        predictions: At least one image.
        split: Name of the split, for example ``"val"``.
        leaks: Paths of images that training has seen, or near duplicates of them.
        caveat: Why the metrics are optimistic about new images.

    Returns:
        The metrics.
    """
    from transfer.evaluation.plots import plot_confusion_matrix

    metrics = compute_multilabel_metrics(predictions, split, leaks)
    metrics["caveat"] = caveat
    classes = predictions.classes
    predictions.write(directory / "predictions.csv")
    pairs = [(i, j) for i in range(len(classes)) for j in range(len(classes))]
    both, found = metrics["co_occurrence"], metrics["predicted_with"]
    write_csv(
        directory / "co_occurrence.csv",
        ["true", "with", "images", "predicted"],
        ([classes[i], classes[j], both[i][j], found[i][j]] for i, j in pairs),
    )
    plot_confusion_matrix(both, classes, directory / "co_occurrence.png", CO_OCCURRENCE)
    write_json(directory / "metrics.json", metrics)
    return metrics


CO_OCCURRENCE = ("Images of both classes", "Per cent of the class of the row", "and of", "of")


def compute_multilabel_metrics(
    predictions: MultilabelPredictions, split: str, leaks: Collection[str] = ()
) -> MultilabelMetrics:
    """Compute all metrics of a classifier on one split, ready for JSON.

    Args:
        predictions: n >= 1 images.
        split: Name of the split; copied into the result.
        leaks: Paths of images that were trained on, themselves or as near duplicates.

    Raises:
        TransferError: A probability is not finite.
    """
    if not np.isfinite(predictions.probabilities).all():
        raise TransferError(
            "Expected finite probabilities. Received: NaN or infinity, so training diverged."
            f" Lower {option('learning_rate')} and train again."
        )
    true, predicted = predictions.true, predictions.predicted
    counts = count_hits(predicted, true)
    precisions = average_precisions(predictions.probabilities, true)
    right = (predicted == true).all(axis=1)
    known = np.isfinite(precisions)
    metrics: MultilabelMetrics = {
        "split": split,
        "n": len(true),
        "mean_average_precision": float(precisions[known].mean()) if known.any() else 0.0,
        "macro_f1": macro_f1_of_sets(counts),
        "micro_f1": micro_f1(counts),
        "accuracy": float(right.mean()),
        "accuracy_ci95": list(wilson_interval(int(right.sum()), len(right))),
        "hamming_loss": float((predicted != true).mean()),
        "log_loss": float(set_losses(predictions.probabilities, true).mean()),
        "classes_per_image": float(true.sum(axis=1).mean()),
        "per_class": _per_class(predictions, counts, precisions),
        "co_occurrence": (true.T.astype(np.int64) @ true).tolist(),
        "predicted_with": (true.T.astype(np.int64) @ predicted).tolist(),
        "caveat": None,
    }
    leaked = np.array([path in leaks for path in predictions.paths])
    if leaked.any():
        metrics["leaked"] = without_leaks(leaked, right)
    return metrics


def _per_class(
    predictions: MultilabelPredictions, counts: np.ndarray, precisions: np.ndarray
) -> list[MultilabelClass]:
    rows: list[MultilabelClass] = []
    scores = f1_scores(counts)
    for i, name in enumerate(predictions.classes):
        right, predicted, support = map(int, counts[:, i])
        rows.append(
            {
                "class": name,
                "threshold": float(predictions.thresholds[i]),
                "average_precision": float(precisions[i]) if support else None,
                "precision": right / predicted if predicted else None,
                "recall": right / support if support else None,
                "f1": float(scores[i]) if support else None,
                "support": support,
                "predicted": predicted,
                "recall_ci95": list(wilson_interval(right, support)) if support else None,
            }
        )
    return rows
