"""Cross-validation of a run's settings: each image is predicted once, by a model new to it.

The folds are drawn from training and validation images together. Images that a fold holds out
choose nothing: if an epoch has to be chosen, some of the other images are held out for that. The
models are trained on fewer images than the run's, so the estimate is slightly pessimistic.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.data.dataset import Dataset
from transfer.data.folds import deal
from transfer.errors import call_to_train_again
from transfer.experiments.material import Material
from transfer.features.extract import Features
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import image_batches, naming_bad_files
from transfer.runs.info import FoldsInfo
from transfer.runs.run import Run
from transfer.system.csv import read_number, read_table, write_csv
from transfer.system.files import damaged
from transfer.system.progress import say, silenced
from transfer.system.python_ops import released
from transfer.system.quiet import without_retracing_advice
from transfer.training.head.fitting import fit_head, is_solved
from transfer.training.keep.checkpoint import save_model
from transfer.training.keep.selection import keep_the_best
from transfer.training.setup import Pair, Setup, Tunable, prepare
from transfer.training.tuning.batches import options_of
from transfer.training.tuning.fit import Record, fine_tune
from transfer.training.tuning.history import History

COLUMNS = ("path", "fold", "label", "predicted", "confidence")


def cross_validate_run(run: Run, setup: Setup, features: Pair | None, resumed: bool) -> None:
    """Cross-validate a run's settings; write folds.csv, which is complete after every fold.

    The run's model is not changed.

    Args:
        run: Where folds.csv and the temporary files go.
        setup: As the run was trained.
        features: Of the training and validation images; None from scratch.
        resumed: Whether to skip the folds that are in folds.csv already.

    Raises:
        TransferError: The training of a fold diverged.
    """
    material = Material(setup, features)
    settings, images = material.settings, material.dataset.images
    if not settings.folds:
        return
    labels, path = np.array(images.labels), run.path / "folds.csv"
    fold = deal(labels, material.dataset.group_numbers(), settings.folds, settings.seed)
    rows = _finished(path, images, fold) if resumed and path.is_file() else []
    done = {int(row[1]) - 1 for row in rows}
    left = [number for number in range(settings.folds) if number not in done]
    tuned = settings.fine_tunes and settings.folds_finetune
    _tell_plan(run, tuned, settings.folds, len(left))
    started = time.monotonic()
    for count, number in enumerate(left, start=1):
        held = np.flatnonzero(fold == number)
        probabilities = _run_fold(run, material, np.flatnonzero(fold != number), held, tuned)
        best = probabilities.argmax(axis=1)
        rows += [
            [images.paths[i], number + 1, images.classes[labels[i]], images.classes[k], f"{p:.9g}"]
            for i, k, p in zip(held, best, probabilities.max(axis=1), strict=True)
        ]
        write_csv(path, COLUMNS, rows)
        rest = (time.monotonic() - started) / count * (len(left) - count)
        accuracy = (best == labels[held]).mean()
        say(
            f"Fold {number + 1} of {settings.folds}: accuracy {accuracy:.4f} on {len(held):,}"
            f" images; about {rest:.0f} s left"
        )
    phase = "finetune" if tuned else "head"
    run.update(folds=FoldsInfo(phase, time.monotonic() - started))


def _run_fold(
    run: Run, material: Material, seen: np.ndarray, held: np.ndarray, tuned: bool
) -> np.ndarray:
    """Train on some images; return probabilities (n, classes) of the others."""
    with (
        silenced(),
        released(),
        without_retracing_advice(),
        tempfile.TemporaryDirectory(prefix=".fold-", dir=run.path) as directory,
    ):
        keras.utils.set_random_seed(material.settings.seed)
        predict = _predict_tuned if tuned else _predict_head
        probabilities = predict(material, seen, held, Path(directory))
    gc.collect()  # models contain reference cycles
    return probabilities


def _finished(path: Path, images: ImageFolder, fold: np.ndarray) -> list[list[Any]]:
    """Return the rows of the finished folds that match the current folds."""
    by_fold: dict[str, list[list[Any]]] = {}
    try:
        for row in read_table(path, lambda row: [row[name] for name in COLUMNS]):
            by_fold.setdefault(row[1], []).append(row)
    except (OSError, ValueError) as error:
        raise damaged(path, error, "Remove it to cross-validate again.") from error
    dealt = {
        str(number + 1): [images.paths[i] for i in np.flatnonzero(fold == number)]
        for number in np.unique(fold)
    }
    whole = [n for n, paths in dealt.items() if [row[0] for row in by_fold.get(n, [])] == paths]
    return [row for number in whole for row in by_fold[number]]


def _tell_plan(run: Run, tuned: bool, folds: int, left: int) -> None:
    what = "whole training" if tuned else "head"
    words = f"Cross-validating the {what} in {folds} folds"
    if left < folds:
        words += f", {folds - left} of which are done"
    if tuned and left:
        seconds = _seconds(run.path / "history.csv")
        words += f": about {left * seconds:.0f} s"
    say(words)


def _seconds(path: Path) -> float:
    """Return how long the epochs in history.csv took."""
    try:
        return sum(read_table(path, lambda row: read_number(row["seconds"])))
    except (OSError, ValueError) as error:
        hint = f"Train again with: {call_to_train_again(path.parent)}"
        raise damaged(path, error, hint) from error


def _predict_head(
    material: Material, seen: np.ndarray, held: np.ndarray, directory: Path
) -> np.ndarray:
    """Fit a head to the features of some images; return probabilities (n, classes) of others."""
    train, judges = material.take(seen, all_views=True), seen
    if not is_solved(train, material.settings):
        seen, judges = _hold_out(material, seen)
        train = material.take(seen, all_views=True)
    head = _fit_head(material, train, seen, judges, directory)
    return np.asarray(head(material.take(held).vectors, training=False))


def _fit_head(
    material: Material, train: Features, seen: np.ndarray, judges: np.ndarray, directory: Path
) -> keras.Sequential:
    history = History(directory / "history.csv")
    groups = material.dataset.group_numbers()[seen]
    val = material.take(judges)
    return fit_head(train, val, material.settings_for(seen), history, groups)[0]


def _predict_tuned(
    material: Material, seen: np.ndarray, held: np.ndarray, directory: Path
) -> np.ndarray:
    """Train as the run does on some images; return probabilities (n, classes) of others."""
    seen, judges = _hold_out(material, seen)
    settings = material.settings_for(seen)
    dataset = _with_splits(material, seen, judges)
    setup = prepare(settings, dataset, material.setup.weights, directory)
    head, features = setup.new_head(), None
    if material.features is not None:
        features = material.take(seen, all_views=True), material.take(judges)
        fitted = _fit_head(material, features[0], seen, judges, directory)
        head.set_weights(fitted.get_weights())
    tunable = setup.start(head, features)
    record = Record(directory / "model.keras", History(directory / "history.csv"))
    save_model(tunable.classifier, record.path)
    tuned = fine_tune(tunable, settings, record)
    if features is not None:
        keep_the_best(tunable, tuned, settings, record.path)
    tunable.classifier.load_weights(record.path)  # the best ones, which the trained part shares
    return _predict(material, tunable, held)


def _predict(material: Material, tunable: Tunable, rows: np.ndarray) -> np.ndarray:
    with naming_bad_files():
        inputs = _inputs(material, rows)
        return np.concatenate([tunable.model.predict_on_batch(part) for part in inputs])


def _with_splits(material: Material, train: np.ndarray, val: np.ndarray) -> Dataset:
    """Return the images of a fold, divided into train and val; the others are left out."""
    splits = np.full(len(material.dataset.images), "", dtype=object)
    splits[train], splits[val] = "train", "val"
    images = material.dataset.images.with_splits(splits.tolist())
    return replace(material.dataset, images=images).keep([bool(split) for split in splits])


def _inputs(material: Material, rows: np.ndarray) -> Iterable[Any]:
    """Return the input of the trained part of the network for some images, in batches."""
    settings = material.settings
    if not settings.cut:
        images = material.images(rows)
        batches: Iterable[Any] = image_batches(images, options_of(settings), labels=False)
        return batches
    kept = material.take(rows).activations
    assert kept is not None
    starts = range(0, len(rows), settings.batch_size)
    return (kept[i : i + settings.batch_size].astype(np.float32) for i in starts)


def _hold_out(material: Material, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split a fold's training images again, by groups: to train on, and to choose the epoch by."""
    labels = np.array(material.dataset.images.labels)[rows]
    groups = material.dataset.group_numbers()[rows]
    parts = max(2, round(1 / material.settings.val))
    judges = deal(labels, groups, parts, material.settings.seed + 1) == 0
    return rows[~judges], rows[judges]
