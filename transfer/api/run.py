"""The public Run: a run directory with methods to predict, evaluate and report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.runs.run import Run as RunDirectory

if TYPE_CHECKING:
    from transfer.images.decode import Source
    from transfer.serving.postprocess import PriorLike
    from transfer.serving.predictor import Prediction


class Run(RunDirectory):
    """One run directory. ``Run(path)`` opens an existing one; training makes new ones.

    Raises:
        RunError: `path` is not a run directory.

    Example:
        >>> run = transfer.Run("runs/dogs-vgg16-001")
        >>> run.metrics["accuracy"], run.info.settings.epochs
        >>> run.predict("rex.jpg")[0].label
    """

    def predict(
        self,
        pictures: Source | Iterable[Source],
        on_bad: str = "fail",
        *,
        prior: PriorLike | None = None,
    ) -> list[Prediction]:
        """Classify images; see `transfer.predict` for the arguments.

        Args:
            pictures: One or several: files, folders, PIL images, or uint8 arrays (h, w, 3), RGB.
            on_bad: ``fail`` raises at the first unreadable image; ``skip`` warns and continues.
            prior: How frequent the classes are among these images; None for the model's own
                probabilities.

        Returns:
            One `Prediction` (path, label, confidence, probabilities) per readable image.
        """
        from transfer.api.prediction import predict

        return predict(self, pictures, on_bad, prior=prior)

    def evaluate(
        self,
        data: str | PathLike[str] | None = None,
        split: str | None = None,
        *,
        prior: PriorLike | None = None,
        follow_links: bool = False,
    ) -> Mapping[str, Any]:
        """Evaluate the model on one split or on other images; see `transfer.evaluate`.

        Args:
            data: Other images; the run's own if omitted.
            split: ``train``, ``val`` or ``test``.
            prior: As in `predict`.
            follow_links: Take images from outside `data` too.

        Returns:
            The metrics, also written as metrics.json.
        """
        from transfer.api.evaluation import evaluate

        return evaluate(self, data, split, prior=prior, follow_links=follow_links)

    def report(self) -> Path:
        """Write report.html from the run's predictions and return its path."""
        from transfer.api.evaluation import report

        return report(self)
