"""evaluate and report: the metrics of a run's model, and the page that shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np

from transfer.api.knobs import OtherDataKnobs
from transfer.api.prediction import tell_prior
from transfer.api.recipes import refuse_knobs
from transfer.api.subjects import Subject, other_subject, own_subject, refuse_empty, warn_of_gaps
from transfer.errors import RunError, UsageError, did_you_mean, option
from transfer.evaluation.evaluate import write_evaluation
from transfer.evaluation.metrics import compute_metrics
from transfer.evaluation.multilabel import CHOSE_THE_THRESHOLDS, write_multilabel_evaluation
from transfer.evaluation.photos import measure_photos
from transfer.evaluation.report import write_report
from transfer.images.folder import SPLITS, ImageFolder
from transfer.runs.metrics import Metrics, PriorUsed, Uncorrected
from transfer.runs.multilabel_predictions import MultilabelPredictions
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run, RunLike, as_run
from transfer.statistics.multilabel import HALF, choose_thresholds
from transfer.system.files import shown, unwritable, write_json
from transfer.system.guest import numpy_defaults
from transfer.system.progress import say, warn_unused

if TYPE_CHECKING:
    from transfer.serving.postprocess import Prior, PriorLike


@numpy_defaults()
def evaluate(
    run: RunLike,
    data: str | os.PathLike[str] | None = None,
    split: str | None = None,
    *,
    prior: PriorLike | None = None,
    **reading: Unpack[OtherDataKnobs],
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
        **reading: How `data` are read, as fields of `Recipe`: ``layout``, ``class_level``,
            ``label_regex``, ``path_column``, ``label_column``, ``split_column``,
            ``class_names``, ``limit``, ``follow_links``. Without the first seven, as the run's
            own images, or else with the defaults.

    Returns:
        The metrics, also written as metrics.json.

    Raises:
        DataError: There is no image to evaluate.
        RunError: The run has no valid model, does not record the class frequencies that it was
            trained with, or cannot be written.
        UsageError: `split`, `prior` or a field of `reading` is invalid.
    """
    run = as_run(run)
    refuse_knobs(reading, OtherDataKnobs, "the run has its own")
    if split is not None and split not in SPLITS:
        raise UsageError(
            f"Unknown {option('split', split)}.{did_you_mean(split, SPLITS)}"
            " Expected train, val or test."
        )
    asked = None if prior is None else tell_prior(run, prior)
    if data is None:
        warn_unused(list(reading), "without DATA")
        subject = own_subject(run, split)
    else:
        subject = other_subject(run, data, split, reading)
    refuse_empty(subject)
    warn_of_gaps(subject.images, subject)
    elsewhere = data is not None or subject.split != run.info.split or asked is not None
    directory = _place(run, subject, asked, elsewhere)
    if subject.dataset is not None:  # what the report may show
        subject.dataset.write(directory / "split.csv")
    metrics = evaluate_on(run, directory, subject, prior=asked)
    say(f"Report: {shown(write_report(run, directory))}")
    return metrics


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
        known = run.read_evaluation(directory) or about
        if all(known.get(key) == about.get(key) for key in ("data", "prior")):
            directory.mkdir(parents=True, exist_ok=True)
            write_json(directory / "evaluation.json", about)
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
    refuse_empty(subject)
    images = subject.images
    probabilities = probabilities_of(run, images, known or {})
    if run.multi_label:
        several = _multilabel(run, images, probabilities)
        caveat = subject.caveat or (CHOSE_THE_THRESHOLDS if subject.split == "val" else None)
        figures = write_multilabel_evaluation(
            directory, several, subject.split, subject.leaks, caveat
        )
        return cast("Metrics", figures)
    labels = np.array(images.labels, dtype=np.int64)
    predictions = Predictions(images.paths, labels, probabilities, images.classes)
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
    metrics = write_evaluation(
        directory, predictions, subject.split, subject.leaks, about, subject.caveat
    )
    measure_photos(directory, images.root, images.paths, run.info.settings.decoding)
    return metrics


def _multilabel(run: Run, images: ImageFolder, probabilities: np.ndarray) -> MultilabelPredictions:
    true = images.targets() > HALF
    return MultilabelPredictions(images.paths, true, probabilities, images.classes, run.thresholds)


def settle_thresholds(run: Run, known: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Choose the threshold of each class on the validation images, where a run needs any.

    Args:
        run: With a model.keras.
        known: Probabilities (classes,) by path, for images that the model has predicted already.

    Returns:
        The same, with those of the validation images.
    """
    if not run.multi_label:
        return known
    images = own_subject(run, "val").images
    run.update(thresholds=(HALF,) * len(run.classes))  # which the model cannot be opened without
    probabilities = probabilities_of(run, images, known)
    chosen = choose_thresholds(probabilities, images.targets())
    run.update(thresholds=tuple(chosen.tolist()))
    return dict(known) | dict(zip(images.paths, probabilities, strict=True))


def probabilities_of(run: Run, images: ImageFolder, known: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the probabilities of images, float32 (n, classes).

    The model is loaded only where some are not known.
    """
    from transfer.serving.predictor import Predictor, predict_folder

    missing = images.keep([path not in known for path in images.paths])
    rows = dict(known)
    if missing.paths:
        computed = predict_folder(Predictor(run), missing)
        rows |= dict(zip(missing.paths, computed, strict=True))
    return np.stack([rows[path] for path in images.paths])


@numpy_defaults()
def report(run: RunLike) -> Path:
    """Write the run's report.html again from its predictions and return its path.

    Args:
        run: A run or its path.

    Raises:
        RunError: The run has no predictions yet.
    """
    return write_report(as_run(run))
