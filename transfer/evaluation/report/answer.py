"""What the page says first: how good the model is, in one sentence, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from transfer.evaluation.evaluate import CHOSE_THE_MODEL, TRAINED_ON
from transfer.evaluation.report.words import isolate, percent
from transfer.runs.info import FoldsInfo, LabelErrors
from transfer.runs.metrics import ClassMetrics, Metrics
from transfer.statistics.f1_intervals import macro_f1_interval

FEW = 10  # images of a class, below which its recall says little
WIDE = 0.10  # of the interval of the accuracy
CHANCE = 0.025  # p-value of a one-sided test


@dataclass(frozen=True)
class Headline:
    """The accuracy to trust.

    Attributes:
        kind: ``folds``: of a cross-validation, where the evaluated images chose the model;
            ``clean``: without images that training has seen; ``all``.
        accuracy: 0..1.
        interval: Its 95 % interval.
        n: Number of images.
        macro_f1: Of the same images; None where it is known with leaked ones only.
        macro_f1_interval: Its 95 % interval; None where it is not known.
        uneven: Whether classes are so uneven that macro-F1 leads.
        thin: Classes with a single image, on which macro-F1 hangs.
    """

    kind: str
    accuracy: float
    interval: tuple[float, float]
    n: int
    macro_f1: float | None
    macro_f1_interval: tuple[float, float] | None
    uneven: bool
    thin: tuple[str, ...]


def headline(
    metrics: Metrics, uneven: bool, caveat: str | None = None, folds: FoldsInfo | None = None
) -> Headline:
    """Return the figures that the page leads with.

    Args:
        metrics: Of the evaluation.
        uneven: Whether the training classes are uneven.
        caveat: Why the metrics are optimistic, from `transfer.evaluation.evaluate.find_caveat`.
        folds: The figures of the cross-validation; None without.
    """
    thin = tuple(row["class"] for row in metrics["per_class"] if row["support"] == 1)
    if caveat == CHOSE_THE_MODEL and folds is not None:
        low, high = folds.accuracy_ci95
        return Headline(
            "folds", folds.accuracy, (low, high), folds.n, folds.macro_f1, None, uneven, ()
        )
    if "leaked" in metrics:
        leaked = metrics["leaked"]
        accuracy, bounds = leaked["accuracy_without"], leaked["accuracy_without_ci95"]
        if accuracy is not None and bounds is not None:
            around = (bounds[0], bounds[1])
            return Headline("clean", accuracy, around, leaked["n_without"], None, None, False, thin)
    low, high = metrics["accuracy_ci95"]
    around = macro_f1_interval(np.array(metrics["confusion_matrix"]))
    score = metrics["macro_f1"]
    return Headline(
        "all", metrics["accuracy"], (low, high), metrics["n"], score, around, uneven, thin
    )


@dataclass(frozen=True)
class Advice:
    """The one thing to do next.

    Attributes:
        words: What to do, and why.
        target: Id of the section that shows it; "" where there is none.
    """

    words: str
    target: str = ""


def recommend(
    metrics: Metrics,
    caveat: str | None,
    trained: Mapping[str, int],
    label_errors: LabelErrors | None,
) -> Advice:
    """Return what would help most.

    Args:
        metrics: Of the evaluation.
        caveat: Why the metrics are optimistic.
        trained: Class to number of training images; empty where it is not known.
        label_errors: How many labels look wrong; None where that was not checked.
    """
    n, wrong = metrics["n"], round((1 - metrics["accuracy"]) * metrics["n"])
    if caveat == TRAINED_ON:
        return Advice("Evaluate on images that the model was not trained on.")
    if label_errors and label_errors.reliable and label_errors.likely >= max(3, n / 100):
        return Advice(
            f"Look at {label_errors.likely} labels: that many of the training and validation images"
            " seem to be in the wrong class.",
            "label-errors",
        )
    weak = _weak_class(metrics["per_class"], trained)
    if weak is not None:
        return weak
    low, high = metrics["accuracy_ci95"]
    if high - low > WIDE:
        return Advice(
            f"Evaluate on more images: {n} leave the accuracy uncertain by"
            f" {100 * (high - low):.0f} points."
        )
    if metrics["most_confused"] and wrong:
        pair = metrics["most_confused"][0]
        names = isolate(pair["true"]), isolate(pair["predicted"])
        share = pair["count"] / wrong
        return Advice(
            f"Look at the images of {names[0]} that are predicted as {names[1]}: they are"
            f" {percent(share, 0)} of all mistakes.",
            "mistakes",
        )
    return Advice("Nothing stands out. Try the model on images from another day, place or camera.")


def _weak_class(rows: Sequence[ClassMetrics], trained: Mapping[str, int]) -> Advice | None:
    """Return the advice to collect images of the class that is recognised worst beyond chance."""
    weak = _beyond_chance(rows)
    few = [row for row in rows if row["support"] < FEW]
    if weak:
        row = min(weak, key=lambda row: row["recall"] or 0.0)
        seen = trained.get(row["class"])
        so_far = f" There are {seen} for training." if seen else ""
        return Advice(
            f"Collect images of {isolate(row['class'])}: {percent(row['recall'], 0)} of its"
            f" {row['support']} are recognised, fewer than of the others beyond chance.{so_far}",
            "classes",
        )
    if few and len(few) < len(rows):
        row = min(few, key=lambda row: row["support"])
        return Advice(
            f"Collect images of {isolate(row['class'])}: with {row['support']} to evaluate, its"
            " figures say little.",
            "classes",
        )
    return None


def _beyond_chance(rows: Sequence[ClassMetrics]) -> list[ClassMetrics]:
    """Return the classes of which fewer are recognised than of all others together, beyond chance.

    By Fisher's exact test, one-sided, corrected for the number of classes (Bonferroni): of 200
    equal classes, some are far below the mean by chance alone.
    """
    present = [row for row in rows if row["recall"] is not None and row["support"]]
    right = [round((row["recall"] or 0.0) * row["support"]) for row in present]
    total, hits = sum(row["support"] for row in present), sum(right)
    return [
        row
        for row, own in zip(present, right, strict=True)
        if _at_most(own, row["support"], hits, total) * len(present) < CHANCE
    ]


def _at_most(own: int, size: int, hits: int, total: int) -> float:
    """Return how probable it is to draw at most `own` of `hits`, in `size` draws from `total`."""
    from scipy.special import gammaln

    def ways(n: int, k: np.ndarray) -> np.ndarray:
        return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))

    k = np.arange(max(0, size - (total - hits)), own + 1)
    logs = ways(hits, k) + ways(total - hits, size - k) - ways(total, np.array(size))
    return float(np.exp(logs).sum())
