"""predictions.csv: what a model predicts for images whose labels are known."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transfer.errors import RunError, call
from transfer.system.csv import read_csv, write_csv

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Predictions:
    """What a model predicts for a list of images whose labels are known.

    Attributes:
        paths: One path per image, relative to the data folder, with forward slashes.
        true: int64 array of shape (n,), indices into `classes`.
        probabilities: float32 array of shape (n, number of classes), rows sum to 1.
        classes: Class names in the order of the model's outputs.
    """

    paths: tuple[str, ...]
    true: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Write predictions.csv: path, true, predicted, confidence, p_<class>..."""
        header = ["path", "true", "predicted", "confidence", *(f"p_{c}" for c in self.classes)]
        rows = []
        for name, true, row in zip(self.paths, self.true, self.probabilities, strict=True):
            best = int(row.argmax())
            numbers = [f"{p:.9g}" for p in row]  # nine digits restore a float32 exactly
            rows.append([name, self.classes[true], self.classes[best], numbers[best], *numbers])
        write_csv(path, header, rows)

    @classmethod
    def read(cls, path: Path, classes: Sequence[str]) -> Predictions:
        """Read predictions.csv.

        Args:
            path: The file.
            classes: Class names in the order of the model's outputs.

        Raises:
            RunError: It is missing, damaged or has other classes.
        """
        import numpy as np

        index = {name: i for i, name in enumerate(classes)}
        try:
            rows = read_csv(path)
            true = np.array([index[row["true"]] for row in rows], dtype=np.int64)
            table = [[float(row[f"p_{name}"]) for name in classes] for row in rows]
            paths = tuple(row["path"] for row in rows)
        except FileNotFoundError as error:
            raise RunError(
                f"{path} is missing. Write it with: {call('evaluate', 'RUN')}"
            ) from error
        except (KeyError, ValueError, OSError, csv.Error) as error:
            raise RunError(
                f"{path} is damaged or does not fit this run's classes: {error!r}."
                f" Write it again with: {call('evaluate', 'RUN')}"
            ) from error
        probabilities = np.array(table, dtype=np.float32).reshape(len(rows), len(classes))
        return cls(paths, true, probabilities, tuple(classes))
