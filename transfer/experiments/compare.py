"""How good a backbone's frozen features are on some images, and how fast it computes them."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from transfer.data.dataset import Dataset
from transfer.data.folds import FOLDS
from transfer.errors import DataError
from transfer.features.engines import BATCH_SIZE, Engine
from transfer.features.extract import extract
from transfer.images.folder import ImageFolder
from transfer.networks.weights import Weights
from transfer.settings import Settings
from transfer.statistics.scaling import common_scale, unit
from transfer.system.progress import say
from transfer.training.head.fitting import LARGEST
from transfer.training.head.logistic import cross_validate
from transfer.training.setup import prepare

TIMED = 1.0  # seconds, at least, over which the speed is measured


@dataclass(frozen=True)
class Measured:
    """One backbone on one set of images.

    Attributes:
        right: bool array (n,): whether each image was recognised by a linear head (or a network
            from scratch) that was not trained on it.
        paths: The n images.
        images_per_second: Speed of the network on this machine, without reading the files.
        parameters: Number of weights of the network, without a head.
    """

    right: np.ndarray
    paths: tuple[str, ...]
    images_per_second: float
    parameters: int


def measure(dataset: Dataset, settings: Settings, weights: Weights, base: keras.Model) -> Measured:
    """Cross-validate a linear head on one backbone's features; nothing is fine-tuned.

    The regularisation is chosen on the same folds that are reported, which makes the accuracy
    slightly optimistic, by about as much for each backbone. Features are read from the cache and
    stored there for later runs.

    Args:
        dataset: The images, without those of test.
        settings: Of a run without fine-tuning.
        weights: The backbone's.
        base: The backbone, from `settle`.

    Raises:
        DataError: A class has fewer than two images that are not near duplicates.
    """
    images = dataset.images
    with tempfile.TemporaryDirectory() as scratch:
        setup = prepare(settings, dataset, weights, Path(scratch), base)
        network, cache = setup.for_training
        vectors = extract(network, images, cache=cache).vectors
    rows = _sample(images, vectors.shape[1], settings.seed)
    labels = np.array(images.labels)[rows]
    groups = dataset.group_numbers()[rows]
    say(f"Cross-validating a linear head on {len(rows):,} x {vectors.shape[1]:,} values")
    result = cross_validate(
        _scaled(vectors[rows]), labels, len(images.classes), groups=groups, seed=settings.seed
    )
    if result is None:
        few = min(set(labels.tolist()), key=lambda label: len(set(groups[labels == label])))
        raise DataError(
            f"Class {images.classes[few]!r} has fewer than 2 different images; need 2 to"
            " cross-validate."
        )
    return Measured(
        result.probabilities.argmax(axis=1) == labels,
        tuple(images.paths[row] for row in rows),
        measure_speed(setup.for_training.start(), network.model),
        base.count_params(),
    )


def _scaled(vectors: np.ndarray) -> np.ndarray:
    """Return vectors as the linear head of a run sees them."""
    directed = unit(vectors)
    mean, scale = common_scale(directed)
    return np.asarray((directed - mean) / scale, np.float32)


def _sample(images: ImageFolder, columns: int, seed: int) -> np.ndarray:
    """Return which images are cross-validated: all, or as many as can be solved in a minute.

    No class is left with fewer images than there are folds, unless it has no more.
    """
    classes = len(images.classes)
    most = max(int(LARGEST / columns / classes), 20 * classes)
    drawn = np.random.default_rng(seed).permutation(len(images))
    labels = np.array(images.labels)[drawn]
    few = [drawn[labels == label][:FOLDS] for label in range(classes)]
    return np.unique(np.concatenate([drawn[:most], *few]))


def measure_speed(engine: Engine, model: keras.Model) -> float:
    """Return the images per second of an engine that runs `model`, in full batches of noise."""
    shape = (BATCH_SIZE, *model.input.shape[1:])
    images = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    engine(images)
    count, started = 0, time.perf_counter()
    while (seconds := time.perf_counter() - started) < TIMED:
        engine(images)
        count += BATCH_SIZE
    return count / seconds
