"""predictions.csv: what a model predicts for images whose labels are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from transfer.errors import RunError, call
from transfer.system.csv import only_once, read_number, read_table, write_csv
from transfer.system.files import damaged, inside

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
_ROUNDING = 0.01  # of a sum of probabilities


@dataclass(frozen=True)
class Predictions:
    """What a model predicts for a list of images whose labels are known.

    Attributes:
        paths: One path per image, relative to the data folder, with forward slashes.
        true: int64 array of shape (n,), indices into `classes`.
        probabilities: float array of shape (n, number of classes), rows sum to 1; a model's are
            float32.
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
            RunError: It is missing or damaged, has other classes, or a path leads out of the
                folder of the images.
        """
        import numpy as np

        index = {name: i for i, name in enumerate(classes)}

        def parse(row: dict[str, str]) -> tuple[str, int, list[float]]:
            if row["true"] not in index:
                raise ValueError(f"{row['true']!r} is no class of this run")
            shares = [read_number(row[f"p_{name}"]) for name in classes]
            if min(shares) < 0 or abs(sum(shares) - 1) > _ROUNDING:
                raise ValueError("The probabilities do not sum to 1")
            return inside(row["path"]), index[row["true"]], shares

        rows = read_predictions(path, parse)
        return cls(
            tuple(name for name, _, _ in rows),
            np.array([true for _, true, _ in rows], dtype=np.int64),
            np.array([shares for _, _, shares in rows], np.float32).reshape(-1, len(classes)),
            tuple(classes),
        )


def read_predictions(
    path: Path, parse: Callable[[dict[str, str]], tuple[str, T, list[float]]]
) -> list[tuple[str, T, list[float]]]:
    """Return the rows of a predictions.csv: path, what is true, and the probabilities.

    Args:
        path: The file.
        parse: Reads a row. Raises ValueError for a bad value.

    Raises:
        RunError: It is missing or damaged, or lists an image twice.
    """
    again = f"Write it again with: {call('evaluate', 'RUN')}"
    try:
        rows = read_table(path, parse)
        only_once([name for name, _, _ in rows])
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing. {again}") from error
    except (ValueError, OSError) as error:
        raise damaged(path, error, again) from error
    return rows
