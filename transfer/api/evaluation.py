"""evaluate and report: what a run's model knows, and the page that shows it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.api.prediction import tell_prior
from transfer.data.audit.clean import Audit, audit, clean
from transfer.data.audit.duplicates import groups_of
from transfer.data.sources.prepare import resolve
from transfer.data.splitfile import read_leaks, read_split, read_trained
from transfer.errors import DataError, UsageError, did_you_mean
from transfer.evaluation.evaluate import write_evaluation
from transfer.evaluation.metrics import compute_metrics
from transfer.evaluation.report import write_report
from transfer.images.folder import SPLITS, ImageFolder
from transfer.runs.run import Run, RunLike, as_run
from transfer.system.files import write_json
from transfer.system.progress import say, warn

if TYPE_CHECKING:
    from transfer.serving.postprocess import Prior, PriorLike

_NEAR = ", or near duplicates of them"


def evaluate(
    run: RunLike,
    data: str | os.PathLike[str] | None = None,
    split: str | None = None,
    *,
    prior: PriorLike | None = None,
    follow_links: bool = False,
) -> Mapping[str, Any]:
    """Evaluate a run's model on one split of its own images, or on other images.

    The run's own split goes to the run directory itself; anything else, and what is corrected to a
    prior, to ``evaluations/<name>`` below it. Images are matched to the model's classes by name.

    Args:
        run: A run or its path.
        data: Other images, by whatever `transfer.prepare` takes; the run's own where not given.
        split: ``train``, ``val`` or ``test``; where not given, the run's own split, or all images
            of `data` (its test or validation images where it has such folders).
        prior: How frequent the classes are taken to be, as in `transfer.predict`; None is the
            model's own answer.
        follow_links: Take images of `data` from outside of it too.

    Returns:
        The metrics, also written as metrics.json.

    Raises:
        DataError: There is no image to evaluate.
        RunError: The run has no valid model, or does not tell the prior that it was trained with.
        UsageError: `split` is no split, or `prior` makes no sense.
    """
    run = as_run(run)
    if split is not None and split not in SPLITS:
        raise UsageError(
            f"Unknown split {split!r}.{did_you_mean(split, SPLITS)} Expected train, val or test."
        )
    asked = None if prior is None else tell_prior(run, prior)
    if data is None:
        own = str(run.info.get("split", "val"))
        split = split or own
        folder = read_split(run.path / "split.csv", _own_images(run), run.classes)
        leaks, what = read_leaks(run.path), _NEAR
        name, beside = split, split != own or asked is not None
    else:
        root, name = resolve(data, follow_links=follow_links)
        folder, found = clean(
            ImageFolder.index(
                root, allow_empty=True, follow_links=follow_links, classes=run.classes
            )
        )
        leaks, what = _seen_in_training(run, found)
        if split is None and set(folder.splits) != {""}:
            split = "test" if "test" in folder.splits else "val"
        name, beside = f"{name}-{split or 'all'}", True
    chosen = folder if split is None else folder.select(split)
    if not chosen.paths:
        raise DataError(f"There are no {split or 'usable'} images in {str(folder.root)!r}.")
    present = set(chosen.labels)
    absent = [name for label, name in enumerate(run.classes) if label not in present]
    if absent:
        warn(f"No images of {', '.join(map(repr, absent))}: nothing is known of these classes.")
    leaked = sum(path in leaks for path in chosen.paths)
    if leaked:
        warn(
            f"{leaked} of the {len(chosen)} images were seen in training{what}: the metrics tell"
            " the accuracy without them too."
        )
    directory = _make_directory(run, name, chosen, split or "all", asked) if beside else run.path
    metrics = write_evaluation_of(run, directory, chosen, split or "all", leaks, asked)
    say(f"Report: {write_report(run, directory)}")
    return metrics


def _own_images(run: Run) -> Path:
    """Return the folder that the run was trained on."""
    data = run.info.get("data")
    if not isinstance(data, str) or not Path(data).is_dir():
        raise DataError(
            f"The images of {run.path} are not where its run.json says: {data!r}."
            " Bring them back, or name others: transfer evaluate RUN DATA"
        )
    return Path(data)


def _seen_in_training(run: Run, found: Audit) -> tuple[set[str], str]:
    """Return the paths of other images that a run's training has seen, and what that includes.

    Near duplicates are found where the training images are still in their place.
    """
    trained = read_trained(run.path)
    copies = {path for path, digest in found.sha256.items() if digest in trained}
    root = run.info.get("data")
    if not (trained and isinstance(root, str) and Path(root).is_dir()):
        return copies, " (copies; near duplicates are not known)"
    own = read_split(run.path / "split.csv", root, run.classes).select("train")
    looks = {f"train/{path}": look for path, look in audit(own).looks.items()}
    looks = {path: look for path, look in looks.items() if look.sha256 in trained}
    looks |= {f"data/{path}": look for path, look in found.looks.items()}
    groups = groups_of(
        {path: look.sha256 for path, look in looks.items()},
        {path: look.fingerprint for path, look in looks.items()},
    )
    seen = {key for path, key in groups.items() if path.startswith("train/")}
    return copies | {path for path in found.sha256 if groups[f"data/{path}"] in seen}, _NEAR


def _make_directory(
    run: Run, name: str, folder: ImageFolder, split: str, prior: Prior | None
) -> Path:
    """Make the place of an evaluation beside the run's own, with its evaluation.json.

    Two folders may have the same name, and two priors be given: each has a directory of its own.
    """
    about: dict[str, Any] = {"data": str(folder.root), "split": split}
    if prior is not None:
        name, about["prior"] = f"{name}-prior-{prior.name}", prior.to_dict()
    for number in count(1):
        directory = run.path / "evaluations" / (name if number == 1 else f"{name}-{number}")
        file = directory / "evaluation.json"
        known = run.read_json(str(file.relative_to(run.path))) if file.is_file() else about
        if isinstance(known, dict) and all(
            known.get(key) == about.get(key) for key in ("data", "prior")
        ):
            directory.mkdir(parents=True, exist_ok=True)
            write_json(file, about)
            return directory
    raise AssertionError


def write_evaluation_of(
    run: Run,
    directory: Path,
    folder: ImageFolder,
    split: str,
    leaks: Collection[str],
    prior: Prior | None = None,
) -> Mapping[str, Any]:
    """Predict all images of `folder` and write what is known of that into `directory`.

    `leaks` are the paths of images that training has seen.
    """
    from transfer.serving.predictor import Predictor, predict_folder

    predictions = predict_folder(Predictor(run), folder)
    if prior is None:
        return write_evaluation(directory, predictions, split, leaks)
    own = compute_metrics(predictions, split)
    without = {name: own[name] for name in ("accuracy", "macro_f1", "log_loss", "ece")}
    corrected = replace(predictions, probabilities=prior(predictions.probabilities))
    about = prior.to_dict() | {"without": without}
    return write_evaluation(directory, corrected, split, leaks, about)


def report(run: RunLike) -> Path:
    """Write the run's report.html anew from its predictions and return its path.

    Args:
        run: A run or its path.

    Raises:
        RunError: The run has no predictions yet.
    """
    return write_report(as_run(run))
