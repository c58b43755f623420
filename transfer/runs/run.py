"""A Run: a directory that training writes and everything else reads."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.errors import RunError
from transfer.recipe import Recipe, is_uneven
from transfer.system.csv import read_csv, write_csv
from transfer.system.files import write_json

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Predictions:
    """What a model said about a list of images whose labels are known.

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
            numbers = [f"{p:.9g}" for p in row]  # nine digits give a float32 back bit by bit
            rows.append([name, self.classes[true], self.classes[best], numbers[best], *numbers])
        write_csv(path, header, rows)

    @classmethod
    def read(cls, path: Path, classes: Sequence[str]) -> Predictions:
        """Read predictions.csv. Raises RunError where it is missing or not of these classes."""
        import numpy as np

        index = {name: i for i, name in enumerate(classes)}
        try:
            rows = read_csv(path)
            true = np.array([index[row["true"]] for row in rows], dtype=np.int64)
            table = [[float(row[f"p_{name}"]) for name in classes] for row in rows]
            paths = tuple(row["path"] for row in rows)
        except FileNotFoundError as error:
            raise RunError(f"{path} is missing. Make it with: transfer evaluate RUN") from error
        except (KeyError, ValueError, OSError, csv.Error) as error:
            raise RunError(
                f"{path} is damaged or does not fit this run's classes: {error!r}."
                " Make it anew with: transfer evaluate RUN"
            ) from error
        probabilities = np.array(table, dtype=np.float32).reshape(len(rows), len(classes))
        return cls(paths, true, probabilities, tuple(classes))


class Run:
    """One run directory, by its files.

    ``Run(path)`` opens an existing one. `evaluate`, `predict` and `report` are short for
    ``transfer.evaluate(run)`` and so on.

    Raises:
        RunError: `path` is not a run directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        if not (self.path / "recipe.json").is_file():
            raise RunError(
                f"{str(path)!r} is not a run directory (it holds no recipe.json)."
                " Runs are made by: transfer finetune DATA"
            )

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @classmethod
    def create(cls, path: Path, recipe: Recipe, classes: Sequence[str]) -> Run:
        """Write recipe.json and classes.json, which make a directory a run.

        Args:
            path: The directory, from `transfer.runs.directory.make_run_directory`.
            recipe: What is about to be done.
            classes: Class names in the order of the model's outputs.
        """
        write_json(path / "classes.json", list(classes))
        write_json(path / "recipe.json", recipe.to_dict())
        return cls(path)

    def read_json(self, name: str) -> Any:
        """Read one JSON file of the run. Raises RunError where it is missing or broken."""
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise self.lacks(name) from error
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise RunError(f"{path} cannot be read: {error}") from error

    def lacks(self, name: str) -> RunError:
        """Return what to raise where a file of the run is missing: it says the way out."""
        path = self.path / name
        anew = f"transfer finetune DATA --recipe {self.path / 'recipe.json'}"
        if not (self.path / "run.json").exists():
            return RunError(
                f"{path} is missing: the run ended before its training began. Train with: {anew}"
            )
        if self.info.get("status") == "done":
            return RunError(
                f"{path} is missing, though the run is finished. Train anew with: {anew}"
            )
        return RunError(
            f"{path} is missing: the run did not get that far."
            f" Finish it with: transfer finetune --resume {self.path}"
        )

    def _read_object(self, name: str) -> dict[str, Any]:
        value = self.read_json(name)
        if not isinstance(value, dict):
            raise RunError(f"Expected a JSON object in {self.path / name}. Received: {value!r:.60}")
        return value

    @cached_property
    def recipe(self) -> Recipe:
        """The Recipe that made this run."""
        return Recipe.from_dict(self._read_object("recipe.json"))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the model's outputs."""
        names = self.read_json("classes.json")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RunError(
                f"Expected a list of class names in {self.path / 'classes.json'}."
                f" Received: {names!r:.60}"
            )
        return tuple(names)

    @property
    def info(self) -> dict[str, Any]:
        """run.json: status, data, versions, weights, phase kept, timings."""
        return self._read_object("run.json")

    def update_info(self, **values: Any) -> None:
        """Add `values` to run.json."""
        known = self.info if (self.path / "run.json").exists() else {}
        write_json(self.path / "run.json", known | values)

    @property
    def uneven(self) -> bool:
        """Whether classes are uneven in training: then macro-F1 says more than accuracy."""
        return is_uneven(self.info.get("counts", {}).get("train", {}).values())

    @property
    def metrics(self) -> Mapping[str, Any]:
        """metrics.json of the run's own evaluation split."""
        return self._read_object("metrics.json")

    def predictions(self) -> Predictions:
        """predictions.csv of the run's own evaluation split."""
        return Predictions.read(self.path / "predictions.csv", self.classes)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """See `transfer.evaluate`."""
        from transfer import api

        return api.evaluate(self, *args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """See `transfer.predict`."""
        from transfer import api

        return api.predict(self, *args, **kwargs)

    def report(self) -> Path:
        """See `transfer.report`."""
        from transfer import api

        return api.report(self)


RunLike = Run | str | os.PathLike[str]


def as_run(run: RunLike) -> Run:
    """Return a Run for a run or its path."""
    return run if isinstance(run, Run) else Run(run)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that a model depends on."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("tensorflow", "keras", "numpy", "pillow", "openvino"):
        with suppress(PackageNotFoundError):  # OpenVINO is an extra
            found[name] = version(name)
    return found
