"""Images -> labels and probabilities, from the model of a run."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import Image

from transfer.errors import DataError, RunError, TransferError, UsageError, call
from transfer.features.converted import convert, has_openvino, place_for
from transfer.features.engines import (
    BATCH_SIZE,
    Engine,
    keras_engine,
    openvino_engine,
    warn_of_fallback,
)
from transfer.images.decode import Source, decode, is_open_file, wrong_kind
from transfer.images.folder import ImageFolder
from transfer.images.scan import walk_images
from transfer.networks.saved.model import CHECKS
from transfer.runs.run import Run
from transfer.serving.postprocess import Prior
from transfer.system.digests import sha256_of
from transfer.system.progress import track
from transfer.system.quiet import import_tensorflow

if TYPE_CHECKING:
    import keras

OnBad = Callable[[DataError], None]
_LOADING = threading.Lock()  # TensorFlow's import redirects stderr, and Keras counts its layers
_NO_PATH = re.compile(r"\w+://|(sample|keras|tfds):")


@dataclass(frozen=True)
class Prediction:
    """The model's prediction for one image.

    Attributes:
        path: The file; ``"#0"``, ``"#1"``... for all that is not given as a path.
        label: The most probable class.
        confidence: Its probability, 0..1.
        probabilities: Probability of every class, in the order of the run's classes.
        labels: What the image is predicted as, the most probable first: the label or, where an
            image may be of several classes, those above their threshold, perhaps none.
        refused: Whether the run's rule refuses it, since the image is rather of none of the
            classes; None where the run has no such rule (it was trained without negatives).
    """

    path: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    labels: tuple[str, ...] = ()
    refused: bool | None = None

    def top(self, k: int) -> list[tuple[str, float]]:
        """Return the `k` most probable classes with their probabilities, best first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:k]


class Predictor:
    """The model of a run, loaded once.

    It uses the engine that computed the run's features, if that is installed. For OpenVINO the
    model is converted on first use and kept in the cache; later starts take a second and need no
    TensorFlow. A model that OpenVINO cannot convert runs on Keras, with a warning.

    Attributes:
        classes: Class names in the order of the probabilities.
        thresholds: Probability of each class from which an image is of it; None where each image is
            of one class.
        size: Side of the model's square images in pixels.
        resize: How a photo becomes a square, see `transfer.decode`.
        decoding: How values of more than 8 bits and colour profiles are treated.
        threshold: Confidence below which the run refuses a prediction, 0..1; None without a rule.
        run: The engine: float32 images (b, size, size, 3), RGB 0..255, to a list with the
            probabilities, float32 (b, classes). May be called from several threads.

    Args:
        run: A run with a model.keras.

    Raises:
        RunError: There is none, it is not a valid model, or it has other classes than the run.
    """

    def __init__(self, run: Run) -> None:
        self.classes, self._file = run.classes, run.path / "model.keras"
        info = run.info
        self.thresholds = np.array(run.thresholds) if run.multi_label else None
        self.threshold = None if info.negatives is None else info.negatives.threshold
        self.resize, self.decoding = run.recipe.resize, info.settings.decoding
        with _LOADING:
            self.run, self.size, outputs = _open(run)
        if outputs != len(self.classes):
            raise RunError(
                f"Expected the {outputs} classes of model.keras in"
                f" {run.path / 'classes.json'}. Received: {len(self.classes)}"
            )

    def probabilities(
        self, pictures: Iterable[tuple[str, Source]], on_bad: OnBad | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (name, float32 array (classes,)) for each readable image, in order.

        Images are decoded ahead in threads while the model runs; memory use does not grow with
        their number.

        Args:
            pictures: Pairs of a name and an image, see `transfer.decode`.
            on_bad: Called with the error of each unreadable image; if None, the error is raised.

        Raises:
            DataError: An image cannot be read, and `on_bad` is None.
            RunError: The model computes something else than probabilities.
        """
        decoded = self._decode_ahead(pictures, on_bad)
        while chunk := list(islice(decoded, BATCH_SIZE)):
            names, images = zip(*chunk, strict=True)
            (rows,) = self.run(np.stack(images, dtype=np.float32, casting="safe"))
            if not np.isfinite(rows).all():
                raise RunError(
                    f"{self._file} is not a valid model: its probabilities are not finite numbers."
                    " Restore it from a copy, or train again."
                )
            yield from zip(names, rows, strict=True)

    def labels(self, probabilities: np.ndarray) -> tuple[str, ...]:
        """Return what an image is predicted as, by its probabilities (classes,)."""
        best_first = np.argsort(-probabilities, kind="stable")
        if self.thresholds is None:
            return (self.classes[best_first[0]],)
        above = probabilities > self.thresholds
        return tuple(self.classes[number] for number in best_first if above[number])

    def read(self, name: str, source: Source) -> np.ndarray:
        """Return an image as the model receives it, uint8 (size, size, 3).

        Raises:
            DataError: It cannot be read; the message tells which one it is.
            UsageError: It is no image.
        """
        try:
            return decode(source, self.size, self.resize, self.decoding)
        except (DataError, UsageError) as error:
            if isinstance(source, (str, os.PathLike)):
                raise
            raise type(error)(f"{name}: {error}") from error

    def _decode_ahead(
        self, pictures: Iterable[tuple[str, Source]], on_bad: OnBad | None
    ) -> Iterator[tuple[str, np.ndarray]]:
        waiting: deque[tuple[str, Future[np.ndarray]]] = deque()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = ((name, pool.submit(self.read, name, source)) for name, source in pictures)
            waiting.extend(islice(jobs, 2 * BATCH_SIZE))
            while waiting:
                name, future = waiting.popleft()
                waiting.extend(islice(jobs, 1))
                try:
                    yield name, future.result()
                except DataError as error:
                    if on_bad is None:
                        pool.shutdown(cancel_futures=True)
                        raise
                    error.source = name
                    on_bad(error)


def _open(run: Run) -> tuple[Engine, int, int]:
    """Return the engine, the side of its images in pixels, and the number of classes."""
    path = run.path / "model.keras"

    def load() -> keras.Model:
        import_tensorflow()
        from transfer.networks.classifier import load_classifier

        return load_classifier(run)

    features = run.info.features
    wanted = "keras" if features is None else features.engine
    if wanted == "openvino" and has_openvino() and path.is_file() and not path.is_symlink():
        try:
            about = {"backbone": run.recipe.backbone, "model": sha256_of(path), "checked": CHECKS}
            network = convert(load, place_for(about))
            sides, outputs = network.inputs[0].partial_shape, network.outputs[0].partial_shape
            return openvino_engine(network), sides[1].get_length(), outputs[1].get_length()
        except TransferError:  # model.keras itself is at fault
            raise
        except Exception as error:  # OpenVINO raises exceptions of many types
            warn_of_fallback(str(path), error)
    model = load()
    return keras_engine(model), model.input_shape[1], model.output_shape[-1]


def predict_folder(predictor: Predictor, folder: ImageFolder) -> np.ndarray:
    """Return the probabilities for all images of an indexed folder, float32 (n, classes).

    Raises:
        DataError: A file cannot be read.
    """
    pictures = [(path, folder.file(path)) for path in folder.paths]
    results = track(predictor.probabilities(pictures), "Predicting", len(pictures))
    rows = [row for _, row in results]
    return np.stack(rows) if rows else np.empty((0, len(folder.classes)), np.float32)


def predict(
    predictor: Predictor,
    sources: Source | Iterable[Source],
    on_bad: OnBad | None = None,
    prior: Prior | None = None,
) -> Iterator[Prediction]:
    """Yield a Prediction for every image; folders are searched at any depth.

    Args:
        predictor: The model.
        sources: One or several: folders, and images as `transfer.decode` takes them. They are read
            one by one, so a stream of any length works.
        on_bad: Called with the error of each unreadable image, and of each folder that cannot
            be listed or holds no images; if None, the error is raised.
        prior: Class prior that the probabilities are corrected to; None to leave them as they are.

    Raises:
        DataError: An image or a folder cannot be read, and `on_bad` is None.
        UsageError: `sources` is neither an image nor several.
    """
    least = predictor.threshold
    for name, row in predictor.probabilities(expand(sources, on_bad), on_bad):
        refused = None if least is None else float(row.max()) < least  # as the model has it
        row = row if prior is None else prior(row)
        probabilities = dict(zip(predictor.classes, row.tolist(), strict=True))
        label = predictor.classes[int(row.argmax())]
        labels = predictor.labels(row)
        yield Prediction(name, label, probabilities[label], probabilities, labels, refused)


def expand(
    sources: Source | Iterable[Source], on_bad: OnBad | None
) -> Iterator[tuple[str, Source]]:
    """Yield (name, image) for every image in `sources`, as `predict` takes them."""
    several = [sources] if _is_one(sources) else sources
    if not isinstance(several, Iterable):
        raise wrong_kind(f"{sources!r:.60} ({type(sources).__name__})")
    for number, source in enumerate(cast("Iterable[Source]", several)):
        if not isinstance(source, (str, os.PathLike)):
            yield f"#{number}", source
        elif not os.fspath(source):
            raise DataError("Expected the path of an image. Received an empty path.")
        elif os.path.isdir(source):  # noqa: PTH112 (Path.is_dir raises behind a locked folder)
            yield from ((str(file), file) for file in walk_images(Path(source), on_bad))
        elif _NO_PATH.match(str(source)) and not os.path.exists(source):  # noqa: PTH110 (as above)
            error = DataError(
                f"Expected files and folders of images. Received: {str(source)!r}. To turn a data"
                f" set or an archive into a folder: {call('prepare', 'SOURCE', 'DEST')}"
            )
            if on_bad is None:
                raise error
            on_bad(error)
        else:
            yield str(source), source


def _is_one(sources: Source | Iterable[Source]) -> bool:
    if isinstance(sources, np.ndarray):
        return sources.ndim < 4  # a batch of images has four dimensions
    if isinstance(sources, (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)):
        return True
    return is_open_file(sources)
