"""predictions.csv where an image may be of several classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transfer.runs.predictions import read_predictions
from transfer.system.csv import read_number, write_csv
from transfer.system.files import inside
from transfer.system.names import join_names, split_names

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class MultilabelPredictions:
    """What a model predicts for a list of images whose classes are known.

    Attributes:
        paths: One path per image, relative to the data folder, with forward slashes.
        true: bool array of shape (n, classes): which classes an image is of.
        probabilities: float32 array of shape (n, classes), 0..1 each.
        classes: Class names in the order of the model's outputs.
        thresholds: Probability of each class from which an image is predicted as it.
    """

    paths: tuple[str, ...]
    true: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]
    thresholds: tuple[float, ...]

    @property
    def predicted(self) -> np.ndarray:
        """bool array of shape (n, classes): which classes an image is predicted as."""
        import numpy as np

        return np.asarray(self.probabilities > np.asarray(self.thresholds))

    def names(self, row: np.ndarray) -> list[str]:
        """Return the names of the classes that are true in `row` (classes,)."""
        return [name for name, is_of in zip(self.classes, row, strict=True) if is_of]

    def write(self, path: Path) -> None:
        """Write predictions.csv: path, true and predicted (names joined by |), p_<class>..."""
        header = ["path", "true", "predicted", *(f"p_{name}" for name in self.classes)]
        rows = []
        columns = (self.paths, self.true, self.predicted, self.probabilities)
        for name, true, predicted, row in zip(*columns, strict=True):
            sets = [join_names(self.names(each)) for each in (true, predicted)]
            # nine digits restore a float32 exactly
            rows.append([name, *sets, *(f"{p:.9g}" for p in row)])
        write_csv(path, header, rows)

    @classmethod
    def read(
        cls, path: Path, classes: Sequence[str], thresholds: Sequence[float]
    ) -> MultilabelPredictions:
        """Read predictions.csv.

        Args:
            path: The file.
            classes: Class names in the order of the model's outputs.
            thresholds: One for each class.

        Raises:
            RunError: It is missing or damaged, has other classes, or a path leads out of the
                folder of the images.
        """
        import numpy as np

        known = set(classes)

        def parse(row: dict[str, str]) -> tuple[str, list[bool], list[float]]:
            names = split_names(row["true"])
            if unknown := [name for name in names if name not in known]:
                raise ValueError(f"{unknown[0]!r} is no class of this run")
            shares = [read_number(row[f"p_{name}"]) for name in classes]
            if min(shares) < 0 or max(shares) > 1:
                raise ValueError("A probability is not between 0 and 1")
            return inside(row["path"]), [name in names for name in classes], shares

        rows = read_predictions(path, parse)
        return cls(
            tuple(name for name, _, _ in rows),
            np.array([true for _, true, _ in rows], bool).reshape(-1, len(classes)),
            np.array([shares for _, _, shares in rows], np.float32).reshape(-1, len(classes)),
            tuple(classes),
            tuple(thresholds),
        )
