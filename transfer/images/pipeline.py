"""Image folders as tf.data datasets of float32 batches."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from transfer.errors import DataError
from transfer.images.augment import build_augment
from transfer.images.decode import EACH_BY_ITSELF, decode
from transfer.images.folder import ImageFolder
from transfer.settings import Decoding
from transfer.system.python_ops import python_op

if TYPE_CHECKING:
    import tensorflow as tf

PREFETCH = 4  # batches
_ORDERS = ("listed", "shuffled", "balanced")
_failures: deque[DataError] = deque(maxlen=64)
_failures_lock = threading.Lock()  # tf.data's threads add while others search


@dataclass(frozen=True)
class ImageOptions:
    """How images are decoded, augmented and batched.

    Attributes:
        size: Side of the images in pixels.
        resize: See `transfer.images.decode.decode`.
        batch_size: Images per batch; the last batch of each epoch holds what is left.
        augment: See `transfer.images.augment.parse_augment`.
        seed: Seed of order and augmentation, 0 or more.
        decoding: See `transfer.images.decode.decode`.
    """

    size: int
    resize: str = "stretch"
    batch_size: int = 32
    augment: str = "none"
    seed: int = 0
    decoding: Decoding = EACH_BY_ITSELF


def image_batches(
    folder: ImageFolder,
    options: ImageOptions,
    *,
    order: str = "listed",
    epochs: range = range(1),
    weights: Sequence[float] | None = None,
    labels: bool = True,
) -> tf.data.Dataset:
    """Make a dataset of batches of a folder's images.

    Order and augmentation depend only on the seed, the epoch and the images' relative paths: a
    run resumed at epoch 7 sees the same batches. Iterate it inside ``with naming_bad_files():``,
    which names a file that cannot be read.

    Args:
        folder: The images.
        options: See `ImageOptions`.
        order: ``"listed"`` is the order of ``folder.paths``; ``"shuffled"`` another one in each
            epoch; ``"balanced"`` draws all classes equally often, see `balanced_order`.
        epochs: Numbers of the epochs, 0 or more, one after the other.
        weights: Weight of each image in the loss, in the order of ``folder.paths``.
        labels: Whether to yield labels (and weights); otherwise only images.

    Returns:
        Dataset of (float32 images of shape (b, size, size, 3), RGB, 0..255; int32 labels (b,);
        float32 weights (b,) where given), or only of the images. Its cardinality is known.

    Raises:
        DataError: The folder is empty.
        UsageError: ``options.augment`` cannot be read.
    """
    import tensorflow as tf

    if order not in _ORDERS:
        raise ValueError(f"Expected order to be one of {', '.join(_ORDERS)}. Received: {order!r}")
    if not folder.paths:
        raise DataError(f"No images to read in {str(folder.root)!r}.")
    size, count, batch_size = options.size, len(folder), options.batch_size
    change = build_augment(options.augment, size)
    extras = _extras(folder, weights) if labels else []

    def read(row: np.ndarray) -> np.ndarray:
        return _decode(folder, int(row), options)

    def load(row: tf.Tensor, image_seed: tf.Tensor) -> Any:
        image = tf.ensure_shape(python_op(read, [row], tf.uint8), (size, size, 3))
        image = tf.cast(image, tf.float32) if change is None else change(image, image_seed)
        return (image, *(tf.gather(values, row) for values in extras)) if extras else image

    def plan(number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _plan(folder, order, options.seed, int(number))

    def one_epoch(number: tf.Tensor) -> tf.data.Dataset:
        rows, seeds = python_op(plan, [number], [tf.int64, tf.int32])
        pairs = (tf.ensure_shape(rows, (count,)), tf.ensure_shape(seeds, (count, 2)))
        images = tf.data.Dataset.from_tensor_slices(pairs)
        images = images.map(load, num_parallel_calls=os.cpu_count() or 1, deterministic=True)
        return images.batch(batch_size)

    batches = tf.data.Dataset.range(epochs.start, epochs.stop, epochs.step).flat_map(one_epoch)
    batches = batches.apply(
        tf.data.experimental.assert_cardinality(len(epochs) * -(-count // batch_size))
    )
    return batches.prefetch(PREFETCH).with_options(without_autotune())


def _plan(folder: ImageFolder, order: str, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of an epoch in their order, int64 (n,), and their seeds, int32 (n, 2)."""
    if order == "balanced":
        rows = balanced_order(folder.labels, seed, epoch)
    else:
        rows = epoch_order(len(folder), seed, epoch, order == "shuffled")
    seeds = image_seeds(folder.paths, seed, epoch)[rows]
    seeds[:, 1] += repetitions(rows)  # else an image that is drawn twice looks the same twice
    return rows, seeds


def without_autotune() -> tf.data.Options:
    """Return options for datasets that feed a model on the same few cores.

    Autotuning takes threads from the model that it feeds: on two cores MobileNetV2 runs at half
    its speed (scripts/benchmarks/pipeline).
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _extras(folder: ImageFolder, weights: Sequence[float] | None) -> list[np.ndarray]:
    labels = np.asarray(folder.labels, dtype=np.int32)
    if weights is None:
        return [labels]
    return [labels, np.asarray(weights, dtype=np.float32).reshape(len(folder))]


def epoch_order(count: int, seed: int, epoch: int, shuffle: bool = True) -> np.ndarray:
    """Return the order of `count` images in an epoch: int64 array of shape (count,)."""
    if not shuffle:
        return np.arange(count, dtype=np.int64)
    return np.random.default_rng([seed, epoch]).permutation(count)


def balanced_order(labels: Sequence[int] | np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Return as many images as there are, with the same number of each class, in random order.

    The images of a rare class are repeated, all about equally often; of a frequent class a part is
    drawn, another one in each epoch.

    Args:
        labels: Class of each image.
        seed: Seed of the order, 0 or more.
        epoch: Number of the epoch, 0 or more.

    Returns:
        int64 array of shape (n,): numbers of images.
    """
    labels = np.asarray(labels)
    rng = np.random.default_rng([seed, epoch])
    classes = rng.permutation(np.unique(labels))  # which ones get the remainder
    chosen: list[np.ndarray] = []
    for share in np.array_split(np.arange(len(labels)), len(classes)):
        members = np.flatnonzero(labels == classes[len(chosen)])
        rounds = [rng.permutation(members) for _ in range(-(-len(share) // len(members)))]
        chosen.append(np.concatenate(rounds)[: len(share)])
    order: np.ndarray = rng.permutation(np.concatenate(chosen)).astype(np.int64)
    return order


def repetitions(order: np.ndarray) -> np.ndarray:
    """Return for each image of an order how often it occurred before: int32 array of shape (n,)."""
    by_image = np.argsort(order, kind="stable")
    ordered = order[by_image]
    first = np.searchsorted(ordered, ordered)  # where the image's run begins
    result = np.empty(len(order), np.int32)
    result[by_image] = np.arange(len(order)) - first
    return result


def image_seeds(paths: Sequence[str], seed: int, epoch: int) -> np.ndarray:
    """Return one augmentation seed per image: int32 array of shape (n, 2).

    Each depends on the seed, the epoch and the image's path, and on no other image.
    """
    digests = (hashlib.sha256(f"{seed}:{epoch}:{path}".encode()).digest()[:8] for path in paths)
    return np.frombuffer(b"".join(digests), dtype="<i4").reshape(-1, 2)


@contextmanager
def naming_bad_files() -> Iterator[None]:
    """Let the block raise the DataError of a file that cannot be read, unwrapped.

    tf.data wraps what its functions raise into errors of its own that show a traceback::

        with naming_bad_files():
            model.fit(image_batches(...))
    """
    try:
        yield
    except Exception as error:
        failure = unwrap(error)
        if failure is None:
            raise
        raise failure from error


def unwrap(error: Exception) -> DataError | None:
    """Return the DataError that an error of TensorFlow wraps, or None where there is none."""
    text = str(error)
    with _failures_lock:
        failures = list(_failures)
    return next((failure for failure in failures if str(failure) in text), None)


def _decode(folder: ImageFolder, row: int, options: ImageOptions) -> np.ndarray:
    try:
        file = folder.file(folder.paths[row])
        return decode(file, options.size, options.resize, options.decoding)
    except DataError as error:
        with _failures_lock:
            _failures.append(error)
        raise
