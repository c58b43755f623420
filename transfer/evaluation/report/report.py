"""The public Report: what a run, or anybody's model, gets wrong, as figures and as a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from transfer.errors import DataError, UsageError
from transfer.evaluation.gallery import encode_thumbnail, within_budget
from transfer.evaluation.labelled import label_matrix
from transfer.evaluation.metrics import compute_metrics, most_confused
from transfer.evaluation.report.cells import worst_rows
from transfer.evaluation.report.given import as_predictions, image_paths, read_csv_predictions
from transfer.evaluation.report.material import Material, read_evaluated, read_material
from transfer.evaluation.report.page import single_page
from transfer.evaluation.summary import summary_html
from transfer.runs.metrics import Confusion, Metrics
from transfer.runs.photos import read_photos
from transfer.runs.predictions import Predictions
from transfer.runs.run import RunLike, as_run
from transfer.system.files import check_writable, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from transfer.evaluation.labelled import Labelled


@dataclass(frozen=True)
class Mistake:
    """An image that is predicted wrongly.

    Attributes:
        path: Of the image, or ``row 7`` where its path is not known.
        true: Name of its class.
        predicted: Name of the predicted class.
        confidence: Probability of the predicted class, 0..1; 1 where it is not known.
        p_true: Probability of the true class, 0..1; 0 where it is not known.
    """

    path: str
    true: str
    predicted: str
    confidence: float
    p_true: float


class Report:
    """What a classifier gets wrong. Made by `from_run` or `from_predictions`.

    Attributes:
        classes: Class names.
        metrics: All metrics, see `Metrics`.

    Example:
        >>> report = transfer.Report.from_predictions(y_true, probabilities=model.predict(x))
        >>> report.to_html("report.html")
    """

    def __init__(self, material: Material, predictions: Predictions, metrics: Metrics) -> None:
        self._material = material
        self._predictions = predictions
        self.metrics = metrics
        self.classes = predictions.classes

    def __repr__(self) -> str:
        return (
            f"<Report: {self.metrics['n']} images of {len(self.classes)} classes,"
            f" accuracy {self.accuracy:.3f}>"
        )

    @classmethod
    def from_run(cls, path: RunLike) -> Report:
        """Return the report of a run of `transfer.finetune`.

        Args:
            path: A run or its path.

        Raises:
            RunError: It is no run, or has no predictions yet.
            UsageError: Its images may be of several classes each.
        """
        run = as_run(path)
        if run.multi_label:
            raise UsageError(
                f"Expected a run with one class for each image. Those of {str(run.path)!r} may have"
                " several: its report.html shows them."
            )
        predictions, metrics = read_evaluated(run, run.path)
        material = read_material(run, run.path, metrics, read_photos(run.path))
        return cls(material, predictions, metrics)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any = None,
        probabilities: Any = None,
        *,
        class_names: Sequence[str] | None = None,
        images: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
        title: str = "Predictions",
    ) -> Report:
        """Return the report of predictions, whatever made them.

        Args:
            y_true: (n,) the true classes, as indices or names: a list, an array, a tensor or a
                pandas Series. Or the path of a predictions.csv with the columns ``path``, ``true``
                and ``p_<class>``; then neither of the next three is given.
            y_pred: (n,) the predicted classes in the same way, where no probabilities are known.
            probabilities: float (n, classes), rows sum to 1.
            class_names: In the order of the indices. None: the names in `y_true` and `y_pred`,
                sorted, or else the indices.
            images: Paths of the n images, of which the page shows thumbnails; for a
                predictions.csv, the folder that its paths are relative to.
            title: Of the page.

        Raises:
            UsageError: Arguments do not fit together.
            DataError: A value is wrong: NaN, an unknown class, probabilities that do not sum to 1.
            RunError: The predictions.csv is damaged.

        Example:
            >>> transfer.Report.from_predictions([0, 1, 1], [0, 1, 0], class_names=["cat", "dog"])
        """
        files: dict[str, Path] = {}
        if isinstance(y_true, str | os.PathLike):
            if not (y_pred is None and probabilities is None and class_names is None):
                raise UsageError(
                    "Expected a predictions.csv alone, which holds labels, probabilities and class"
                    " names."
                )
            predictions = read_csv_predictions(Path(y_true).expanduser())
            if images is not None:
                files = _below(images, predictions.paths)
        else:
            known = None if images is None else image_paths(images)
            names = None if known is None else _names(known)
            predictions = as_predictions(y_true, y_pred, probabilities, class_names, names)
            if known is not None:
                files = dict(zip(predictions.paths, known, strict=True))
        material = Material(
            str(title),
            predictions.classes,
            within_budget(lambda name: encode_thumbnail(files[name]) if name in files else None),
            scored=y_pred is None,
            illustrated=bool(files),
        )
        return cls(material, predictions, compute_metrics(predictions, ""))

    @cached_property
    def confusion_matrix(self) -> np.ndarray:
        """Counts, int64 (classes, classes): rows are true classes, columns predicted ones."""
        return np.array(self.metrics["confusion_matrix"], dtype=np.int64)

    def labelled_confusion_matrix(self) -> Labelled:
        """Return the confusion matrix with names: ``found[predicted][true]`` is a count.

        Returns:
            A pandas DataFrame, a row for each true class and a column for each predicted one;
            without pandas, dicts that are indexed in the same way.
        """
        return label_matrix(self.confusion_matrix, self.classes)

    @property
    def accuracy(self) -> float:
        """Share of the images that are predicted rightly, 0..1."""
        return self.metrics["accuracy"]

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that have images, 0..1."""
        return self.metrics["macro_f1"]

    def most_confused(self, k: int = 10) -> list[Confusion]:
        """Return the `k` most frequent confusions: true, predicted, count, share of the true."""
        return most_confused(self.confusion_matrix, self.classes)[: _count(k)]

    def worst(self, k: int = 10) -> list[Mistake]:
        """Return the `k` mistakes with the lowest probability of the true class, lowest first."""
        found, best = self._predictions, self._predictions.probabilities.argmax(axis=1)
        return [
            Mistake(
                found.paths[i],
                self.classes[found.true[i]],
                self.classes[best[i]],
                float(found.probabilities[i, best[i]]),
                float(found.probabilities[i, found.true[i]]),
            )
            for i in worst_rows(found, _count(k))
        ]

    def plot(self) -> Figure:
        """Return the confusion matrix as a Matplotlib figure; ``savefig`` writes SVG and PDF."""
        from transfer.evaluation.plots import confusion_figure

        return confusion_figure(self.confusion_matrix, self.classes)

    @overload
    def to_html(self, path: None = None) -> str: ...
    @overload
    def to_html(self, path: str | os.PathLike[str]) -> Path: ...
    def to_html(self, path: str | os.PathLike[str] | None = None) -> str | Path:
        """Write the page, one file that loads nothing; or return it.

        Args:
            path: The file to write; None returns the page as text.

        Returns:
            The path, or the text.

        Raises:
            UsageError: The file cannot be written.
        """
        if path is None:
            return single_page(self._material, self._predictions, self.metrics)
        path = Path(path).expanduser()
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise UsageError(
                f"Expected path= as a file in an existing folder. Received: {str(path)!r}"
            )
        check_writable(path)
        write_text(path, single_page(self._material, self._predictions, self.metrics))
        return path

    def _repr_html_(self) -> str:
        return summary_html(self._material.title, self.metrics)


def _count(k: int) -> int:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 0:
        raise UsageError(f"Expected k as a whole number of 0 or more. Received: {k!r}")
    return int(k)


def _below(folder: Any, names: Sequence[str]) -> dict[str, Path]:
    if not isinstance(folder, str | os.PathLike) or not Path(folder).expanduser().is_dir():
        raise UsageError(
            "Expected images= as the folder that the paths in predictions.csv are relative to."
            f" Received: {folder!r:.80}"
        )
    root = Path(folder).expanduser().absolute()
    return {name: root / name for name in names}


def _names(paths: Sequence[Path]) -> list[str]:
    """Return paths as the page shows them: without the folders that all have in common."""
    if len({*paths}) < len(paths):
        twice = next(path for i, path in enumerate(paths) if path in paths[:i])
        raise DataError(f"Expected each image once. Received: {str(twice)!r} twice.")
    common = os.path.commonpath([path.parent for path in paths]) if paths else ""
    return [path.relative_to(common).as_posix() for path in paths]
