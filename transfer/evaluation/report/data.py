"""What a report needs from run.json, as one typed record: nothing else here reads run.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from transfer.evaluation.report.redaction import last_part, redact_message
from transfer.images.decode import EACH_BY_ITSELF
from transfer.runs.info import Calibration, Choice, Figures, FoldsInfo, LabelErrors
from transfer.runs.run import Run
from transfer.settings import Decoding


@dataclass(frozen=True)
class About:
    """What is known about a run besides its predictions.

    Attributes:
        data: Absolute path of the image folder; ``""`` where it is unknown.
        source: Name of the data as the user gave it.
        created: When the run began, ISO 8601.
        hardware: What it was trained on.
        split: What the run is evaluated on.
        status: ``running``, ``done``, ``failed`` or ``interrupted``.
        error: Why it failed or was interrupted.
        uneven: Whether training classes are so uneven that macro-F1 says more than accuracy.
        counts: Split to class to number of images.
        skipped: Reason to number of files that were left out.
        left_out: (path, reason) of these, as far as they matter.
        read_as: What the data were read as.
        bad: (path, reason) of the files that could not be used.
        notes: Remark to number of images.
        weights: Origin, file and SHA-256 of the backbone's weights.
        versions: Package to version.
        seconds: What took how long.
        monitor: What the best epoch was chosen by; ``""`` where it is unknown.
        phase_kept: ``head`` or ``finetune``; ``""`` where it is unknown.
        phases: Phase to its figures.
        kept: Which weights were kept, for example ``epoch 7``.
        why: Why these.
        label_errors: How many labels look wrong.
        folds: The figures of the cross-validation; None without.
        used: What was used for a knob that the recipe leaves open.
        decoding: How pictures become 8-bit sRGB.
        calibration: How the confidence was calibrated; None where it was not.
    """

    data: str = ""
    source: str = ""
    created: str = ""
    hardware: Mapping[str, str] = field(default_factory=dict)
    split: str = ""
    status: str = "done"
    error: str = ""
    uneven: bool = False
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[tuple[str, str], ...] = ()
    read_as: str = ""
    bad: tuple[tuple[str, str], ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, Any] = field(default_factory=dict)
    monitor: str = ""
    phase_kept: str = ""
    phases: Mapping[str, Figures] = field(default_factory=dict)
    kept: str = ""
    why: str = ""
    label_errors: LabelErrors = field(default_factory=LabelErrors)
    folds: FoldsInfo | None = None
    used: Mapping[str, Any] = field(default_factory=dict)
    decoding: Decoding = EACH_BY_ITSELF
    calibration: Calibration | None = None

    @property
    def finished(self) -> bool:
        """Whether the run reached its end."""
        return self.status == "done"


def read_about(run: Run) -> About:
    """Return what run.json says; the defaults where a run has none. Raises RunError if damaged."""
    if not (run.path / "run.json").is_file():
        return About()
    info = run.info
    choice = info.choice or Choice(kept="")
    features = {} if info.features is None else asdict(info.features)
    return About(
        data=info.data,
        source=info.source,
        created=info.created,
        hardware=info.hardware,
        split=info.split,
        status=info.status,
        error=info.error,
        uneven=run.uneven,
        counts=info.counts,
        skipped=info.skipped,
        left_out=info.left_out,
        read_as=info.read_as,
        bad=info.bad,
        notes=info.notes,
        weights={key: value for key, value in asdict(info.weights).items() if value is not None},
        versions=info.versions,
        seconds=info.seconds,
        monitor=info.settings.monitor,
        phase_kept=info.phase_kept,
        phases=info.phases,
        kept=choice.kept,
        why=choice.why,
        label_errors=info.label_errors or LabelErrors(),
        folds=info.folds if info.folds is not None and info.folds.per_fold else None,
        used=asdict(info.settings) | features,
        decoding=info.settings.decoding,
        calibration=info.calibration,
    )


def shareable(about: About, run: Run, root: Path | None) -> About:
    """Return `about` without the folders of the user's files.

    Args:
        about: What is known about the run.
        run: The run, whose own path its messages may name.
        root: The folder of the images.
    """
    known = [run.path, run.path.resolve(), *([root] if root else [])]
    weights = {
        key: last_part(value) if isinstance(value, str) and key != "sha256" else value
        for key, value in about.weights.items()
    }
    return replace(
        about,
        data=last_part(about.data),
        error=redact_message(about.error, known),
        bad=tuple((path, redact_message(reason, known)) for path, reason in about.bad),
        weights=weights,
    )
