"""The files of an evaluation, and the page that explains them."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from transfer.errors import DataError, RunError
from transfer.evaluation.metrics import compute_metrics
from transfer.runs.run import Predictions, Run
from transfer.system.csv import read_csv, write_csv
from transfer.system.files import write_json, write_text

NEEDED = (
    "split",
    "n",
    "accuracy",
    "accuracy_ci95",
    "macro_f1",
    "balanced_accuracy",
    "log_loss",
    "ece",
    "per_class",
    "confusion_matrix",
    "most_confused",
)


def write_evaluation(
    directory: Path,
    predictions: Predictions,
    split: str,
    leaks: Collection[str] = (),
    prior: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write what is known about predictions: tables, figures and a picture.

    The files are predictions.csv, metrics.json, confusion_matrix.csv and confusion_matrix.png.

    Args:
        directory: An existing directory, a run's own or another one.
        predictions: At least one image.
        split: Name of the split, for example ``"val"``.
        leaks: Paths of images that training has seen, or near duplicates of.
        prior: What the predictions were corrected for: ``name``, ``shares`` by class, and
            ``without``, the main figures without it; None where they are the model's own.

    Returns:
        The metrics, as `compute_metrics` returns them, with the ``prior`` where there is one.

    Raises:
        DataError: There is no image to evaluate. Nothing is written.
    """
    from transfer.evaluation.plots import plot_confusion_matrix

    metrics = compute_metrics(predictions, split, leaks)
    if prior is not None:
        metrics["prior"] = dict(prior)
    matrix, classes = metrics["confusion_matrix"], predictions.classes
    predictions.write(directory / "predictions.csv")
    write_csv(
        directory / "confusion_matrix.csv",
        ["true\\predicted", *classes],
        ([name, *counts] for name, counts in zip(classes, matrix, strict=True)),
    )
    plot_confusion_matrix(matrix, classes, directory / "confusion_matrix.png")
    write_json(directory / "metrics.json", metrics)
    return metrics


def write_report(run: Run, directory: Path | None = None) -> Path:
    """Write report.html, one file without scripts or links, from the files of an evaluation.

    Needs predictions.csv and metrics.json; what else the run knows (run.json, history.csv, the
    images themselves) is shown where it is there. The same files give the same bytes.

    Args:
        run: The run whose model made the predictions.
        directory: Where predictions.csv and metrics.json are and the page goes; None is the run
            itself. An evaluation on other images has its own evaluation.json there:
            ``{"data": folder, "split": name}``.

    Returns:
        The path of the page.

    Raises:
        RunError: A needed file is missing or does not fit the run.
        DataError: There are no predictions in it.
    """
    directory = run.path if directory is None else directory
    predictions = Predictions.read(directory / "predictions.csv", run.classes)
    if not predictions.paths:
        raise DataError(
            f"Expected at least one image in {directory / 'predictions.csv'}. Received: none."
            " Evaluate a split that has images: transfer evaluate RUN"
        )
    metrics = _read_metrics(run, directory, predictions)
    page = _render(_context(run, directory, predictions, metrics))
    path = directory / "report.html"
    write_text(path, page.encode("utf-8", "replace").decode("utf-8"))
    return path


def _read_metrics(run: Run, directory: Path, predictions: Predictions) -> Mapping[str, Any]:
    metrics = _read_json(run, directory, "metrics.json")
    lacking = [key for key in NEEDED if key not in metrics]
    if lacking:
        problem = f"lacks {', '.join(lacking)}"
    elif len(metrics["confusion_matrix"]) != len(predictions.classes):
        problem = f"is of {len(metrics['confusion_matrix'])} classes"
    elif metrics["n"] != len(predictions.paths):
        problem = f"is of {metrics['n']} images"
    else:
        return metrics
    raise RunError(
        f"Expected {directory / 'metrics.json'} to fit the {len(predictions.paths)} images and"
        f" {len(predictions.classes)} classes beside it. It {problem}."
        " Make it anew with: transfer evaluate RUN"
    )


def _read_json(run: Run, directory: Path, name: str) -> Mapping[str, Any]:
    value = run.read_json(str((directory / name).absolute()))
    if not isinstance(value, dict):
        raise RunError(f"Expected a JSON object in {directory / name}. Received: {value!r:.60}")
    return value


def _read_history(run: Run) -> list[dict[str, str]]:
    path = run.path / "history.csv"
    try:
        return read_csv(path) if path.is_file() else []
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def _context(
    run: Run, directory: Path, predictions: Predictions, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    from transfer.evaluation import gallery, sections
    from transfer.evaluation.curves import learning_curves
    from transfer.evaluation.doubts import read_doubts

    info = _read_json(run, run.path, "run.json") if (run.path / "run.json").is_file() else {}
    own = directory.resolve() == run.path.resolve()
    here = directory / "evaluation.json"
    evaluation = _read_json(run, directory, "evaluation.json") if here.is_file() else {}
    data = evaluation.get("data") or info.get("data")
    root = Path(str(data)) if data else None
    thumbnail = gallery.thumbnailer(root)
    history = _read_history(run)
    unfinished = info.get("status", "done") != "done"
    if unfinished:  # better epochs may have come after it was noted
        info = {**info, "phase_kept": None}
    elsewhere = evaluation.get("data", info.get("data")) != info.get("data")
    return {
        "title": run.path.resolve().name,
        "subtitle": None if own else directory.resolve().name,
        "metrics": metrics,
        "unfinished": unfinished,
        "told_by": None if elsewhere else _told_by(metrics["split"], info, history),
        "uneven": bool(info) and run.uneven,
        "classes": predictions.classes,
        "data_name": root.name if root else None,
        "data_missing": root is None or not root.is_dir(),
        "short_headings": max(map(len, predictions.classes)) <= 3,
        "flat_headings": sum(map(len, predictions.classes)) <= 70 and len(predictions.classes) <= 8,
        "chance_loss": math.log(len(predictions.classes)),
        "matrix": sections.matrix_rows(metrics["confusion_matrix"], predictions.classes),
        "pairs": gallery.confused_pairs(predictions, metrics["most_confused"], thumbnail),
        "worst": gallery.worst_mistakes(predictions, thumbnail),
        "doubts": read_doubts(run, *_doubted(info), thumbnail) if own else None,
        "folds": _folds(info) if own else None,
        "panels": learning_curves(history),
        "history": history,
        "counts": sections.count_table(info.get("counts") or {}, predictions.classes),
        "phases": sections.phase_rows(info, history),
        "recipe": sections.tell_recipe(sections.redact(run.recipe.to_dict(), root), info),
        "info": sections.redact(info, root),
    }


def _told_by(
    split: str, info: Mapping[str, Any], history: Sequence[Mapping[str, str]]
) -> str | None:
    """Return what the run's own images of a split were used for before: ``trained``, ``chose``.

    Validation images choose where there is more than one epoch to be chosen from: a head that is
    solved is a single one.
    """
    by_training = info.get("monitor") in ("accuracy", "loss")
    chose = split == "val" and len(history) > 1 and not by_training
    return "trained" if split == "train" else "chose" if chose else None


def _doubted(info: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many labels are likely wrong, and of how many images; 0 for what is not known."""
    about = info.get("suspects")
    found = [about.get(name) if isinstance(about, dict) else 0 for name in ("likely", "images")]
    likely, images = (number if isinstance(number, int) else 0 for number in found)
    return likely, images


def _folds(info: Mapping[str, Any]) -> Mapping[str, Any] | None:
    folds = info.get("folds")
    return folds if isinstance(folds, dict) and "per_fold" in folds else None


def _render(context: Mapping[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader

    from transfer.evaluation import sections

    environment = Environment(
        loader=PackageLoader("transfer.evaluation"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = sections.percent
    environment.filters["fixed"] = sections.fixed
    environment.filters["brief"] = sections.brief
    return environment.get_template("report.html.j2").render(context)
