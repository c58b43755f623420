"""Predictions as users of other trainers have them: arrays of labels, and probabilities."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import DataError, UsageError, did_you_mean
from transfer.runs.predictions import Predictions
from transfer.system.csv import read_csv
from transfer.system.files import damaged

_ROUNDING = 0.01  # of a sum of probabilities
_MOST_CLASSES = 10_000  # that are counted by the highest label


def read_csv_predictions(path: Path) -> Predictions:
    """Read a predictions.csv; its columns ``p_<class>`` name the classes.

    Raises:
        DataError: It is missing, has no image, or no such columns.
        RunError: It is damaged.
    """
    expected = "Expected a predictions.csv with the columns path, true and p_<class>"
    try:
        rows = read_csv(path)
    except FileNotFoundError as error:
        raise DataError(f"{expected}. There is no {str(path)!r}.") from error
    except (OSError, ValueError) as error:
        raise damaged(path, error, "Write it again.") from error
    header = list(rows[0]) if rows else []
    classes = [cell.removeprefix("p_") for cell in header if cell.startswith("p_")]
    if not classes or not {"path", "true"} <= {*header}:
        found = repr(", ".join(header)[:80]) if rows else "no image"
        raise DataError(f"{expected}. {str(path)!r} has {found}.")
    return Predictions.read(path, classes)


def as_predictions(
    y_true: Any,
    y_pred: Any,
    probabilities: Any,
    class_names: Sequence[str] | None,
    paths: Sequence[str] | None,
) -> Predictions:
    """Return predictions from arrays, or whatever NumPy makes one from.

    Args:
        y_true: (n,) indices or names of classes.
        y_pred: The same for what is predicted; None where `probabilities` are given.
        probabilities: float array (n, classes); None where `y_pred` is given.
        class_names: Of the columns; None for those that labels have, or else the indices.
        paths: (n,) names of the images; None for the number of each row.

    Raises:
        UsageError: Arguments do not fit together.
        DataError: A value is wrong.
    """
    if (y_pred is None) == (probabilities is None):
        raise UsageError("Expected either y_pred= or probabilities=. Received: both or none.")
    true = _labels(y_true, "y_true")
    if probabilities is not None:
        shares = _probabilities(probabilities, len(true))
        names = _class_names(class_names, (true,), shares.shape[1])
        if len(names) != shares.shape[1]:
            raise UsageError(
                f"Expected a class name for each of the {shares.shape[1]} columns of"
                f" probabilities. Received: {len(names)} names."
            )
    else:
        best = _labels(y_pred, "y_pred")
        if len(best) != len(true):
            raise UsageError(_lengths("y_pred", len(best), len(true)))
        names = _class_names(class_names, (true, best), None)
        shares = np.zeros((len(true), len(names)), np.float32)
        shares[np.arange(len(true)), _indices(best, names, "y_pred")] = 1
    if paths is not None and len(paths) != len(true):
        raise UsageError(_lengths("images", len(paths), len(true)))
    named = tuple(f"row {i}" for i in range(len(true))) if paths is None else tuple(paths)
    return Predictions(named, _indices(true, names, "y_true"), shares, names)


def _lengths(name: str, received: int, expected: int) -> str:
    return f"Expected as many {name} as y_true, {expected}. Received: {received}."


def _array(value: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise UsageError(f"{name} cannot be read as an array: {first:.120}") from error


def _labels(value: Any, name: str) -> np.ndarray:
    """Return labels as int64 or as str objects, (n,) with n > 0."""
    labels = _array(value, name)
    if labels.ndim != 1:
        hint = f" Of one-hot rows, or scores, give {name}.argmax(axis=1)." * (labels.ndim == 2)
        raise UsageError(
            f"Expected {name} of shape (n,): one class for each image. Received:"
            f" {labels.shape}.{hint}"
        )
    if not len(labels):
        raise DataError(f"Expected at least one label in {name}. Received: none.")
    if labels.dtype.kind in "biu":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all() or (labels != np.round(labels)).any():
            bad = labels[~np.isfinite(labels) | (labels != np.round(labels))][0]
            raise DataError(f"Expected whole numbers or names in {name}. Received: {bad}.")
        return labels.astype(np.int64)
    found = labels.astype(object)
    if any(not isinstance(each, str) for each in found):
        bad = next(each for each in found if not isinstance(each, str))
        raise DataError(f"Expected whole numbers or names in {name}. Received: {bad!r:.60}.")
    return np.array([str(each) for each in found], dtype=object)


def _probabilities(value: Any, n: int) -> np.ndarray:
    shares = _array(value, "probabilities")
    if shares.ndim != 2 or shares.shape[1] < 2 or shares.dtype.kind not in "fiub":
        hint = ""
        if shares.ndim in (1, 2) and shares.size == n:
            hint = " Of a single p, give numpy.column_stack([1 - p, p])."
        raise UsageError(
            "Expected probabilities of shape (n, classes), with two or more classes. Received:"
            f" {shares.dtype} {shares.shape}.{hint}"
        )
    if len(shares) != n:
        raise UsageError(_lengths("rows of probabilities", len(shares), n))
    shares = shares.astype(np.float64)
    if not np.isfinite(shares).all():
        row = int((~np.isfinite(shares)).any(axis=1).argmax())
        raise DataError(f"Expected finite probabilities. Row {row} has NaN or infinity.")
    sums = shares.sum(axis=1)
    wrong = (shares < 0).any(axis=1) | (np.abs(sums - 1) > _ROUNDING)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"Expected probabilities of 0 or more that sum to 1. Row {row} sums to"
            f" {sums[row]:.4g}, and its lowest is {shares[row].min():.4g}. Of logits, give their"
            " softmax."
        )
    return shares


def _class_names(
    given: Sequence[str] | None, labels: Sequence[np.ndarray], columns: int | None
) -> tuple[str, ...]:
    if given is not None:
        unordered = isinstance(given, str | Mapping | Set) or not isinstance(given, Iterable)
        names = [] if unordered else list(given)
        if not names or not all(isinstance(name, str) for name in names):
            raise UsageError(f"Expected class_names as a list of texts. Received: {given!r:.80}")
        if len({*names}) < len(names):
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise UsageError(f"Expected each class name once. Received: {twice!r:.80} twice.")
        return tuple(map(str, names))
    if any(each.dtype == object for each in labels):
        if columns is not None:
            raise UsageError(
                "Labels are names: give class_names= in the order of the columns of probabilities."
            )
        return tuple(sorted({str(name) for each in labels for name in each}))
    if columns is None:
        columns = 1 + max(int(each.max()) for each in labels)
        if columns > _MOST_CLASSES:
            raise DataError(
                f"Expected labels below {_MOST_CLASSES:,}: indices of classes. Received:"
                f" {columns - 1}."
            )
    return tuple(map(str, range(columns)))


def _indices(labels: np.ndarray, names: Sequence[str], which: str) -> np.ndarray:
    if labels.dtype == object:
        index = {name: i for i, name in enumerate(names)}
        unknown = [str(name) for name in labels if str(name) not in index]
        if unknown:
            raise DataError(
                f"Unknown class {unknown[0]!r:.80} in {which}.{did_you_mean(unknown[0], names)}"
                f" Expected one of the {len(names)} class names."
            )
        return np.array([index[str(name)] for name in labels], dtype=np.int64)
    outside = labels[(labels < 0) | (labels >= len(names))]
    if len(outside):
        raise DataError(
            f"Expected labels from 0 to {len(names) - 1} in {which}. Received: {outside[0]}."
        )
    return labels


def image_paths(images: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Return paths of images, absolute. Raises UsageError where they are something else."""
    if isinstance(images, str | os.PathLike) or not all(
        isinstance(path, str | os.PathLike) for path in images
    ):
        raise UsageError(f"Expected images as a list of paths. Received: {images!r:.80}")
    return [Path(path).expanduser().absolute() for path in images]
