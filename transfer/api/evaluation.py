"""evaluate and report: the metrics of a run's model, and the page that shows them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transfer.api.images import CLASS_NAMES
from transfer.api.prediction import tell_prior
from transfer.data.audit.clean import Audit, audit, clean
from transfer.data.audit.duplicates import groups_of
from transfer.data.dataset import Dataset
from transfer.data.sources.prepare import resolve
from transfer.errors import DataError, RunError, UsageError, call, did_you_mean, option
from transfer.evaluation.evaluate import find_caveat, write_evaluation
from transfer.evaluation.metrics import compute_metrics
from transfer.evaluation.report import write_report
from transfer.images.folder import SPLITS, ImageFolder
from transfer.recipe.reading import reading_of
from transfer.runs.metrics import Metrics, PriorUsed, Uncorrected
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run, RunLike, as_run
from transfer.system.files import shown, unwritable, write_json
from transfer.system.guest import numpy_defaults
from transfer.system.progress import say, warn

if TYPE_CHECKING:
    from transfer.serving.postprocess import Prior, PriorLike

_NEAR = ", or near duplicates of them"


@numpy_defaults()
def evaluate(
    run: RunLike,
    data: str | os.PathLike[str] | None = None,
    split: str | None = None,
    *,
    prior: PriorLike | None = None,
    follow_links: bool = False,
) -> Metrics:
    """Evaluate a run's model on one split of its own images, or on other images.

    Results on the run's own split go to the run directory; all others, and those corrected to a
    prior, to ``evaluations/<name>`` below it. Images are matched to the model's classes by name.

    Args:
        run: A run or its path.
        data: Other images, any source that `transfer.prepare` accepts; the run's own if
            omitted.
        split: ``train``, ``val`` or ``test``; if omitted, the run's own split, or all images
            of `data` (its test or validation images if it has such folders).
        prior: Class frequencies to correct to, as in `predict`; None leaves the model's own
            probabilities.
        follow_links: Take images from outside `data` too.

    Returns:
        The metrics, also written as metrics.json.

    Raises:
        DataError: There is no image to evaluate.
        RunError: The run has no valid model, does not record the class frequencies that it was
            trained with, or cannot be written.
        UsageError: `split` or `prior` is invalid.
    """
    run = as_run(run)
    if split is not None and split not in SPLITS:
        raise UsageError(
            f"Unknown {option('split', split)}.{did_you_mean(split, SPLITS)}"
            " Expected train, val or test."
        )
    asked = None if prior is None else tell_prior(run, prior)
    subject = own_subject(run, split) if data is None else _other(run, data, split, follow_links)
    chosen = subject.images
    if not chosen.paths:
        raise DataError(f"There are no {subject.split} images in {str(chosen.root)!r}.")
    _warn_of_gaps(chosen, subject)
    elsewhere = data is not None or subject.split != run.info.split or asked is not None
    directory = _place(run, subject, asked, elsewhere)
    metrics = evaluate_on(run, directory, subject, prior=asked)
    say(f"Report: {shown(write_report(run, directory))}")
    return metrics


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        name: For the directory of the evaluation.
        images: The images.
        split: Name of their split; ``all`` where they have none.
        leaks: Paths of those that training has seen.
        seen: Words for messages on what that includes.
        caveat: Why its metrics are optimistic, from `find_caveat`; None where nothing is known.
    """

    name: str
    images: ImageFolder
    split: str
    leaks: Collection[str]
    seen: str
    caveat: str | None = None


def own_subject(run: Run, split: str | None) -> Subject:
    split = split or run.info.split
    dataset = Dataset.read(run.path, _own_images(run), run.classes).select(split)
    caveat = find_caveat(split, run.info.settings.monitor, len(run.history()))
    return Subject(split, dataset.images, split, dataset.leaks, _NEAR, caveat)


def _other(
    run: Run, data: str | os.PathLike[str], split: str | None, follow_links: bool
) -> Subject:
    reading = replace(
        reading_of(run.recipe), allow_empty=True, limit=None, follow_links=follow_links
    )
    if (run.path / CLASS_NAMES).is_file():
        reading = replace(reading, class_names=str(run.path / CLASS_NAMES))
    resolved = resolve(data, reading)
    images, result = clean(resolved.index(classes=run.classes))
    leaks, seen = _seen_in_training(run, result)
    if split is None and set(images.splits) != {""}:
        split = "test" if "test" in images.splits else "val"
    chosen = images if split is None else images.select(split)
    return Subject(f"{resolved.name}-{split or 'all'}", chosen, split or "all", leaks, seen)


def _warn_of_gaps(images: ImageFolder, subject: Subject) -> None:
    present = set(images.labels)
    absent = [name for label, name in enumerate(images.classes) if label not in present]
    if absent:
        warn(f"No images of {', '.join(map(repr, absent))}: these classes are not evaluated.")
    leaked = sum(path in subject.leaks for path in images.paths)
    if leaked:
        warn(
            f"{leaked} of the {len(images)} images were seen in training{subject.seen}: the metrics"
            " include the accuracy without them."
        )


def _own_images(run: Run) -> Path:
    """Return the folder that the run was trained on."""
    data = run.info.data
    if not data or not Path(data).is_dir():
        raise DataError(
            f"The images of {run.path} are not where its run.json says: {data!r}."
            f" Move them back, or name others: {call('evaluate', 'RUN', 'DATA')}"
        )
    return Path(data)


def _seen_in_training(run: Run, result: Audit) -> tuple[set[str], str]:
    """Return the paths of other images that a run's training has seen, and what that includes.

    Near duplicates are found only if the training images are still in place.
    """
    root = run.info.data
    if not (run.path / "split.csv").is_file():
        return set(), _NEAR
    own = Dataset.read(run.path, root or "/", run.classes).train
    trained = {own.sha256[path] for path in own.paths} - {""}
    copies = {path for path, digest in result.sha256.items() if digest in trained}
    if not (trained and root and Path(root).is_dir()):
        return copies, " (copies; near duplicates are not known)"
    looks = {f"train/{path}": look for path, look in audit(own.images).looks.items()}
    looks = {path: look for path, look in looks.items() if look.sha256 in trained}
    looks |= {f"data/{path}": look for path, look in result.looks.items()}
    groups = groups_of(
        {path: look.sha256 for path, look in looks.items()},
        {path: look.fingerprint for path, look in looks.items()},
    )
    seen = {key for path, key in groups.items() if path.startswith("train/")}
    return copies | {path for path in result.sha256 if groups[f"data/{path}"] in seen}, _NEAR


def _place(run: Run, subject: Subject, prior: Prior | None, elsewhere: bool) -> Path:
    """Return the directory of an evaluation: the run's own or another, which is made."""
    try:
        directory = _make_directory(run, subject, prior) if elsewhere else run.path
        why = unwritable(directory / "metrics.json")
    except OSError as error:
        directory, why = run.path / "evaluations", error.strerror
    if why is not None:
        raise RunError(f"Cannot write an evaluation to {directory}: {why}.")
    return directory


def _make_directory(run: Run, subject: Subject, prior: Prior | None) -> Path:
    """Make the directory of an evaluation other than the run's own, with its evaluation.json.

    Folders with the same name, and different given priors, each have a directory of their own.
    """
    name = subject.name
    about: dict[str, Any] = {"data": str(subject.images.root), "split": subject.split}
    if prior is not None:
        name = f"{name}-prior-{prior.name}"
        about["prior"] = {"name": prior.name, "shares": prior.shares()}
    for number in count(1):
        directory = run.path / "evaluations" / (name if number == 1 else f"{name}-{number}")
        file = directory / "evaluation.json"
        known = run.read_json(str(file.relative_to(run.path))) if file.is_file() else about
        if all(known.get(key) == about.get(key) for key in ("data", "prior")):
            directory.mkdir(parents=True, exist_ok=True)
            write_json(file, about)
            return directory
    raise AssertionError


def evaluate_on(
    run: Run,
    directory: Path,
    subject: Subject,
    known: Mapping[str, np.ndarray] | None = None,
    prior: Prior | None = None,
) -> Metrics:
    """Predict images with a run's model, and write the evaluation into a directory.

    Args:
        run: With a model.keras.
        directory: The run's own or another one.
        subject: What is evaluated.
        known: Probabilities (classes,) by path, for images that the model has predicted already.
        prior: What the probabilities are corrected to; None for the model's own.
    """
    predictions = _predict(run, subject.images, known or {})
    about: PriorUsed | None = None
    if prior is not None:
        own = compute_metrics(predictions, subject.split)
        without: Uncorrected = {
            "accuracy": own["accuracy"],
            "macro_f1": own["macro_f1"],
            "log_loss": own["log_loss"],
            "ece": own["ece"],
        }
        about = {"name": prior.name, "shares": prior.shares(), "without": without}
        predictions = replace(predictions, probabilities=prior(predictions.probabilities))
    return write_evaluation(
        directory, predictions, subject.split, subject.leaks, about, subject.caveat
    )


def _predict(run: Run, images: ImageFolder, known: Mapping[str, np.ndarray]) -> Predictions:
    """Return the probabilities of images; the model is loaded only where some are not known."""
    from transfer.serving.predictor import Predictor, predict_folder

    missing = images.keep([path not in known for path in images.paths])
    rows = dict(known)
    if missing.paths:
        computed = predict_folder(Predictor(run), missing)
        rows |= dict(zip(computed.paths, computed.probabilities, strict=True))
    return Predictions(
        images.paths,
        np.array(images.labels, dtype=np.int64),
        np.stack([rows[path] for path in images.paths]),
        images.classes,
    )


@numpy_defaults()
def report(run: RunLike) -> Path:
    """Write the run's report.html again from its predictions and return its path.

    Args:
        run: A run or its path.

    Raises:
        RunError: The run has no predictions yet.
    """
    return write_report(as_run(run))
