"""What a backbone's frozen features are worth on some images, and how fast they come."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from transfer.data.folds import FOLDS
from transfer.data.groups import number_groups
from transfer.errors import DataError
from transfer.features.engines import BATCH_SIZE, Engine
from transfer.features.extract import extract
from transfer.images.folder import ImageFolder
from transfer.networks.classifier import build_extractor
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.system.progress import say
from transfer.training.feature_plan import frozen_network, open_cache
from transfer.training.head.fitting import LARGEST
from transfer.training.head.logistic import cross_validate
from transfer.training.head.scaling import common_scale, unit

TIMED = 1.0  # seconds, at least, over which the speed is measured


@dataclass(frozen=True)
class Measured:
    """One backbone on one set of images.

    Attributes:
        right: bool array (n,): whether each image was recognised by a linear head (or a network
            from scratch) that had not seen it.
        paths: Which images these are.
        images_per_second: Of the network on this machine, without reading the files.
        parameters: Number of weights of the network, without a head.
    """

    right: np.ndarray
    paths: tuple[str, ...]
    images_per_second: float
    parameters: int


def measure(
    folder: ImageFolder,
    recipe: Recipe,
    weights: Weights,
    sha256: Mapping[str, str],
    groups: Mapping[str, str],
) -> Measured:
    """Cross-validate a linear head on one backbone's features; nothing is fine-tuned.

    The features come from the cache, and go there for later runs.

    Args:
        folder: The images.
        recipe: Names the backbone, its image size and engine; its head is linear.
        weights: The backbone's weights, present as a file (or "none").
        sha256: Path to hex digest of the file, for every image.
        groups: Path to the key of its group; a group stays in one fold.

    Raises:
        DataError: A class has fewer than two images that are not near duplicates.
    """
    extractor = build_extractor(recipe, weights)
    base = extractor.get_layer(recipe.backbone)
    network = frozen_network(extractor, base, None, recipe)
    cache = open_cache(network, base, None, weights, sha256)
    vectors = extract(network, folder, cache=cache).vectors
    rows = _some(folder, vectors.shape[1], recipe.seed)
    labels = np.array(folder.labels)[rows]
    keys = number_groups(groups, [folder.paths[row] for row in rows])
    say(f"Cross-validating a linear head on {len(rows):,} x {vectors.shape[1]:,} values")
    found = cross_validate(
        _scaled(vectors[rows]), labels, len(folder.classes), groups=keys, seed=recipe.seed
    )
    if found is None:
        few = min(set(labels.tolist()), key=lambda label: len(set(keys[labels == label])))
        raise DataError(
            f"Class {folder.classes[few]!r} has fewer than 2 different images; need 2 to"
            " cross-validate."
        )
    return Measured(
        found.probabilities.argmax(axis=1) == labels,
        tuple(folder.paths[row] for row in rows),
        measure_speed(network.engine(cache), network.model),
        base.count_params(),
    )


def _scaled(vectors: np.ndarray) -> np.ndarray:
    """Return vectors as the linear head of a run sees them."""
    directed = unit(vectors)
    mean, scale = common_scale(directed)
    return np.asarray((directed - mean) / scale, np.float32)


def _some(folder: ImageFolder, columns: int, seed: int) -> np.ndarray:
    """Return which images are cross-validated: all, or as many as can be solved in a minute.

    No class is left with fewer images than there are folds, unless it has no more.
    """
    most = max(int(LARGEST / columns / len(folder.classes)), 20 * len(folder.classes))
    drawn = np.random.default_rng(seed).permutation(len(folder))
    labels = np.array(folder.labels)[drawn]
    few = [drawn[labels == label][:FOLDS] for label in range(len(folder.classes))]
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
