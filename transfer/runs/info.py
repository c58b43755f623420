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
from transfer.recipe import BOUNDS, CHOICES, COLOR_PROFILES, LARGEST, Recipe
from transfer.runs.older import upgraded
from transfer.runs.outcomes import (
    Calibration,
    Choice,
    EngineChoice,
    FeatureInfo,
    Figures,
    FoldFigures,
    FoldsInfo,
    LabelErrors,
    NegativesInfo,
    WeightsInfo,
)
from transfer.runs.records import Count, Share, as_record
from transfer.settings import Decoding, Settings
from transfer.system.files import damaged
from transfer.system.text import cut

__all__ = [
    "SCHEMA",
    "Calibration",
    "Choice",
    "EngineChoice",
    "FeatureInfo",
    "Figures",
    "FoldFigures",
    "FoldsInfo",
    "LabelErrors",
    "NegativesInfo",
    "RunInfo",
    "WeightsInfo",
    "read_info",
    "records_settings",
    "versions",
]

SCHEMA = 2


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
        source: Name of the data as the user gave it, without folders; ``""`` where it is not
            recorded.
        hardware: What the run was trained on: processor, cores, memory, GPU.
        status: ``running``, ``done``, ``failed`` or ``interrupted``.
        error: Why it failed or was interrupted; ``""`` where it did not.
        resumed: How often it was resumed.
        features: Where the features came from; None before they are there, and from scratch.
        phase_kept: ``head`` or ``finetune``; ``""`` before that is known, or where an untrained
            network was kept.
        phases: Phase to its figures (val_accuracy, val_loss, seconds...).
        choice: Which weights were kept; None where there was nothing to choose from.
        label_errors: How many labels look wrong; None where that was not checked.
        negatives: The images of none of the classes; None without.
        folds: The cross-validation; None without.
        seconds: Stage to duration.
        thresholds: Where an image may be of several classes: the probability of each class from
            which an image is predicted as it; empty before they are chosen.
        calibration: How the model's confidence was calibrated; None where it was not.
        schema: Version of this record.
    """

    data: str
    split: str
    counts: dict[str, dict[str, Count]]
    weights: WeightsInfo
    settings: Settings
    skipped: dict[str, Count] = field(default_factory=dict)
    left_out: tuple[tuple[str, str], ...] = ()
    read_as: str = ""
    bad: tuple[tuple[str, str], ...] = ()
    notes: dict[str, Count] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    created: str = ""
    source: str = ""
    hardware: dict[str, str] = field(default_factory=dict)
    status: str = "running"
    error: str = ""
    resumed: Count = 0
    features: FeatureInfo | None = None
    phase_kept: str = ""
    phases: dict[str, Figures] = field(default_factory=dict)
    choice: Choice | None = None
    label_errors: LabelErrors | None = None
    negatives: NegativesInfo | None = None
    folds: FoldsInfo | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    thresholds: tuple[Share, ...] = ()
    calibration: Calibration | None = None
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
    schema = raw.get("schema", 1)
    if isinstance(schema, int) and schema > SCHEMA:
        raise RunError(
            f"{path} was written by a newer version of transfer (schema {cut(schema)}; this version"
            f" reads up to {SCHEMA}). Update the package to read this run."
        )
    hint = f"Restore the file, or train again with: {call_to_train_again(path.parent)}"
    try:
        current = upgraded(raw, recipe) if schema == 1 else dict(raw)
    except (TypeError, ValueError, AttributeError) as error:
        raise damaged(path, error, hint) from error
    info = as_record(current, RunInfo, path, hint)
    for name, value in vars(info.settings).items():
        if not _is_possible(name, value):
            raise damaged(path, ValueError(f"The setting {name} is {cut(value)}"), hint)
    return info


def _is_possible(name: str, value: Any) -> bool:
    """Return whether a setting may have a value; older runs have 0 where none was recorded."""
    if isinstance(value, Decoding):
        levels = (value.integers or (0, 1), value.floats or (0, 1))
        limited = all(-LARGEST <= low <= high <= LARGEST for low, high in levels)
        return limited and value.profiles in COLOR_PROFILES
    if isinstance(value, tuple):
        return all(_is_possible(name, each) for each in value)
    if isinstance(value, str):
        return name not in CHOICES or value in CHOICES[name]
    if name in ("val", "label_smoothing", "ema", "layer_decay"):
        return bool(0 <= value <= 1)
    most = LARGEST if isinstance(value, float) else 100_000
    return bool(0 <= value <= BOUNDS.get(name, (0, most))[1])


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
