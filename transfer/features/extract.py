"""Images -> features: what the frozen part of a network computes, once per image and view."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from transfer.errors import TransferError, option
from transfer.features.cache import CachedView, FeatureCache
from transfer.features.engines import BATCH_SIZE, Engine, make_engine
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import ImageOptions, image_batches, naming_bad_files
from transfer.settings import Settings
from transfer.system.progress import Advance, bar

SHARD = 2048  # images after which computed features are written to the cache
LARGEST = float(np.finfo(np.float16).max)


class ActivationOverflow(TransferError):
    """Activations are beyond the range of float16, in which they would be kept."""


@dataclass(frozen=True)
class Features:
    """Features of n images, each in `views` versions.

    Rows are ordered view by view: row ``view * n + i`` is image `i`; view 0 is the image itself.

    Attributes:
        vectors: float32 array of shape (views * n, d): the input of the head.
        labels: int64 array of shape (views * n,).
        activations: float16 memory map of shape (views * n, h, w, c): the input of the layers that
            are trained later. None where they are not kept.
        views: Versions of each image, 1 or more.
        computed: Images of which at least one version was not in the cache.
        table: Target of each label, float32 (labels, classes), where an image may be of several
            classes; None where labels are classes.
    """

    vectors: np.ndarray
    labels: np.ndarray
    activations: np.ndarray | None
    views: int
    computed: int = 0
    table: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels) // self.views

    def per_image(self, channels: int) -> np.ndarray:
        """Return one vector per image, float32 (n, channels): the mean over views and positions.

        Args:
            channels: Of the network's feature map; longer vectors are averaged to that.
        """
        shape = (self.views, len(self), -1, channels)
        return np.asarray(self.vectors.reshape(shape).mean(axis=(0, 2)), np.float32)


class FrozenNetwork:
    """A model and the engine that runs it, which is made when the first image needs it.

    Args:
        model: From images (b, s, s, 3), RGB 0..255, to vectors (b, d), or to a list of an
            activation (b, ...) and vectors.
        settings: Which engine at which precision, and how images are resized and augmented.
        calibration: The photos that int8 is calibrated on.
    """

    def __init__(
        self, model: keras.Model, settings: Settings, calibration: ImageFolder | None = None
    ) -> None:
        self.model = model
        self.settings = settings
        self._calibration = calibration
        self.engine_name = settings.engine
        self._engine: Engine | None = None

    def engine(self, cache: FeatureCache | None) -> Engine:
        """Return the engine; it is made on the first call."""
        if self._engine is None:
            self._engine, self.engine_name = self._make(self.model, cache)
        return self._engine

    def apply(self, head: keras.Model, vectors: np.ndarray) -> np.ndarray:
        """Return a head's probabilities for vectors (n, d), on this network's engine."""
        engine, _ = self._make(head)
        starts = range(0, len(vectors), BATCH_SIZE)
        return np.concatenate([engine(vectors[i : i + BATCH_SIZE])[0] for i in starts])

    def _make(self, model: keras.Model, cache: FeatureCache | None = None) -> tuple[Engine, str]:
        settings = self.settings
        auto = not settings.engine_required
        name, precision = self.engine_name, settings.precision
        return make_engine(model, name, precision, cache, auto, self._photos)

    def _photos(self) -> list[np.ndarray]:
        """Return the photos to calibrate on, one by one."""
        assert self._calibration is not None
        options = replace(self.options(), batch_size=1)
        with naming_bad_files():
            return [
                np.asarray(image)
                for image in image_batches(self._calibration, options, labels=False)
            ]

    def options(self, augment: str = "none") -> ImageOptions:
        """Return how images are read for this network."""
        settings, size = self.settings, self.model.input.shape[1]
        return ImageOptions(
            size, settings.resize, BATCH_SIZE, augment, settings.seed, settings.decoding
        )


class Source(NamedTuple):
    """A network, and where its features are kept."""

    network: FrozenNetwork
    cache: FeatureCache | None

    def start(self) -> Engine:
        """Return the network's engine; it is made on the first call."""
        return self.network.engine(self.cache)

    def view(self, folder: ImageFolder, number: int) -> CachedView | None:
        """Return the cached rows of one view of a folder's images, see `FeatureCache.view`."""
        settings = self.network.settings
        return None if self.cache is None else self.cache.view(folder, number, settings)

    def missing(self, folder: ImageFolder, views: int, activations: bool) -> int:
        """Return how many images and views of them are not in the cache.

        Args:
            folder: The images.
            views: Augmented views of each.
            activations: Whether the network's activations are needed too.
        """
        if self.cache is None:
            return len(folder) * (views + 1)
        outputs = self.network.model.outputs
        types = [np.float16] * (len(outputs) - 1) + [np.float32]
        kinds = [
            (output.shape[1:], np.dtype(kind)) for output, kind in zip(outputs, types, strict=True)
        ]
        kinds = kinds if activations else kinds[-1:]
        settings = self.network.settings
        every = (self.cache.view(folder, view, settings) for view in range(views + 1))
        return sum(len(folder) - int(view.find(kinds).sum()) for view in every)


def extract(
    network: FrozenNetwork,
    folder: ImageFolder,
    *,
    views: int = 0,
    keep: Path | None = None,
    cache: FeatureCache | None = None,
    for_views: Source | None = None,
) -> Features:
    """Run a frozen network once over the images, and once over each augmented view of them.

    Args:
        network: The network, with its engine and image settings.
        folder: The images of one split.
        views: Augmented views of every image, in addition to the image itself.
        keep: File for the activations, where the network outputs them.
        cache: Where rows are read from and written to, if anywhere.
        for_views: Computes the augmented views instead: the same network at another precision.

    Raises:
        DataError: An image cannot be read.
        ActivationOverflow: The activations are beyond float16.
        TransferError: The disk has no room for them.
    """
    count = len(folder)
    shapes = [(count * (views + 1), *output.shape[1:]) for output in network.model.outputs]
    vectors = np.empty(shapes[-1], dtype=np.float32)
    activations = None
    if keep is not None:
        activations = _memory_map(keep, shapes[0])
    arrays = [vectors] if activations is None else [activations, vectors]
    computed = np.zeros(count, dtype=bool)
    title = f"Features ({folder.splits[0]}{f', {views + 1} views' * (views > 0)})"
    with bar(title, len(vectors)) as advance:
        for view in range(views + 1):
            source = for_views if view and for_views is not None else Source(network, cache)
            targets = [array[view * count : (view + 1) * count] for array in arrays]
            stored = source.view(folder, view)
            missing = np.ones(count, bool) if stored is None else ~stored.restore(targets)
            advance(int(count - missing.sum()))
            if missing.any():
                rows = np.flatnonzero(missing)
                part = _View(folder.keep(missing.tolist()), view, rows, targets, stored)
                _compute(source, part, advance)
            computed |= missing
    labels = np.tile(np.array(folder.labels, dtype=np.int64), views + 1)
    table = None if folder.label_sets is None else folder.target_table()
    return Features(vectors, labels, activations, views + 1, int(computed.sum()), table)


@dataclass(frozen=True)
class _View:
    """One view of the images that were not in the cache.

    Attributes:
        images: Only these images.
        number: Of the view; 0 is the images themselves.
        rows: int array (n,): where each belongs in `targets`.
        targets: One array for each output of the network that is kept, for all images.
        stored: Where the rows are kept for later runs, if anywhere.
    """

    images: ImageFolder
    number: int
    rows: np.ndarray
    targets: Sequence[np.ndarray]
    stored: CachedView | None


def _compute(source: Source, view: _View, advance: Advance) -> None:
    """Run the network over one view of images and fill in their rows."""
    network, targets, rows, engine = source.network, view.targets, view.rows, source.start()
    batches = image_batches(
        view.images,
        network.options(network.settings.augment if view.number else "none"),
        epochs=range(view.number, view.number + 1),
        labels=False,
    )
    done = kept = 0
    with naming_bad_files():
        for outputs in map(engine, batches):
            part = rows[done : done + len(outputs[-1])]
            for target, output in zip(targets, outputs[-len(targets) :], strict=True):
                if target.dtype == np.float16 and np.abs(output).max() > LARGEST:
                    raise ActivationOverflow(
                        "The frozen layers' activations are beyond the range of float16, in which"
                        f" they would be kept. Use {option('trunk_cache', 0)}."
                    )
                target[part] = output
            done += len(part)
            advance(len(part))
            if view.stored is not None and (done - kept >= SHARD or done == len(rows)):
                view.stored.keep(rows[kept:done], targets)
                kept = done


def _memory_map(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    array = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    if hasattr(os, "posix_fallocate"):  # else a full disk kills the process at the first write
        try:
            with path.open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            raise TransferError(
                f"Cannot keep {array.nbytes / 1e6:,.0f} MB of activations in {path.parent.parent}:"
                f" {error.strerror}. Make room, or use {option('trunk_cache', 0)}."
            ) from error
    return array
