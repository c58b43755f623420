"""predict: labels and probabilities of images, from the model of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from transfer.api.images import CLASS_NAMES
from transfer.errors import DataError, UsageError, option
from transfer.recipe import ON_BAD
from transfer.runs.run import Run, RunLike, as_run
from transfer.system.guest import numpy_defaults
from transfer.system.progress import say, warn

if TYPE_CHECKING:
    from transfer.images.decode import Source
    from transfer.serving.postprocess import Prior, PriorLike
    from transfer.serving.predictor import Prediction as Prediction
    from transfer.serving.predictor import Predictor
    from transfer.serving.sorting import Sorter

_LOADING = Lock()


@numpy_defaults()
def predict(
    run: RunLike,
    pictures: Source | Iterable[Source],
    on_bad: str = "fail",
    *,
    prior: PriorLike | None = None,
) -> list[Prediction]:
    """Classify images.

    Args:
        run: A run or its path.
        pictures: One or several: paths of files or folders (searched at any depth), the
            encoded bytes of an image, files open in binary mode, PIL images, or uint8 arrays
            (h, w, 3), RGB 0..255. An array (n, h, w, 3) is n images.
        on_bad: ``fail`` raises at the first unreadable image; ``skip`` warns and continues.
        prior: How frequent each class is among these images: ``train`` (as in the training
            images), ``even``, or the share of each class, ``{"cat": 0.9, "dog": 0.1}``. None
            leaves the model's probabilities as they are.

    Returns:
        One `Prediction` (path, label, confidence, probabilities) per readable image.

    Raises:
        DataError: An image cannot be read.
        RunError: The run has no valid model, or does not record the class frequencies that it was
            trained with.
        UsageError: `pictures`, `on_bad` or `prior` is invalid.

    Example:
        >>> predict("runs/dogs-vgg16-001", ["rex.jpg"])[0].label
        'beagle'
    """
    if on_bad not in ON_BAD:
        raise UsageError(f"Expected {option('on_bad')} as skip or fail. Received: {on_bad!r}")
    skip = None if on_bad == "fail" else lambda error: warn(f"Left out: {error}")
    return list(iterate_predictions(run, pictures, skip, prior=prior))


def iterate_predictions(
    run: RunLike,
    pictures: Source | Iterable[Source],
    on_bad: Callable[[DataError], None] | None = None,
    *,
    prior: PriorLike | None = None,
) -> Iterator[Prediction]:
    """Yield the predictions of `predict` one by one, as soon as each is known.

    Args:
        run: A run or its path.
        pictures: See `predict`.
        on_bad: Called with the error of each unreadable image; if None, the error is raised.
        prior: See `predict`.
    """
    run = as_run(run)
    asked = None if prior is None else tell_prior(run, prior)
    from transfer.serving.predictor import predict as iterate

    return iterate(opened(run), pictures, on_bad, asked)


def sorter(
    run: RunLike,
    target: str | os.PathLike[str],
    by: str = "label",
    pictures: Iterable[str | os.PathLike[str]] = (),
) -> Sorter:
    """Return what copies photos into folders by their predictions.

    Args:
        run: A run or its path.
        target: The folder that receives the folders; made where it is missing.
        by: ``label`` for a folder for each predicted class; ``mistake`` for one for each pair of
            classes that are confused, with the class of a photo from the folder that it lies in.
        pictures: What is predicted, outside of which `target` must lie.

    Raises:
        UsageError: `target` is a file, the copies would lie among `pictures`, or `by` is unknown or
            is ``mistake`` for a run whose images may be of several classes.
    """
    from transfer.serving.sorting import BY, Sorter

    run = as_run(run)
    if by not in BY:
        raise UsageError(f"Expected {option('by')} as label or mistake. Received: {by!r}")
    if by == "mistake" and run.multi_label:
        raise UsageError(
            f"{option('by', by)} is for images of one class each; those of {run.path} may be of"
            " several."
        )
    names = run.read_json(CLASS_NAMES) if (run.path / CLASS_NAMES).is_file() else {}
    folders = {folder: name for folder, name in names.items() if isinstance(name, str)}
    found = Sorter(Path(target).expanduser(), run.classes, by, folders)
    found.refuse_among(pictures)
    return found


def tell_prior(run: Run, prior: PriorLike) -> Prior:
    """Return what a prior means for a run's model, and print it."""
    from transfer.serving.postprocess import resolve_prior

    found = resolve_prior(run, prior)
    say(f"Probabilities for the {found}")
    return found


def opened(run: Run) -> Predictor:
    """Return the model of a run; it is kept for the next call while its file does not change."""
    model = run.path / "model.keras"
    modified = model.stat().st_mtime_ns if model.is_file() else 0
    return _load(run.path.absolute(), modified, os.getpid())  # threads do not survive a fork


def _load(path: Path, modified: int, process: int) -> Predictor:
    """Return the model of a run; threads that ask for it at the same time load it once."""
    with _LOADING:
        return _predictor(path, modified, process)


@lru_cache(maxsize=2)
def _predictor(path: Path, modified: int, process: int) -> Predictor:
    """Return the model of a run, kept for the next call in the same process."""
    from transfer.serving.predictor import Predictor

    return Predictor(Run(path))
