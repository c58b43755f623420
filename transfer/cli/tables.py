"""Results as text."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from transfer.system.names import join_names
from transfer.system.terminal import visible, visible_json

if TYPE_CHECKING:
    from transfer.api.prediction import Prediction

_NAMES = {"macro_f1": "macro-F1", "log_loss": "log loss", "ece": "calibration error"}

_CAVEATS = {
    "trained_on": "The model was trained on these images: this says nothing about new ones.",
    "chose_the_model": "These images also chose the model, so the accuracy is slightly optimistic.",
    "chose_the_thresholds": "These images also chose the thresholds, so F1 is slightly optimistic.",
}


def describe(metrics: Mapping[str, Any], uneven: bool = False) -> str:
    """Return a few lines on accuracy (macro-F1 for uneven classes) and the most confused pairs."""
    if "co_occurrence" in metrics:
        return _describe_multilabel(metrics)
    low, high = metrics["accuracy_ci95"]
    split = "" if metrics["split"] == "all" else f"{metrics['split']} "
    images, f1 = f"{metrics['n']:,} {split}images", f"{metrics['macro_f1']:.3f}"
    accuracy, interval = f"{metrics['accuracy']:.3f}", f"(95 % interval {low:.3f} to {high:.3f})"
    if uneven:
        guess = f"{metrics['majority_accuracy']:.3f} by always predicting the most frequent class"
        lines = [
            f"Macro-F1 {f1} on {images} (classes are uneven)",
            f"Accuracy {accuracy} {interval}, {guess}",
        ]
    else:
        lines = [f"Accuracy {accuracy} on {images} {interval}, macro-F1 {f1}"]
    if metrics.get("caveat") in _CAVEATS:
        lines.append(_CAVEATS[metrics["caveat"]])
    if "prior" in metrics:
        name, before = metrics["prior"]["name"], metrics["prior"]["without"]
        changes = [
            f"{_NAMES.get(key, key)} {before[key]:.3f} -> {metrics[key]:.3f}" for key in before
        ]
        prior = "given prior" if name == "given" else f"prior {name!r}"
        lines.append(f"With the {prior}: {', '.join(changes)}")
    leaked = metrics.get("leaked", {})
    if leaked:
        lines.append(
            f"{leaked['images']:,} of them were seen in training, or near duplicates of them"
        )
    if leaked.get("n_without"):
        low, high = leaked["accuracy_without_ci95"]
        lines.append(
            f"Accuracy {leaked['accuracy_without']:.3f} on the other {leaked['n_without']:,}"
            f" (95 % interval {low:.3f} to {high:.3f})"
        )
    pairs = metrics["most_confused"][:5]
    if pairs:
        lines.append("Most confused:")
        told = [f"{p['true']} predicted as {p['predicted']}: {p['count']}" for p in pairs]
        lines += [f"  {visible(each)}" for each in told]
    else:
        lines.append("No mistakes.")
    return "\n".join(lines)


def _describe_multilabel(metrics: Mapping[str, Any]) -> str:
    low, high = metrics["accuracy_ci95"]
    split = "" if metrics["split"] == "all" else f"{metrics['split']} "
    lines = [
        f"mAP {metrics['mean_average_precision']:.3f} on {metrics['n']:,} {split}images, macro-F1"
        f" {metrics['macro_f1']:.3f}, micro-F1 {metrics['micro_f1']:.3f}",
        f"All classes right: {metrics['accuracy']:.3f} of the images (95 % interval {low:.3f} to"
        f" {high:.3f})",
    ]
    if metrics["caveat"] in _CAVEATS:
        lines.append(_CAVEATS[metrics["caveat"]])
    if leaked := metrics.get("leaked"):
        lines.append(
            f"{leaked['images']:,} of them were seen in training, or near duplicates of them"
        )
    known = [row for row in metrics["per_class"] if row["f1"] is not None]
    weakest = sorted(known, key=lambda row: row["f1"])[:5]
    lines.append("Classes with the lowest F1:")
    lines += [
        f"  {visible(row['class'])}: F1 {row['f1']:.3f}, {row['support']:,} images,"
        f" {row['predicted']:,} predicted"
        for row in weakest
    ]
    return "\n".join(lines)


def describe_folds(folds: Mapping[str, Any]) -> str:
    """Return a line on a cross-validation."""
    low, high = folds["accuracy_ci95"]
    judge = "head on frozen features" if folds["phase"] == "head" else "fine-tuned model"
    return (
        f"Folds:  accuracy {folds['accuracy']:.3f} on {folds['n']:,} images, each predicted by a"
        f" {judge} not trained on it (95 % interval {low:.3f} to {high:.3f}; {folds['k']} folds,"
        f" standard deviation {folds['accuracy_std']:.3f}), macro-F1 {folds['macro_f1']:.3f}"
    )


def counted(number: int, noun: str) -> str:
    """Return ``"1 class"`` or ``"1,200 classes"``."""
    end = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{end}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return rows as aligned plain text, for pipes and screen readers.

    Args:
        header: Names of the columns.
        rows: Cells as text.
        right: Indices of the columns that are aligned to the right.
    """
    lines = [list(header), *([visible(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def write_table(predictions: Iterable[Prediction], top: int, file: IO[str], several: bool) -> None:
    """Write one line per image: its path and its `top` classes, in brackets where refused.

    With `several`, where an image may be of several classes, a `top` of 1 means all of them.
    """
    for each in predictions:
        shown = each.top(top)
        if several and top == 1:
            shown = [(label, each.probabilities[label]) for label in each.labels]
        best = "  ".join(f"{label} {p:.3f}" for label, p in shown)
        best = best or f"none (nearest: {each.label} {each.confidence:.3f})"
        best = f"refused ({best})" if each.refused else best
        print(visible(f"{each.path}: {best}"), file=file, flush=True)


def write_csv(predictions: Iterable[Prediction], top: int, file: IO[str], several: bool) -> None:
    """Write path, label, confidence and the probability of every class as CSV.

    With `several`, a column ``labels`` has all that an image is predicted as, joined by ``|``.
    For a run that refuses predictions, ``refused`` (0 or 1) is the last column.
    """
    from transfer.system.csv import csv_line

    for number, each in enumerate(predictions):
        rule = each.refused is not None
        if number == 0:
            names = ["path", "label", "confidence", *["labels"] * several]
            names += [f"p_{name}" for name in each.probabilities]
            file.write(csv_line([*names, *["refused"] * rule]))
        row = [each.path, each.label, f"{each.confidence:.9g}"]
        row += [join_names(each.labels)] * several
        row += [f"{p:.9g}" for p in each.probabilities.values()]
        file.write(csv_line([*row, *[int(bool(each.refused))] * rule]))
        file.flush()


def write_csv_bom(
    predictions: Iterable[Prediction], top: int, file: IO[str], several: bool
) -> None:
    """Write CSV after a byte-order mark, without which Excel takes UTF-8 for another encoding."""
    file.write("\ufeff")
    write_csv(predictions, top, file, several)


def write_json(predictions: Iterable[Prediction], top: int, file: IO[str], several: bool) -> None:
    """Write a JSON array, one object per image, in whole lines: warnings may come in between."""
    mark = "["
    for each in predictions:
        record = dataclasses.asdict(each) | {"top": each.top(top)}
        if each.refused is None:
            del record["refused"]  # there is no rule
        print(mark + visible_json(json.dumps(record, ensure_ascii=False)), file=file, flush=True)
        mark = ","
    print("]" if mark == "," else "[]", file=file)


PREDICTION_WRITERS = {
    "table": write_table,
    "csv": write_csv,
    "csv-bom": write_csv_bom,
    "json": write_json,
}
