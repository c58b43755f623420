"""One training: all that its steps need to know."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfer.data.groups import number_groups
from transfer.images.folder import ImageFolder
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.runs.run import Run
from transfer.system.units import parse_seconds
from transfer.training.keep.state import State
from transfer.training.tuning.history import History

SLACK = 0.03  # of its time


@dataclass(frozen=True)
class Job:
    """What is trained, on what, and from where.

    Attributes:
        run: Where model.keras, history.csv and run.json go.
        folder: All images, each with its split.
        recipe: The knobs; epochs, label smoothing, monitor and mixed precision are settled.
        weights: The backbone's weights, present as a file (or "none").
        sha256: Path to hex digest of the file, for every image: what features are found by.
        groups: Path to the key of its group, for every image: groups are judged together.
        about: JSON that is saved with the state of the training.
        class_weights: Weight in the loss of each class.
        history: Where the epochs are recorded.
        saved: The state to go on from, where the training is taken up again.
        until: When the run should be over, by `time.monotonic`; None where it has all the time.
    """

    run: Run
    folder: ImageFolder
    recipe: Recipe
    weights: Weights
    sha256: Mapping[str, str]
    groups: Mapping[str, str]
    about: dict[str, Any]
    class_weights: Sequence[float]
    history: History
    saved: State | None
    until: float | None

    @property
    def sides(self) -> tuple[ImageFolder, ImageFolder]:
        """Training and validation images."""
        return self.folder.select("train"), self.folder.select("val")

    @property
    def path(self) -> Path:
        """Where the best model is kept."""
        return self.run.path / "model.keras"

    @property
    def first_epoch(self) -> int:
        """Epochs of fine-tuning that are done already."""
        return self.saved.epoch if self.saved else 0

    @property
    def left(self) -> float:
        """Seconds to the end of the run, infinity where it has all the time."""
        return float("inf") if self.until is None else self.until - time.monotonic()

    @property
    def slack(self) -> float:
        """By how many seconds the run may miss the end of its time."""
        return SLACK * (parse_seconds(self.recipe.time) or 0.0)

    def numbers(self, *sides: ImageFolder) -> np.ndarray:
        """Return the group of each image of some sides, one after the other, as int64 (n,)."""
        return number_groups(self.groups, [path for side in sides for path in side.paths])
