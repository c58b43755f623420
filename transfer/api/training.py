"""finetune: a folder of images becomes a run."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from transfer.api import negatives
from transfer.api.evaluation import evaluate_on, report, settle_thresholds
from transfer.api.images import (
    CLASS_NAMES,
    read_images,
    split_options,
    tell_counts,
    tell_decoding,
)
from transfer.api.knobs import Knobs
from transfer.api.recipes import check_recipe, make_recipe
from transfer.api.run import Run
from transfer.api.subjects import own_subject
from transfer.api.unused import tell_unused, tell_unused_shares
from transfer.data.audit.clean import Audit
from transfer.data.audit.negatives import clean_negatives
from transfer.data.dataset import Dataset
from transfer.data.folds import check_folds
from transfer.data.split import split_dataset
from transfer.data.splitfile import read_sides
from transfer.errors import call_to_resume, out_of_memory
from transfer.evaluation.folds import summarise_folds
from transfer.evaluation.label_errors import LabelledVectors, write_label_errors
from transfer.evaluation.multilabel_errors import write_multilabel_errors
from transfer.evaluation.report.redaction import last_part
from transfer.networks.weights import Weights, resolve_weights
from transfer.recipe import Recipe
from transfer.runs.directory import check_output, locked, make_run_directory
from transfer.runs.info import LabelErrors, RunInfo, WeightsInfo, versions
from transfer.runs.run import Run as RunDirectory
from transfer.settings import Settings
from transfer.statistics.scaling import standardise
from transfer.system.digests import sha256_or_none
from transfer.system.files import shown, write_json
from transfer.system.guest import as_guest
from transfer.system.machine import hardware
from transfer.system.progress import say
from transfer.system.quiet import import_tensorflow
from transfer.training.keep.state import State, clear_state, out_of_disk

if TYPE_CHECKING:
    import keras

    from transfer.training.train import Clock, Outcome

_MOST_LEFT_OUT = 1000  # named in run.json


def finetune(
    data: str | os.PathLike[str],
    *,
    recipe: Recipe | None = None,
    output: str | os.PathLike[str] | None = None,
    split: str | os.PathLike[str] | None = None,
    **knobs: Unpack[Knobs],
) -> Run:
    """Train a classifier on a folder of images and evaluate it.

    The backbone runs once over the images and the head is fitted to its features; then the top of
    the backbone is fine-tuned. The candidates are the head's model, the best epoch, and three
    points between the head's and the last weights: the best on the validation images is kept, ties
    go to the head. It is evaluated on ``test`` where the data have it, else on ``val``. Without
    pretrained weights, all of the network is trained from scratch instead.

    Args:
        data: Folder with one folder per class, or with train/, val/ and test/ of such folders;
            or any other source that `transfer.prepare` accepts.
        recipe: Starting point; the defaults if omitted.
        output: Directory of the run, new or empty; the next free ``runs/<data>-<backbone>-001``
            if omitted.
        split: Another run, or its split.csv: images listed there keep their split.
        **knobs: Fields of `Recipe` that differ: ``backbone``, ``image_size``, ``augment``,
            ``unfreeze``, ``epochs``, ``learning_rate``, ``test``, ``folds``, ``time``, ``seed`` and
            more; ``help(transfer.Recipe)`` describes them all.

    Returns:
        The finished run.

    Raises:
        UsageError: A knob has an invalid value.
        DataError: The images cannot be used.
        WeightsError: The backbone's weights are not available.
        TransferError: The training diverged.

    Example:
        >>> run = finetune("data/dogs", backbone="vgg16")
        >>> run.metrics["accuracy"]
    """
    began = time.monotonic()
    recipe = make_recipe(recipe, knobs)
    backbone = check_recipe(recipe)
    tell_unused(recipe, knobs)
    path = None if output is None else check_output(output)
    known = None if split is None else read_sides(split)
    name, folder, audit = read_images(data, recipe)
    apart = clean_negatives(folder, audit, recipe.on_bad, recipe.check)
    tell_unused_shares(knobs, folder.splits, bool(known or recipe.folds))
    drawn = {"val", "test"} - set(folder.splits) if known is None else set()
    dataset = split_dataset(folder, audit, split_options(recipe), known)
    if recipe.folds:
        check_folds(dataset, recipe.folds)
    tell_counts(dataset, recipe, drawn)
    weights = resolve_weights(backbone, recipe.weights)  # a download that fails leaves no run
    import_tensorflow()
    from transfer.training.settle import settle
    from transfer.training.train import Clock

    with as_guest():
        settings, base = settle(recipe, dataset, weights)
        tell_decoding(dataset, settings.decoding)
        directory = make_run_directory(path, f"{name}-{backbone.name}")
        with locked(directory):
            info = _first_info(dataset, audit, weights, settings)
            info = replace(info, negatives=negatives.about(apart), source=source_name(data))
            run = Run.create(directory, recipe, dataset.images.classes, info)
            say(f"Writing to {shown(run.path)}")
            dataset.write(run.path / "split.csv")
            negatives.record(run, apart)
            if dataset.images.named:
                write_json(run.path / CLASS_NAMES, dict(dataset.images.named))
            run_training(run, dataset, weights, Clock(settings.seconds, began), base=base)
    return run


def source_name(data: str | os.PathLike[str]) -> str:
    """Return the name of the data as the user gave it: without folders, and what a URL hides."""
    path = Path(data).expanduser()
    return path.resolve().name if path.exists() else last_part(os.fspath(data).partition("?")[0])


def _first_info(dataset: Dataset, audit: Audit, weights: Weights, settings: Settings) -> RunInfo:
    """Return what is known of a run before its training."""
    file = None if weights.path is None else weights.path.name
    return RunInfo(
        data=str(dataset.images.root),
        split="test" if "test" in dataset.images.splits else "val",
        counts=dataset.images.counts(),
        weights=WeightsInfo(weights.origin, file, weights.sha256),
        settings=settings,
        skipped=dict(dataset.images.skipped),
        left_out=dataset.images.unexpected()[:_MOST_LEFT_OUT],
        read_as=dataset.images.read_as,
        bad=tuple(audit.bad),
        notes=dict(audit.notes),
        versions=versions(),
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        hardware=hardware(),
    )


def run_training(
    run: RunDirectory,
    dataset: Dataset,
    weights: Weights,
    clock: Clock,
    saved: State | None = None,
    base: keras.Model | None = None,
) -> None:
    """Train and evaluate a run by its settings; run.json records how it ended.

    Args:
        run: With run.json and split.csv.
        dataset: Its images.
        weights: The backbone's.
        clock: When it should be over.
        saved: The state to resume from, if any.
        base: The backbone, if it is built already.
    """
    run.update(status="running", error="")
    try:
        _train_and_evaluate(run, dataset, weights, clock, saved, base)
    except BaseException as error:
        status = "failed" if isinstance(error, Exception) else "interrupted"
        advice = out_of_memory(error) or out_of_disk(run.path, error)
        reason = str(advice or error) if isinstance(error, Exception) else type(error).__name__
        with suppress(OSError):  # the disk may be full
            run.update(status=status, error=reason)
        if status == "interrupted":
            say(f"To resume: {call_to_resume(Path(shown(run.path)))}")
        if advice is not None:
            raise advice from error
        raise


def _train_and_evaluate(
    run: RunDirectory,
    dataset: Dataset,
    weights: Weights,
    clock: Clock,
    saved: State | None,
    base: keras.Model | None,
) -> None:
    from transfer.experiments.cross_validation import cross_validate_run
    from transfer.training.setup import prepare
    from transfer.training.train import train

    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".activations-", dir=run.path) as scratch:
        setup = prepare(run.info.settings, dataset, weights, Path(scratch), base)
        outcome = train(run, setup, identity(run), clock, saved)
        _find_label_errors(run, outcome)
        cross_validate_run(run, outcome.setup, outcome.features, saved is not None)
    known = settle_thresholds(run, outcome.known)
    evaluate_on(run, run.path, own_subject(run, None), known)
    negatives.judge(run)
    if run.info.folds is not None:
        run.update(folds=summarise_folds(run))
    run.update(status="done", seconds=run.info.seconds | {"total": time.monotonic() - started})
    report(run)  # last, since it shows what run.json says
    clear_state(run.path)


def _find_label_errors(run: RunDirectory, outcome: Outcome) -> None:
    """Look for wrong labels among the training and validation images, if there are features."""
    if outcome.features is None or run.info.label_errors is not None:
        return
    setup = outcome.setup
    channels = setup.classifier.base.output.shape[-1]
    vectors = np.concatenate([each.per_image(channels) for each in outcome.features])
    dataset = setup.dataset.train_and_val()
    images, groups = dataset.images, dataset.group_numbers()
    labels = np.array(images.labels)
    labelled = LabelledVectors(vectors, labels, images.paths, images.classes, groups)
    if images.label_sets is None:
        result = write_label_errors(run.path, labelled, setup.settings.seed)
    else:
        result = _find_multilabel_errors(run, labelled, images.target_table(), setup.settings.seed)
    if result is not None:
        run.update(label_errors=result)


def _find_multilabel_errors(
    run: RunDirectory, images: LabelledVectors, table: np.ndarray, seed: int
) -> LabelErrors | None:
    from transfer.training.head.logistic import cross_validate

    vectors = standardise(images.vectors)
    found = cross_validate(
        vectors, images.labels, len(images.classes), table=table, groups=images.groups, seed=seed
    )
    if found is None:
        return None
    targets = table[images.labels]
    return write_multilabel_errors(run.path, images, targets, found.probabilities)


def identity(run: RunDirectory) -> dict[str, Any]:
    """Return what must not change while a run is interrupted."""
    return {
        "recipe": run.recipe.to_dict(),
        "classes": list(run.classes),
        "split.csv": sha256_or_none(run.path / "split.csv"),
        "weights": run.info.weights.sha256,
    }
