"""Writes report.html from the files of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfer.evaluation.curves import learning_curves
from transfer.evaluation.report import answer, cells, matrix, sections, tables
from transfer.evaluation.report.album import Album
from transfer.evaluation.report.data import About, shareable
from transfer.evaluation.report.explanations import read_explanations
from transfer.evaluation.report.material import Material, read_evaluated, read_material
from transfer.evaluation.report.multilabel import multilabel_sections, read_multilabel
from transfer.evaluation.report.negatives import read_rejection
from transfer.evaluation.report.order import similarity_order
from transfer.evaluation.report.redaction import redact_recipe
from transfer.evaluation.report.render import data_block, render
from transfer.evaluation.report.slices import find_slices
from transfer.evaluation.report.suspicious import read_suspicious
from transfer.evaluation.report.trust import read_trust
from transfer.runs.metrics import Metrics
from transfer.runs.multilabel_metrics import MultilabelMetrics
from transfer.runs.photos import read_photos
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run
from transfer.system.files import write_text


def write_report(run: Run, directory: Path | None = None) -> Path:
    """Write report.html, one file that loads nothing, from the files of an evaluation.

    Needs predictions.csv and metrics.json. Everything else (run.json, history.csv, photos.csv, the
    images themselves) is shown if it exists; images only if split.csv lists them and their bytes
    have not changed. The same files give the same bytes.

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
    path = directory / "report.html"
    write_text(path, report_page(run, directory))
    return path


def report_page(run: Run, directory: Path) -> str:
    """Return the page of an evaluation of a run; see `write_report`."""
    if not run.multi_label:
        predictions, metrics = read_evaluated(run, directory)
        photos = read_photos(directory)
        return single_page(read_material(run, directory, metrics, photos), predictions, metrics)
    several, figures = read_multilabel(run, directory)
    material = read_material(run, directory, figures, {})
    album = Album(material.thumbnail)
    context = multilabel_sections(several, figures, album) | _common(material, figures, album)
    data = {"classes": run.classes, "metrics": figures, "paths": several.paths}
    return render("multilabel.html.j2", context, album, [], data)


def single_page(material: Material, predictions: Predictions, metrics: Metrics) -> str:
    """Return the page of predictions with one class for each image."""
    album = Album(material.thumbnail, predictions, material.scored)
    about, own = material.about, material.own
    trained = about.counts.get("train", {})
    # In the order in which photos may use up the page's budget.
    worst = cells.worst_mistakes(predictions, album)
    pairs = cells.confused_pairs(predictions, metrics["most_confused"], album)
    common = _common(material, metrics, album)
    boxes = cells.cell_boxes(predictions, album)
    support = [row["support"] for row in metrics["per_class"]]
    prior = metrics.get("prior")
    temperature = about.calibration.temperature if about.calibration and not prior else None
    groups = similarity_order(predictions)
    context = {
        "headline": answer.headline(metrics, about.uneven, material.caveat, about.folds),
        "macro_f1_interval": tables.macro_f1_bounds(metrics),
        "advice": answer.recommend(
            metrics, material.caveat, trained, about.label_errors if own else None
        ),
        "majority": predictions.classes[support.index(max(support))],
        "chance_loss": math.log(len(predictions.classes)),
        "matrix": matrix.confusion_tables(metrics["confusion_matrix"], predictions.classes, groups),
        "pairs": pairs,
        "worst": worst,
        "class_rows": tables.class_rows(metrics),
        "trained": trained,
        "trust": read_trust(predictions, temperature) if material.scored else None,
        "slices": find_slices(predictions, material.photos),
        "rejection": read_rejection(material.run, predictions, album)
        if own and material.run
        else None,
    }
    return render(
        "report.html.j2", common | context, album, boxes, data_block(predictions, metrics)
    )


def _common(
    material: Material, metrics: Metrics | MultilabelMetrics, album: Album
) -> dict[str, Any]:
    """Return the variables of the templates that do not depend on the task."""
    about, run, root = material.about, material.run, material.root
    own = material.own
    recipe: Mapping[str, Any] = {}
    if run is not None:
        recipe = sections.recipe_rows(redact_recipe(run.recipe.to_dict()), about.used)
    explained = [] if material.directory is None else read_explanations(material.directory)
    return {
        "title": material.title,
        "subtitle": material.subtitle,
        "backbone": recipe.get("backbone", ""),
        "about": about if run is None else shareable(about, run, root),
        "metrics": metrics,
        "caveat": material.caveat,
        "classes": material.classes,
        "data_name": (about.source if own else "") or (root.name if root else None),
        "data_missing": root is None or not root.is_dir(),
        "short_headings": max(map(len, material.classes)) <= 3,
        "flat_headings": sum(map(len, material.classes)) <= 70 and len(material.classes) <= 8,
        "shades": matrix.shades(),
        "suspicious": read_suspicious(run, about.label_errors, album) if own and run else None,
        "explanations": explained,
        "rejection": None,
        "trust": None,
        "slices": None,
        "matrix": matrix.NO_MATRIX,
        "folds": about.folds if own else None,
        "tested": "test" in (about.split, metrics["split"]),
        "history": material.history,
        "scored": material.scored,
        "illustrated": material.illustrated,
        "from_files": material.directory is not None,
        **_training(about, material.history),
        "counts": sections.count_table(about.counts, material.classes),
        "recipe": recipe,
    }


def _training(about: About, history: list[dict[str, str]]) -> dict[str, Any]:
    phases = {row.get("phase") for row in history}
    solved = len(history) == 1 and phases == {"head"}
    return {
        "panels": [] if solved else learning_curves(history),
        "solved": solved,
        "course": sections.course(history, solved),
        "phases": sections.phase_rows(about, history),
        "phase_kept": sections.phase_name(about.phase_kept) if about.finished else "",
    }
