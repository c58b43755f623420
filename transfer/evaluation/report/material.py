"""What a page is made from, wherever it comes from: a run, or predictions alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from transfer.data.dataset import Dataset
from transfer.errors import DataError, RunError, call
from transfer.evaluation import gallery
from transfer.evaluation.evaluate import find_caveat
from transfer.evaluation.gallery import Thumbnailer
from transfer.evaluation.report.data import About, read_about
from transfer.runs.metrics import Metrics
from transfer.runs.multilabel_metrics import MultilabelMetrics
from transfer.runs.photos import PhotoFigures
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run

History = list[dict[str, str]]


@dataclass(frozen=True)
class Material:
    """What is known about an evaluation, for a page.

    Attributes:
        title: Name of the run, or what the user calls the predictions.
        classes: Class names.
        thumbnail: Turns a path into a ``data:`` URI or None.
        root: Folder of the images; None where it is not known.
        about: What is known besides the predictions.
        subtitle: Name of the other images; None where they are the run's own.
        caveat: Why the metrics are optimistic.
        history: Rows of history.csv.
        run: The run; None for predictions alone.
        directory: Where the files of the evaluation are; None for predictions alone.
        photos: Path to what is measured of the photo: see `transfer.runs.photos`.
        scored: Whether the probabilities are known, and not only what is predicted.
        illustrated: Whether there are images to show.
    """

    title: str
    classes: tuple[str, ...]
    thumbnail: Thumbnailer
    root: Path | None = None
    about: About = field(default_factory=About)
    subtitle: str | None = None
    caveat: str | None = None
    history: History = field(default_factory=list)
    run: Run | None = None
    directory: Path | None = None
    photos: Mapping[str, PhotoFigures] = field(default_factory=dict)
    scored: bool = True
    illustrated: bool = True

    @property
    def own(self) -> bool:
        """Whether the page is about the run's own evaluation."""
        return self.run is not None and self.subtitle is None


def read_material(
    run: Run,
    directory: Path,
    metrics: Metrics | MultilabelMetrics,
    photos: Mapping[str, PhotoFigures],
) -> Material:
    """Return what is known about an evaluation of a run."""
    own = directory.resolve() == run.path.resolve()
    about, history = read_about(run), run.history()
    evaluation = run.read_evaluation(directory)
    data = about.data if evaluation is None else evaluation["data"]
    root = Path(data) if data else None
    caveat = metrics.get("caveat")
    if caveat is None and data == about.data:  # older metrics.json do not say
        caveat = find_caveat(metrics["split"], about.monitor, len(history))
    return Material(
        title=run.path.resolve().name,
        classes=run.classes,
        thumbnail=gallery.thumbnailer(root, _digests(run, directory), about.decoding),
        root=root,
        about=about,
        subtitle=None if own else directory.resolve().name,
        caveat=caveat,
        history=history,
        run=run,
        directory=directory,
        photos=photos,
    )


def read_evaluated(run: Run, directory: Path) -> tuple[Predictions, Metrics]:
    """Return predictions and metrics of an evaluation, one class for each image.

    Raises:
        RunError: A file is missing or damaged, or they do not fit each other.
        DataError: predictions.csv has no images.
    """
    predictions = Predictions.read(directory / "predictions.csv", run.classes)
    if not predictions.paths:
        raise DataError(
            f"Expected at least one image in {directory / 'predictions.csv'}. Received: none."
            f" Evaluate a split that has images: {call('evaluate', 'RUN')}"
        )
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
        return predictions, metrics
    raise RunError(
        f"Expected {directory / 'metrics.json'} to fit the {len(predictions.paths)} images and"
        f" {len(classes)} classes of predictions.csv next to it. It {problem}."
        f" Write both again with: {call('evaluate', 'RUN')}"
    )


def _digests(run: Run, directory: Path) -> Mapping[str, str]:
    """Return the digests of the images that were indexed, by path; none where none are listed."""
    for folder in (directory, run.path):
        if (folder / "split.csv").is_file():
            return Dataset.listed(folder, run.classes, multi_label=run.multi_label).sha256
    return {}
