"""A run: a directory that training writes and everything else reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from transfer.errors import RunError, UsageError, call, call_to_resume, call_to_train_again
from transfer.recipe import Recipe, is_uneven
from transfer.runs.info import SCHEMA, RunInfo, read_info, records_settings
from transfer.runs.metrics import Metrics
from transfer.runs.multilabel_metrics import MultilabelMetrics
from transfer.runs.predictions import Predictions
from transfer.runs.records import Evaluation, as_record
from transfer.system.csv import read_csv
from transfer.system.files import damaged, read_json, write_json
from transfer.system.progress import say
from transfer.system.text import cut

T = TypeVar("T")
# What evaluating a finished run writes, given its model.
_EVALUATED = ("metrics.json", "predictions.csv", "confusion_matrix.csv")


class Run:
    """One run directory, by its files. ``Run(path)`` opens an existing one.

    Raises:
        RunError: `path` is not a run directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().absolute()
        self._noticed = False
        if not (self.path / "recipe.json").is_file():
            raise RunError(
                f"{os.fspath(path)!r} is not a run directory (it holds no recipe.json)."
                f" Runs are made by: {call('finetune', 'DATA')}"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @classmethod
    def create(cls, path: Path, recipe: Recipe, classes: Sequence[str], info: RunInfo) -> Self:
        """Write run.json, classes.json and recipe.json, which makes a directory a run.

        Args:
            path: The directory, from `transfer.runs.directory.make_run_directory`.
            recipe: What the user asks for.
            classes: Class names in the order of the model's outputs.
            info: What is known before training.
        """
        write_json(path / "classes.json", list(classes))
        write_json(path / "run.json", asdict(info))
        write_json(path / "recipe.json", recipe.to_dict())
        return cls(path)

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON object among the run's files.

        Raises:
            RunError: The file is missing, broken, or holds something else.
        """
        value = self._read(name)
        if not isinstance(value, dict):
            raise RunError(f"Expected a JSON object in {self.path / name}. Received: {value!r:.60}")
        return value

    def read_metrics(self, directory: Path) -> Metrics:
        """Read the metrics.json of the run or of another evaluation.

        Args:
            directory: Where it is: the run's own or another one.

        Raises:
            RunError: It is missing or damaged.
        """
        return self._metrics_of(directory, Metrics)

    def read_multilabel_metrics(self, directory: Path) -> MultilabelMetrics:
        """The same as `read_metrics`, where an image may be of several classes."""
        return self._metrics_of(directory, MultilabelMetrics)

    def _metrics_of(self, directory: Path, kind: type[T]) -> T:
        path = directory / "metrics.json"
        hint = f"Write it again with: {call('evaluate', self.path)}"
        return as_record(self.read_json(str(path.absolute())), kind, path, hint)

    def read_evaluation(self, directory: Path) -> Evaluation | None:
        """Read evaluation.json, which is in directories of evaluations on other images only.

        Raises:
            RunError: It is damaged.
        """
        path = directory / "evaluation.json"
        if not path.is_file():
            return None
        hint = "Remove its folder, and evaluate again."
        return as_record(self.read_json(str(path.absolute())), Evaluation, path, hint)

    def _read(self, name: str) -> Any:
        path = self.path / name
        try:
            return read_json(path)
        except FileNotFoundError as error:
            raise self.lacks(name) from error
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {cut(error)}") from error

    def lacks(self, name: str) -> RunError:
        """Return the error for a missing file of the run, including how to recover."""
        path = self.path / name
        again = call_to_train_again(self.path)
        if not (self.path / "run.json").exists():
            return RunError(
                f"{path} is missing: the run ended before its training began. Train with: {again}"
            )
        if self.info.status != "done":
            return RunError(
                f"{path} is missing: the run did not get that far."
                f" Finish it with: {call_to_resume(self.path)}"
            )
        missing = f"{path} is missing, though the run is finished."
        if path.name in _EVALUATED and (self.path / "model.keras").exists():
            return RunError(f"{missing} Write it again with: {call('evaluate', self.path)}")
        return RunError(f"{missing} Train again with: {again}")

    @cached_property
    def recipe(self) -> Recipe:
        """The Recipe of this run: what the user asked for."""
        values, path = self.read_json("recipe.json"), self.path / "recipe.json"
        try:
            return Recipe.from_dict(values)
        except UsageError as error:
            raise damaged(path, error, "Restore the file, or train again.") from error

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The probability of each class from which an image is predicted as it.

        Raises:
            RunError: run.json has none, or not one for each class.
        """
        found = self.info.thresholds
        if len(found) != len(self.classes):
            raise RunError(
                f"Expected {len(self.classes)} thresholds, one for each class, in"
                f" {self.path / 'run.json'}. Received: {len(found)}. Train again with:"
                f" {call_to_train_again(self.path)}"
            )
        return found

    @property
    def multi_label(self) -> bool:
        """Whether an image may be of several classes."""
        return self.recipe.multi_label

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the model's outputs."""
        names = self._read("classes.json")
        named = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not named or not names or len(set(names)) < len(names):
            raise RunError(
                f"Expected a list of class names in {self.path / 'classes.json'}, each once."
                f" Received: {names!r:.60}"
            )
        return tuple(names)

    @property
    def info(self) -> RunInfo:
        """run.json: data, settings, status, what was kept, timings. Read from disk each time.

        Raises:
            RunError: It is missing, damaged, or of a newer version.
        """
        raw = self.read_json("run.json")
        if not records_settings(raw) and not self._noticed:
            self._noticed = True
            say(
                f"{self.path.name} was made by an older version (before schema {SCHEMA}): settings"
                " that it did not record are taken from its recipe."
            )
        return read_info(self.path / "run.json", raw, self.recipe)

    @property
    def records_settings(self) -> bool:
        """Whether run.json holds all settings; runs of older versions have to be settled again."""
        return records_settings(self.read_json("run.json"))

    def update(self, **changes: Any) -> None:
        """Replace fields of run.json, by their names in `RunInfo`."""
        self.write_info(replace(self.info, **changes))

    def write_info(self, info: RunInfo) -> None:
        """Write run.json."""
        write_json(self.path / "run.json", asdict(info))

    @property
    def uneven(self) -> bool:
        """Whether classes are uneven in training: then macro-F1 says more than accuracy."""
        return is_uneven(self.info.counts.get("train", {}).values())

    @property
    def metrics(self) -> Metrics:
        """The metrics on the run's own evaluation split, from metrics.json.

        Where an image may be of several classes they are `MultilabelMetrics`.

        Raises:
            RunError: The file is missing or damaged.
        """
        if "co_occurrence" in self.read_json("metrics.json"):
            return cast("Metrics", self.read_multilabel_metrics(self.path))
        return self.read_metrics(self.path)

    def history(self) -> list[dict[str, str]]:
        """Return history.csv, one row per epoch; empty if there is none.

        Raises:
            RunError: It is damaged.
        """
        path = self.path / "history.csv"
        try:
            return read_csv(path) if path.is_file() else []
        except (OSError, ValueError) as error:
            hint = "Remove it to continue without learning curves."
            raise damaged(path, error, hint) from error

    def predictions(self) -> Predictions:
        """predictions.csv of the run's own evaluation split; one label for each image."""
        return Predictions.read(self.path / "predictions.csv", self.classes)


RunLike = Run | str | os.PathLike[str]


def as_run(run: RunLike) -> Run:
    """Return a Run for a run or its path."""
    return run if isinstance(run, Run) else Run(run)
