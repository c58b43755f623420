"""Writes report.html from the files of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfer.data.dataset import Dataset
from transfer.errors import DataError, RunError, call
from transfer.evaluation import gallery
from transfer.evaluation.curves import learning_curves
from transfer.evaluation.evaluate import find_caveat
from transfer.evaluation.report import matrix, sections
from transfer.evaluation.report.data import About, read_about, shareable
from transfer.evaluation.report.multilabel import multilabel_sections, read_multilabel
from transfer.evaluation.report.negatives import read_rejection
from transfer.evaluation.report.redaction import redact_recipe
from transfer.evaluation.report.suspicious import read_suspicious
from transfer.runs.metrics import Metrics
from transfer.runs.multilabel_metrics import MultilabelMetrics
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run
from transfer.system.files import write_text


def write_report(run: Run, directory: Path | None = None) -> Path:
    """Write report.html, one file without scripts or links, from the files of an evaluation.

    Needs predictions.csv and metrics.json. Everything else (run.json, history.csv, the images
    themselves) is shown if it exists; images only if split.csv lists them and their bytes have not
    changed. The same files give the same bytes.

    Args:
        run: The run whose model made the predictions.
        directory: Holds predictions.csv and metrics.json, and receives the page; None is the run
            itself. An evaluation on other images has its own evaluation.json and split.csv there.

    Returns:
        The path of the page.

    Raises:
        RunError: A needed file is missing, a file is damaged, or one does not fit the others.
        DataError: predictions.csv has no images.
    """
    directory = run.path if directory is None else directory
    if run.multi_label:
        context, template = _multilabel_context(run, directory), "multilabel.html.j2"
    else:
        context, template = _single_context(run, directory), "report.html.j2"
    page = _render(context, template)
    path = directory / "report.html"
    write_text(path, page.encode("utf-8", "replace").decode("utf-8"))
    return path


def _single_context(run: Run, directory: Path) -> dict[str, Any]:
    """Return the variables of the templates where each image is of one class."""
    predictions = Predictions.read(directory / "predictions.csv", run.classes)
    if not predictions.paths:
        raise DataError(
            f"Expected at least one image in {directory / 'predictions.csv'}. Received: none."
            f" Evaluate a split that has images: {call('evaluate', 'RUN')}"
        )
    metrics = _read_metrics(run, directory, predictions)
    common = _context(run, directory, metrics)
    thumbnail, own = common["thumbnail"], common["subtitle"] is None
    return common | {
        "rejection": read_rejection(run, predictions) if own else None,
        "headline": sections.headline(metrics, common["about"].uneven),
        "chance_loss": math.log(len(run.classes)),
        "matrix": matrix.matrix_rows(metrics["confusion_matrix"], run.classes),
        "pairs": gallery.confused_pairs(predictions, metrics["most_confused"], thumbnail),
        "worst": gallery.worst_mistakes(predictions, thumbnail),
    }


def _multilabel_context(run: Run, directory: Path) -> dict[str, Any]:
    """Return the variables of the templates where an image may be of several classes."""
    predictions, metrics = read_multilabel(run, directory)
    common = _context(run, directory, metrics)
    return common | multilabel_sections(predictions, metrics, common["thumbnail"])


def _read_metrics(run: Run, directory: Path, predictions: Predictions) -> Metrics:
    metrics, classes = run.read_metrics(directory), predictions.classes
    sizes = {len(metrics["confusion_matrix"]), *map(len, metrics["confusion_matrix"])}
    pairs = metrics["most_confused"]
    named = {pair["true"] for pair in pairs} | {pair["predicted"] for pair in pairs}
    if sizes != {len(classes)}:
        problem = f"has {len(metrics['confusion_matrix'])} classes"
    elif metrics["n"] != len(predictions.paths):
        problem = f"has {metrics['n']} images"
    elif sum(map(sum, metrics["confusion_matrix"])) != metrics["n"]:
        problem = "has other images in its confusion matrix"
    elif [row["class"] for row in metrics["per_class"]] != list(classes) or named - {*classes}:
        problem = "names other classes"
    else:
        return metrics
    raise RunError(
        f"Expected {directory / 'metrics.json'} to fit the {len(predictions.paths)} images and"
        f" {len(classes)} classes of predictions.csv next to it. It {problem}."
        f" Write both again with: {call('evaluate', 'RUN')}"
    )


def _digests(run: Run, directory: Path) -> Mapping[str, str]:
    """Return the digests of the images that were indexed, by path; none where none are listed."""
    for folder in (directory, run.path):
        if (folder / "split.csv").is_file():
            return Dataset.read(
                folder, "/", run.classes, follow_links=True, multi_label=run.multi_label
            ).sha256
    return {}


def _context(run: Run, directory: Path, metrics: Metrics | MultilabelMetrics) -> dict[str, Any]:
    """Return the variables of the templates that do not depend on the task."""
    own = directory.resolve() == run.path.resolve()
    about, history = read_about(run), run.history()
    evaluation = run.read_evaluation(directory)
    data = about.data if evaluation is None else evaluation["data"]
    root = Path(data) if data else None
    thumbnail = gallery.thumbnailer(root, _digests(run, directory), about.decoding)
    caveat = metrics.get("caveat")
    if caveat is None and data == about.data:  # older metrics.json do not say
        caveat = find_caveat(metrics["split"], about.monitor, len(history))
    classes = run.classes
    recipe = sections.recipe_rows(redact_recipe(run.recipe.to_dict()), about.used)
    return {
        "title": run.path.resolve().name,
        "subtitle": None if own else directory.resolve().name,
        "about": shareable(about, run, root),
        "metrics": metrics,
        "caveat": caveat,
        "thumbnail": thumbnail,
        "classes": classes,
        "data_name": root.name if root else None,
        "data_missing": root is None or not root.is_dir(),
        "short_headings": max(map(len, classes)) <= 3,
        "flat_headings": sum(map(len, classes)) <= 70 and len(classes) <= 8,
        "shades": matrix.shades(),
        "suspicious": read_suspicious(run, about.label_errors, thumbnail) if own else None,
        "rejection": None,
        "folds": about.folds if own else None,
        "tested": "test" in (about.split, metrics["split"]),
        "history": history,
        **_training(about, history),
        "counts": sections.count_table(about.counts, classes),
        "recipe": recipe,
    }


def _training(about: About, history: list[dict[str, str]]) -> dict[str, Any]:
    phases = {row.get("phase") for row in history}
    return {
        "panels": learning_curves(history),
        "solved": len(history) == 1 and phases == {"head"},
        "phases": sections.phase_rows(about, history),
        "phase_kept": sections.phase_name(about.phase_kept) if about.finished else "",
    }


def _render(context: Mapping[str, Any], template: str) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("transfer.evaluation.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["percent"] = sections.percent
    environment.filters["interval"] = sections.interval
    environment.filters["fixed"] = sections.fixed
    environment.filters["brief"] = sections.brief
    return environment.get_template(template).render(context)
