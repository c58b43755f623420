"""Cross-validation of a recipe: each image is judged once, by a model that has not seen it.

The folds are dealt over training and validation images together. What a fold holds out chooses
nothing: where an epoch has to be chosen, a part of the other images is held out once more for it.
The estimate is of a recipe that learns from that many fewer images, so it errs on the low side.
"""

from __future__ import annotations

import gc
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.data.folds import deal
from transfer.features.extract import Features
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import image_dataset, naming_bad_files
from transfer.networks.classifier import build_extractor, image_size
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.runs.run import Run
from transfer.system.csv import read_csv, write_csv
from transfer.system.progress import hushed, say
from transfer.system.quiet import without_retracing_advice
from transfer.training.balance import weigh_classes
from transfer.training.head.fitting import fit_head, is_solved
from transfer.training.keep.checkpoint import save_model
from transfer.training.keep.selection import keep_the_best
from transfer.training.tuning.batches import Tuning
from transfer.training.tuning.fit import fine_tune
from transfer.training.tuning.history import History

COLUMNS = ("path", "fold", "label", "predicted", "confidence")


@dataclass(frozen=True)
class Material:
    """What the fits of all folds are made of.

    Attributes:
        sides: Training and validation images.
        features: Of both; None for a network that is trained from scratch.
        groups: int64 array of shape (n,): group of each training, then of each validation image.
        recipe: The knobs; its monitor is not ``auto``.
        weights: The backbone's.
        base: The backbone that the run trains. Nothing of it is used but the order of its layers.
        chosen: Names of its layers that are to train.
        cut: Name of the layer whose activations `features` hold, or None.
    """

    sides: tuple[ImageFolder, ImageFolder]
    features: tuple[Features, Features] | None
    groups: np.ndarray
    recipe: Recipe
    weights: Weights
    base: keras.Model
    chosen: set[str]
    cut: str | None

    @property
    def images(self) -> ImageFolder:
        """All images, the training images first."""
        train, val = self.sides
        return replace(
            train,
            paths=train.paths + val.paths,
            labels=train.labels + val.labels,
            splits=train.splits + val.splits,
        )

    def class_weights(self, rows: np.ndarray) -> list[float]:
        """Return the class weights of a training on these images."""
        labels = np.array(self.images.labels)[rows]
        counts = np.bincount(labels, minlength=len(self.images.classes)).tolist()
        return list(weigh_classes(counts, self.recipe.balance))


class Rows:
    """Rows of one array followed by another, read from both when they are asked for.

    Args:
        arrays: Two arrays, or memory maps, of shapes (a, ...) and (b, ...).
        places: int64 array of shape (n,): which of the a + b rows these are, in order.
    """

    def __init__(self, arrays: tuple[np.ndarray, np.ndarray], places: np.ndarray) -> None:
        self.arrays, self.places = arrays, places
        self.shape = (len(places), *arrays[0].shape[1:])

    def __getitem__(self, chosen: Any) -> np.ndarray:
        places, (one, other) = self.places[chosen], self.arrays
        found = np.empty((len(places), *self.shape[1:]), one.dtype)
        first = places < len(one)
        found[first], found[~first] = one[places[first]], other[places[~first] - len(one)]
        return found


def judge_folds(run: Run, material: Material, resumed: bool) -> None:
    """Cross-validate the run's recipe; write folds.csv, which is complete after every fold.

    The run's model is left alone.

    Args:
        run: Where folds.csv and the temporary files go.
        material: See `Material`.
        resumed: Folds that folds.csv holds already are not judged again.

    Raises:
        TransferError: The training of a fold diverged.
    """
    recipe, images = material.recipe, material.images
    if not recipe.folds:
        return
    labels, path = np.array(images.labels), run.path / "folds.csv"
    fold = deal(labels, material.groups, recipe.folds, recipe.seed)
    rows = _finished(path, images, fold) if resumed and path.is_file() else []
    done = {int(row[1]) - 1 for row in rows}
    left = [number for number in range(recipe.folds) if number not in done]
    tuned = bool(material.chosen) and recipe.folds_finetune
    _tell_what_comes(run, tuned, recipe.folds, len(left))
    started = time.monotonic()
    for count, number in enumerate(left, start=1):
        held = np.flatnonzero(fold == number)
        with (
            hushed(),
            without_retracing_advice(),
            tempfile.TemporaryDirectory(prefix=".fold-", dir=run.path) as directory,
        ):
            keras.utils.set_random_seed(recipe.seed)
            judge = _judge_tuned if tuned else _judge_head
            found = judge(material, np.flatnonzero(fold != number), held, Path(directory))
        gc.collect()  # models hold cycles
        best = found.argmax(axis=1)
        rows += [
            [images.paths[i], number + 1, images.classes[labels[i]], images.classes[k], f"{p:.9g}"]
            for i, k, p in zip(held, best, found.max(axis=1), strict=True)
        ]
        write_csv(path, COLUMNS, rows)
        rest = (time.monotonic() - started) / count * (len(left) - count)
        say(
            f"Fold {number + 1} of {recipe.folds}: accuracy {(best == labels[held]).mean():.4f} on"
            f" {len(held):,} images; about {rest:.0f} s left"
        )
    seconds = time.monotonic() - started
    run.update_info(folds={"phase": "finetune" if tuned else "head", "seconds": seconds})


def _finished(path: Path, images: ImageFolder, fold: np.ndarray) -> list[list[Any]]:
    """Return the rows of those folds that are there as they would be dealt now."""
    by_fold: dict[str, list[list[Any]]] = {}
    for row in read_csv(path):
        by_fold.setdefault(row["fold"], []).append([row[name] for name in COLUMNS])
    dealt = {
        str(number + 1): [images.paths[i] for i in np.flatnonzero(fold == number)]
        for number in np.unique(fold)
    }
    whole = [n for n, paths in dealt.items() if [row[0] for row in by_fold.get(n, [])] == paths]
    return [row for number in whole for row in by_fold[number]]


def _tell_what_comes(run: Run, tuned: bool, folds: int, left: int) -> None:
    what = "whole training" if tuned else "head"
    words = f"Cross-validating the {what} in {folds} folds"
    if left < folds:
        words += f", of which {folds - left} are done"
    if tuned and left:
        seconds = sum(float(row["seconds"]) for row in read_csv(run.path / "history.csv"))
        words += f": about {left * seconds:.0f} s"
    say(words)


def _judge_head(
    material: Material, seen: np.ndarray, held: np.ndarray, directory: Path
) -> np.ndarray:
    """Fit a head to the features of some images; return probabilities (n, classes) of others."""
    classes, recipe = len(material.images.classes), material.recipe
    train, judges = _take(material, seen, all_views=True), seen
    if not is_solved(train, classes, recipe):
        seen, judges = _divide(material, seen)
        train = _take(material, seen, all_views=True)
    head = _fit_head(material, train, seen, judges, directory)
    return np.asarray(head(_take(material, held).vectors, training=False))


def _fit_head(
    material: Material, train: Features, seen: np.ndarray, judges: np.ndarray, directory: Path
) -> keras.Sequential:
    history = History(directory / "history.csv")
    weights, groups = material.class_weights(seen), material.groups[seen]
    val = _take(material, judges)
    return fit_head(train, val, weights, material.recipe, history, groups)[0]


def _judge_tuned(
    material: Material, seen: np.ndarray, held: np.ndarray, directory: Path
) -> np.ndarray:
    """Train as the run does on some images; return probabilities (n, classes) of others."""
    recipe, images = material.recipe, material.images
    seen, judges = _divide(material, seen)
    weights = material.class_weights(seen)
    extractor = build_extractor(recipe, material.weights)
    features = fitted = None
    if material.features is not None:
        features = _take(material, seen, all_views=True), _take(material, judges)
        fitted = _fit_head(material, features[0], seen, judges, directory)
    base = extractor.get_layer(recipe.backbone)
    sides = _keep(images, seen), _keep(images, judges)
    tuning = Tuning(extractor, base, material.chosen, material.cut, weights)
    head = tuning.new_head(recipe)
    if fitted is not None:
        head.set_weights(fitted.get_weights())
    classifier, model, batches = tuning.start(head, sides, features, recipe)
    path = directory / "model.keras"
    save_model(classifier, path)
    history = History(directory / "history.csv")
    tuned = fine_tune(model, classifier, batches, recipe, path, history, {})
    if features is not None:
        keep_the_best(model, classifier, tuned, recipe, path)
    classifier.load_weights(path)  # the best ones, which `model` shares
    with naming_bad_files():
        parts = [model.predict_on_batch(part) for part in _inputs(material, held)]
    return np.concatenate(parts)


def _inputs(material: Material, rows: np.ndarray) -> Any:
    """Return what the trained part of the network takes of some images, in batches."""
    recipe = material.recipe
    if material.cut is None:
        folder, size = _keep(material.images, rows), image_size(recipe)
        return image_dataset(
            folder, size=size, resize=recipe.resize, batch_size=recipe.batch_size, labels=False
        )
    kept = _take(material, rows).activations
    assert kept is not None
    starts = range(0, len(rows), recipe.batch_size)
    return (kept[i : i + recipe.batch_size].astype(np.float32) for i in starts)


def _divide(material: Material, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide the images that a fold trains on, by groups, as the recipe's `val` says."""
    labels, groups = np.array(material.images.labels)[rows], material.groups[rows]
    parts = max(2, round(1 / material.recipe.val))
    judges = deal(labels, groups, parts, material.recipe.seed + 1) == 0
    return rows[~judges], rows[judges]


def _take(material: Material, rows: np.ndarray, all_views: bool = False) -> Features:
    """Return the features of some images.

    Where all views are wanted, validation images, of which there are none, stand as often as they
    are.
    """
    assert material.features is not None
    train, val = material.features
    count, views = len(train), train.views if all_views else 1
    places = [
        np.where(rows < count, rows + view * count, rows + (train.views - 1) * count)
        for view in range(views)
    ]
    where = np.concatenate(places)
    activations: Any = None  # or what can be indexed like an array
    if train.activations is not None and val.activations is not None:
        activations = Rows((train.activations, val.activations), where)
    vectors = Rows((train.vectors, val.vectors), where)[:]
    labels = Rows((train.labels, val.labels), where)[:]
    return Features(vectors, labels, activations, views)


def _keep(images: ImageFolder, rows: np.ndarray) -> ImageFolder:
    return images.keep(np.isin(np.arange(len(images)), rows).tolist())
