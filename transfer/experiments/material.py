"""The images of a run with their features, to be divided into folds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from transfer.data.dataset import Dataset
from transfer.features.extract import Features
from transfer.images.folder import ImageFolder
from transfer.settings import Settings
from transfer.training.settle import weigh_classes
from transfer.training.setup import Pair, Setup


@dataclass(frozen=True)
class Material:
    """The data for the fits of all folds. Rows are the training, then the validation images.

    Attributes:
        setup: The run's, as it was trained.
        features: Of the training and validation images; None from scratch.
    """

    setup: Setup
    features: Pair | None

    @property
    def settings(self) -> Settings:
        """The run's settings."""
        return self.setup.settings

    @cached_property
    def dataset(self) -> Dataset:
        """All images, the training images first."""
        return self.setup.dataset.train_and_val()

    def settings_for(self, rows: np.ndarray) -> Settings:
        """Return the settings of a training on these images."""
        labels = np.array(self.dataset.images.labels)[rows]
        counts = np.bincount(labels, minlength=len(self.dataset.images.classes)).tolist()
        weights = tuple(weigh_classes(counts, self.settings.balance))
        return replace(self.settings, class_weights=weights)

    def images(self, rows: np.ndarray) -> ImageFolder:
        """Return some of the images."""
        folder = self.dataset.images
        return folder.keep(np.isin(np.arange(len(folder)), rows).tolist())

    def take(self, rows: np.ndarray, all_views: bool = False) -> Features:
        """Return the features of some images.

        With all views, validation images, which have none, are repeated once per view.
        """
        assert self.features is not None
        train, val = self.features
        count, views = len(train), train.views if all_views else 1
        places = [
            np.where(rows < count, rows + view * count, rows + (train.views - 1) * count)
            for view in range(views)
        ]
        where = np.concatenate(places)
        activations: Any = None  # or anything that is indexed like an array
        if train.activations is not None and val.activations is not None:
            activations = Rows((train.activations, val.activations), where)
        vectors = Rows((train.vectors, val.vectors), where)[:]
        labels = Rows((train.labels, val.labels), where)[:]
        return Features(vectors, labels, activations, views)


class Rows:
    """Rows of one array followed by another, read on demand.

    Args:
        arrays: Two arrays, or memory maps, of shapes (a, ...) and (b, ...).
        places: int64 array of shape (n,): which of the a + b rows these are, in order.
    """

    def __init__(self, arrays: tuple[np.ndarray, np.ndarray], places: np.ndarray) -> None:
        self.arrays, self.places = arrays, places
        self.shape = (len(places), *arrays[0].shape[1:])

    def __getitem__(self, chosen: Any) -> np.ndarray:
        places, (one, other) = self.places[chosen], self.arrays
        rows = np.empty((len(places), *self.shape[1:]), one.dtype)
        first = places < len(one)
        rows[first], rows[~first] = one[places[first]], other[places[~first] - len(one)]
        return rows
