"""Pictures -> labels and probabilities, by the model of a run."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import tensorflow as tf
from PIL import Image

from transfer.errors import DataError, RunError
from transfer.features.engines import keras_engine
from transfer.images.decode import Source, decode
from transfer.images.folder import ImageFolder
from transfer.images.scan import Scanner
from transfer.progress import track, warn
from transfer.run import Predictions, Run
from transfer.training.classifier import load_classifier

BATCH_SIZE = 32
OnBad = Callable[[DataError], None]


@dataclass(frozen=True)
class Prediction:
    """What the model says about one picture.

    Attributes:
        path: The file, or ``"#0"``, ``"#1"``... for pictures given as arrays or PIL images.
        label: The most probable class.
        confidence: Its probability, 0..1.
        probabilities: Probability of every class, in the order of the run's classes.
    """

    path: str
    label: str
    confidence: float
    probabilities: dict[str, float]

    def top(self, k: int) -> list[tuple[str, float]]:
        """Return the `k` most probable classes with their probabilities, best first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:k]


class Predictor:
    """The model of a run, loaded once.

    Args:
        run: A run with a model.keras.

    Raises:
        RunError: There is none, it is not a valid model, or it has other classes than the run.
    """

    def __init__(self, run: Run) -> None:
        self.classes = run.classes
        self._resize = run.recipe.resize
        model = load_classifier(run)
        if model.output_shape[-1] != len(self.classes):
            raise RunError(
                f"Expected the {model.output_shape[-1]} classes of model.keras in"
                f" {run.path / 'classes.json'}. Received: {len(self.classes)}"
            )
        self._size = int(model.input_shape[1])
        self._engine = keras_engine(model)

    def probabilities(
        self, sources: Iterable[Source], on_bad: OnBad | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (number of the source, float32 array (classes,)) for each readable picture.

        Pictures are decoded ahead in threads while the model works; memory does not grow with
        their number.

        Args:
            sources: Files, PIL images or uint8 arrays (h, w, 3), RGB 0..255.
            on_bad: Called with the error of each unreadable picture; where None, it is raised.

        Raises:
            DataError: A picture cannot be read, and `on_bad` is None.
        """
        numbers: deque[int] = deque()

        def batches() -> Iterator[tf.Tensor]:
            images = self._decode_ahead(sources, on_bad)
            while chunk := list(islice(images, BATCH_SIZE)):
                numbers.extend(number for number, _ in chunk)
                yield tf.constant(np.stack([image for _, image in chunk]), tf.float32)

        for images in batches():  # not padded: one picture must not cost what 32 do
            for row in self._engine(images)[0]:
                yield numbers.popleft(), row

    def _decode_ahead(
        self, sources: Iterable[Source], on_bad: OnBad | None
    ) -> Iterator[tuple[int, np.ndarray]]:
        waiting: deque[tuple[int, Future[np.ndarray]]] = deque()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = (
                (number, pool.submit(decode, source, self._size, self._resize))
                for number, source in enumerate(sources)
            )
            waiting.extend(islice(jobs, 2 * BATCH_SIZE))
            while waiting:
                number, future = waiting.popleft()
                waiting.extend(islice(jobs, 1))
                try:
                    yield number, future.result()
                except DataError as error:
                    if on_bad is None:
                        pool.shutdown(cancel_futures=True)
                        raise
                    on_bad(error)


def predict_folder(predictor: Predictor, folder: ImageFolder) -> Predictions:
    """Return the probabilities for all images of an indexed folder, in its order.

    Raises:
        DataError: A file cannot be read.
    """
    files = [folder.file(path) for path in folder.paths]
    results = track(predictor.probabilities(files), "Predicting", len(files))
    rows = [row for _, row in results]
    return Predictions(
        folder.paths,
        np.array(folder.labels, dtype=np.int64),
        np.stack(rows) if rows else np.empty((0, len(folder.classes)), np.float32),
        folder.classes,
    )


def predict(
    predictor: Predictor, sources: Source | Iterable[Source], on_bad: OnBad | None = None
) -> Iterator[Prediction]:
    """Yield a Prediction for every picture; files in folders are found at any depth.

    Args:
        predictor: The model.
        sources: One picture or several: files, folders, PIL images or uint8 arrays (h, w, 3).
        on_bad: Called with the error of each unreadable picture; where None, it is raised.

    Raises:
        DataError: A file is missing or unreadable, or a folder holds no picture.
    """
    pictures = list(_expand(sources))
    for number, row in predictor.probabilities((source for _, source in pictures), on_bad):
        probabilities = dict(zip(predictor.classes, row.tolist(), strict=True))
        label = predictor.classes[int(row.argmax())]
        yield Prediction(pictures[number][0], label, probabilities[label], probabilities)


def _expand(sources: Source | Iterable[Source]) -> Iterator[tuple[str, Source]]:
    several = [sources] if _is_one(sources) else sources
    for number, source in enumerate(cast("Iterable[Source]", several)):
        if not isinstance(source, (str, os.PathLike)):
            yield f"#{number}", source
        elif not os.fspath(source):
            raise DataError("Expected the path of a picture. Received an empty one.")
        elif Path(source).is_dir():
            yield from ((str(file), file) for file in _images_below(Path(source)))
        else:
            yield str(source), source


def _is_one(sources: Source | Iterable[Source]) -> bool:
    if isinstance(sources, np.ndarray):
        return sources.ndim < 4  # a batch of pictures has four dimensions
    return isinstance(sources, (str, os.PathLike, Image.Image))


def _images_below(folder: Path) -> list[Path]:
    scanner = Scanner(folder, follow_links=True)
    scanner.enter(".")
    scanner.follow()
    for reason, count in scanner.skipped.items():
        if reason.startswith("unsupported"):
            warn(f"Left out {count} file(s) in {str(folder)!r}: {reason}.")
    if not scanner.images:
        raise DataError(f"No images in {str(folder)!r}. Expected jpg, png, gif, bmp or webp files.")
    return sorted(folder / name for name in scanner.images)
