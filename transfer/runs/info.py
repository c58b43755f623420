"""run.json as a typed, versioned record: the only place that knows its keys."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from transfer.errors import RunError, call_to_train_again
from transfer.recipe import Recipe
from transfer.runs.older import upgraded
from transfer.settings import Settings

SCHEMA = 2
Figures = dict[str, float | None]  # None for values that are not finite


@dataclass(frozen=True)
class WeightsInfo:
    """Where the backbone's weights came from: see `transfer.networks.weights.Weights`."""

    origin: str
    file: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class FeatureInfo:
    """Images whose features came from the cache or were computed, and by what."""

    cached: int
    computed: int
    engine: str
    precision: str


@dataclass(frozen=True)
class Choice:
    """Which weights were kept after fine-tuning, and why.

    Attributes:
        kept: ``head``, ``epoch 7`` or ``50% of fine-tuning``.
        why: A sentence.
        monitor: What the candidates were compared by; ``""`` where there was one only.
        candidates: Name to value of the monitor.
        gained: Validation images that the kept weights recognise and the head does not.
        lost: The reverse.
    """

    kept: str
    why: str = ""
    monitor: str = ""
    candidates: Figures = field(default_factory=dict)
    gained: int = 0
    lost: int = 0


@dataclass(frozen=True)
class LabelErrors:
    """How many labels of the training and validation images are probably wrong.

    Attributes:
        likely: Approximate number, as counted by confident learning.
        images: Of how many images; 0 where that is not known.
        low: `likely` minus what the model's own mistakes may add; None in older runs.
        high: Number of images predicted as another class than their label; None in older runs.
        accuracy: Out-of-fold accuracy of the model that judged them, 0..1; 0 where it could judge
            none; None in older runs.
        reliable: Whether that model is accurate enough for these figures to mean anything.
    """

    likely: int = 0
    images: int = 0
    low: int | None = None
    high: int | None = None
    accuracy: float | None = None
    reliable: bool = True


@dataclass(frozen=True)
class FoldFigures:
    """One fold: its number from 1, images, accuracy and macro-F1 (0..1)."""

    fold: int
    n: int
    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class FoldsInfo:
    """The results of a cross-validation; see `transfer.evaluation.folds.summarise_folds`."""

    phase: str
    seconds: float
    k: int = 0
    n: int = 0
    accuracy: float = 0.0
    accuracy_ci95: tuple[float, float] = (0.0, 1.0)
    macro_f1: float = 0.0
    accuracy_mean: float = 0.0
    accuracy_std: float = 0.0
    macro_f1_mean: float = 0.0
    macro_f1_std: float = 0.0
    per_fold: tuple[FoldFigures, ...] = ()


@dataclass(frozen=True)
class RunInfo:
    """What run.json says about a run.

    Attributes:
        data: Absolute path of the image folder.
        split: What the run is evaluated on: ``test`` or ``val``.
        counts: Split to class to number of images.
        skipped: Reason to number of files that were left out.
        left_out: (path, reason) of these, as far as they matter; the first 1,000.
        read_as: What the data were read as; ``""`` where that is not recorded.
        bad: (path, reason) of the images that cannot be used.
        notes: Remark to number of images.
        weights: Where the backbone's weights came from.
        settings: What the run does.
        versions: Package to version.
        created: When the run began, local time, ISO 8601; ``""`` where it is not recorded.
        status: ``running``, ``done``, ``failed`` or ``interrupted``.
        error: Why it failed or was interrupted; ``""`` where it did not.
        resumed: How often it was resumed.
        features: Where the features came from; None before they are there, and from scratch.
        phase_kept: ``head`` or ``finetune``; ``""`` before that is known, or where an untrained
            network was kept.
        phases: Phase to its figures (val_accuracy, val_loss, seconds...).
        choice: Which weights were kept; None where there was nothing to choose from.
        label_errors: How many labels look wrong; None where that was not checked.
        folds: The cross-validation; None without.
        seconds: Stage to duration.
        schema: Version of this record.
    """

    data: str
    split: str
    counts: dict[str, dict[str, int]]
    weights: WeightsInfo
    settings: Settings
    skipped: dict[str, int] = field(default_factory=dict)
    left_out: tuple[tuple[str, str], ...] = ()
    read_as: str = ""
    bad: tuple[tuple[str, str], ...] = ()
    notes: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    created: str = ""
    status: str = "running"
    error: str = ""
    resumed: int = 0
    features: FeatureInfo | None = None
    phase_kept: str = ""
    phases: dict[str, Figures] = field(default_factory=dict)
    choice: Choice | None = None
    label_errors: LabelErrors | None = None
    folds: FoldsInfo | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    schema: int = SCHEMA


def records_settings(raw: Mapping[str, Any]) -> bool:
    """Return whether the object in run.json holds all settings; those of older versions do not."""
    return "settings" in raw


def read_info(path: Path, raw: Mapping[str, Any], recipe: Recipe) -> RunInfo:
    """Return what the object in run.json says.

    Args:
        path: The file, for messages.
        raw: The object.
        recipe: The run's, for what older versions did not record.

    Raises:
        RunError: A field is missing or of another type, or the file is of a newer version.
    """
    import msgspec

    schema = raw.get("schema", 1)
    if isinstance(schema, int) and schema > SCHEMA:
        raise RunError(
            f"{path} was written by a newer version of transfer (schema {schema}; this version"
            f" reads up to {SCHEMA}). Update the package to read this run."
        )
    try:
        return msgspec.convert(upgraded(raw, recipe) if schema == 1 else dict(raw), RunInfo)
    except (msgspec.ValidationError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"{path} is damaged: {str(error)[:200]}. Restore the file, or train again with:"
            f" {call_to_train_again(path.parent)}"
        ) from error


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that a model depends on."""
    known = {"python": platform.python_version()}
    for package, name in _PACKAGES.items():
        with suppress(PackageNotFoundError):  # OpenVINO is an extra
            known[name] = version(package)
    return known


_PACKAGES = {"transfer-classifier": "transfer"} | {
    name: name for name in ("tensorflow", "keras", "numpy", "pillow", "openvino")
}
