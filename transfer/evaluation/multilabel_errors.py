"""Finds labels that the other images contradict, where an image may have several.

Each class is judged by itself: an image is of it, or not. Its probability comes from logistic
regressions on the features of other folds; `transfer.evaluation.label_errors` ranks and counts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from transfer.evaluation.label_errors import (
    MOST_LISTED,
    Candidates,
    LabelledVectors,
    count_label_errors,
    find_label_errors,
)
from transfer.runs.info import LabelErrors
from transfer.system.csv import write_csv
from transfer.system.names import join_names


def write_multilabel_errors(
    directory: Path, images: LabelledVectors, targets: np.ndarray, probabilities: np.ndarray
) -> LabelErrors:
    """Write label_errors.csv: path, given and suggested classes, score; and no outliers.

    A row is about one class of one image, which `suggested` adds or leaves out. The score is the
    probability that what is given is right.

    Args:
        directory: Where the file goes.
        images: Training and validation images.
        targets: float32 array (n, classes) of 0 and 1: what is given.
        probabilities: float32 array (n, classes), out of fold.

    Returns:
        How many labels are probably wrong, over the classes that can be judged.
    """
    suspects: list[tuple[float, int, int]] = []
    judged: list[LabelErrors] = []
    for number in range(targets.shape[1]):
        given = targets[:, number].astype(np.int64)
        own = probabilities[:, number]
        both = np.column_stack([1 - own, own])
        if not 0 < given.sum() < len(given):
            continue
        found = find_label_errors(both, given)
        judged.append(count_label_errors(found, both, given))
        suspects += _suspects(found, number)
    names = images.classes
    rows = []
    for score, row, number in sorted(suspects)[:MOST_LISTED]:
        given = targets[row] > 0.5
        other = given.copy()
        other[number] = not given[number]
        sets = [join_names(n for n, is_of in zip(names, each, strict=True) if is_of)
                for each in (given, other)]  # fmt: skip
        rows.append([images.paths[row], *(each or "(none)" for each in sets), f"{score:.4g}"])
    write_csv(directory / "label_errors.csv", ["path", "given", "suggested", "score"], rows)
    write_csv(directory / "outliers.csv", ["path", "label", "distance"], [])
    return _sum(judged, len(targets))


def _suspects(found: Candidates, number: int) -> list[tuple[float, int, int]]:
    return [(float(found.scores[row]), int(row), number) for row in found.rows]


def _sum(judged: list[LabelErrors], images: int) -> LabelErrors:
    """Return the sum over the classes whose model is accurate enough to judge."""
    sure = [each for each in judged if each.reliable]
    chosen = sure or judged
    return LabelErrors(
        likely=sum(each.likely for each in chosen),
        images=images,
        low=sum(each.low or 0 for each in chosen),
        high=sum(each.high or 0 for each in chosen),
        accuracy=float(np.mean([each.accuracy or 0.0 for each in chosen])) if chosen else 0.0,
        reliable=bool(sure),
    )
