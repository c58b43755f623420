"""The public Run: a run directory with methods to predict, evaluate and report."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from transfer.api.knobs import OtherDataKnobs
from transfer.runs.metrics import Metrics
from transfer.runs.run import Run as RunDirectory

if TYPE_CHECKING:
    import pandas

    from transfer.api.explanation import Explanation
    from transfer.evaluation.labelled import Labelled
    from transfer.images.decode import Source
    from transfer.serving.postprocess import PriorLike
    from transfer.serving.predictor import Prediction

_PUBLIC = (
    "classes confusion_matrix evaluate explain feature_maps history info metrics path predict"
    " predictions predictions_frame recipe report uneven"
)


class Run(RunDirectory):
    """One run directory. ``Run(path)`` opens an existing one; training makes new ones.

    Attributes:
        path: The directory, absolute.
        classes: Class names in the order of the model's outputs.
        recipe: What the user asked for, a `Recipe`.
        info: run.json: data, settings, status, what was kept, timings.
        metrics: The metrics on the run's own evaluation split, see `Metrics`.
        uneven: Whether classes are uneven in training: then macro-F1 says more than accuracy.

    Args:
        path: A directory that `transfer.finetune` wrote.

    Raises:
        RunError: `path` is not a run directory.

    Example:
        >>> run = transfer.Run("runs/dogs-vgg16-001")
        >>> run.metrics["accuracy"], run.info.settings.epochs
        >>> run.predict("rex.jpg")[0].label
    """

    def __dir__(self) -> list[str]:
        """Return what users need; what writes the directory is left out."""
        return _PUBLIC.split()

    def _repr_html_(self) -> str:
        from transfer.api.frames import run_html

        return run_html(self)

    def predict(
        self,
        pictures: Source | Iterable[Source],
        on_bad: str = "fail",
        *,
        prior: PriorLike | None = None,
    ) -> list[Prediction]:
        """Classify images.

        The model is loaded on first use and kept for the next call.

        Args:
            pictures: One or several: paths of files or folders (searched at any depth), the
                encoded bytes of an image, files open in binary mode, PIL images, or uint8 arrays
                (h, w, 3), RGB 0..255. An array (n, h, w, 3) is n images.
            on_bad: ``fail`` raises at the first unreadable image; ``skip`` warns and continues.
            prior: How frequent each class is among these images: ``train`` (as in the training
                images), ``even``, or the share of each class, ``{"cat": 0.9, "dog": 0.1}``. None
                leaves the model's probabilities as they are.

        Returns:
            One `Prediction` (path, label, confidence, probabilities) per readable image.

        Raises:
            DataError: An image cannot be read.
            RunError: The run has no valid model, or does not record the class frequencies that
                it was trained with.
            UsageError: `pictures`, `on_bad` or `prior` is invalid.

        Example:
            >>> for prediction in run.predict(["rex.jpg", "holiday/"]):
            ...     print(prediction.path, prediction.label, prediction.confidence)
        """
        from transfer.api.prediction import predict

        return predict(self, pictures, on_bad, prior=prior)

    def evaluate(
        self,
        data: str | PathLike[str] | None = None,
        split: str | None = None,
        *,
        prior: PriorLike | None = None,
        **reading: Unpack[OtherDataKnobs],
    ) -> Metrics:
        """Evaluate the model on one split of the run's own images, or on other images.

        Results on the run's own split go to the run directory; all others, and those corrected to
        a prior, to ``evaluations/<name>`` below it. Images are matched to the model's classes by
        name.

        Args:
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
            The metrics, also written as metrics.json; see `Metrics`.

        Raises:
            DataError: There is no image to evaluate.
            RunError: The run has no valid model, or does not record the class frequencies that it
                was trained with.
            UsageError: `split` or `prior` is invalid.

        Example:
            >>> run.evaluate("data/other-dogs")["accuracy"]
        """
        from transfer.api.evaluation import evaluate

        return evaluate(self, data, split, prior=prior, **reading)

    def confusion_matrix(self) -> Labelled:
        """Return the confusion matrix with names: ``found[predicted][true]`` is a count.

        Returns:
            A pandas DataFrame, a row for each true class and a column for each predicted one;
            without pandas, dicts that are indexed in the same way.

        Raises:
            RunError: The run has no metrics yet.
            UsageError: Its images may be of several classes each.

        Example:
            >>> run.confusion_matrix()["tulips"]["roses"]  # roses predicted as tulips
        """
        from transfer.api.frames import confusion_matrix

        return confusion_matrix(self)

    def predictions_frame(self) -> pandas.DataFrame:
        """Return predictions.csv as a pandas DataFrame, for those who have pandas.

        Returns:
            One row per image of the run's own evaluation split: ``path``, ``true``, ``predicted``,
            ``confidence``, ``correct``, and ``p_<class>`` for each class.

        Raises:
            RunError: The run has no predictions yet.
            UsageError: pandas is not installed.

        Example:
            >>> run.predictions_frame().query("not correct").groupby("true").size()
        """
        from transfer.api.frames import predictions_frame

        return predictions_frame(self)

    def explain(
        self,
        pictures: Source | Iterable[Source] | None = None,
        output: str | PathLike[str] | None = None,
        *,
        method: str = "auto",
        layer: str = "",
        class_name: str = "",
        on_bad: str = "fail",
    ) -> list[Explanation]:
        """Show which places of images raise the logit of a class.

        Args:
            pictures: One or several, as `predict` takes them. None explains the worst mistakes and
                the surest hit of each class in the run's report, which is written again.
            output: Folder for a PNG file of each explanation; None writes nothing.
            method: ``cam``, exact, for linear heads; ``layercam``, by gradients, for any;
                ``occlusion`` covers one part of the image after the other; ``auto``.
            layer: The layer whose feature map ``layercam`` explains; ``""`` takes the uppermost.
            class_name: The class that is explained; ``""`` for the predicted one.
            on_bad: ``fail`` raises at the first unreadable image; ``skip`` warns and continues.

        Returns:
            One `Explanation` for each class of each readable image. In a notebook it shows itself.

        Raises:
            DataError: An image cannot be read.
            RunError: The run has no valid model; or, without `pictures`, no predictions.
            UsageError: An argument is invalid, or the method is impossible for the model.

        Example:
            >>> run.explain("rex.jpg")[0].save("why.png")
        """
        from transfer.api.explaining import explain

        return explain(
            self,
            pictures,
            output,
            method=method,
            layer=layer,
            class_name=class_name,
            on_bad=on_bad,
        )

    def feature_maps(
        self,
        pictures: Source | Iterable[Source],
        output: str | PathLike[str] = "explanations",
        *,
        layer: str = "",
    ) -> list[Path]:
        """Draw what a layer makes of each image, and the filters of a first convolution.

        Args:
            pictures: One or several, as `predict` takes them.
            output: Folder for the PNG files; it is made.
            layer: A layer of the backbone; ``""`` takes the first convolution, the first pooling
                and the uppermost feature map.

        Returns:
            The files.

        Raises:
            DataError: An image cannot be read.
            UsageError: The layer is unknown or gives no feature map.
        """
        from transfer.api.feature_maps import feature_maps

        return feature_maps(self, pictures, output, layer=layer)

    def report(self) -> Path:
        """Write report.html again from the run's predictions.

        Returns:
            Its path: one page without links, which shows what the model confuses.

        Raises:
            RunError: The run has no predictions yet.
        """
        from transfer.api.evaluation import report

        return report(self)
