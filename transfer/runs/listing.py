"""All runs below a folder, best first, with what makes them comparable."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from transfer.errors import RunError, TransferError, option
from transfer.runs.run import Run
from transfer.system.csv import read_csv
from transfer.system.files import is_file


@dataclass(frozen=True)
class ListedRun:
    """One run of a list.

    Attributes:
        path: Its directory, below the folder that was searched.
        status: ``done``, ``running``, ``interrupted``, ``failed``, ``begun`` before its training,
            or ``damaged``.
        error: What is damaged, or why it failed; ``""`` where neither is known.
        backbone: Name of the network; ``""`` where it cannot be read.
        split: What the figures are of: ``test`` or ``val``; ``""`` before there are any.
        n: Number of these images; 0 before there are any.
        accuracy: Share of them that is predicted rightly, 0..1; None before it is known. Where an
            image may be of several classes: with all its classes right.
        accuracy_ci95: Its 95 % interval (Wilson), [low, high].
        macro_f1: Mean F1 of the classes, 0..1.
        caveat: Why the figures are optimistic, as in metrics.json.
        seconds: Duration of the training; None before it is known.
        bytes: Size of the directory.
        created: When the run began, ISO 8601; ``""`` where it is not recorded.
        photos: ``A``, ``B``...: runs with the same letter were evaluated on the same photos and
            classes; ``""`` where that is not known.
    """

    path: str
    status: str
    error: str = ""
    backbone: str = ""
    split: str = ""
    n: int = 0
    accuracy: float | None = None
    accuracy_ci95: tuple[float, float] | None = None
    macro_f1: float | None = None
    caveat: str | None = None
    seconds: float | None = None
    bytes: int = 0
    created: str = ""
    photos: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return asdict(self)


def list_runs(folder: str | os.PathLike[str] = "runs") -> list[ListedRun]:
    """List the runs below a folder, the most accurate first.

    Args:
        folder: Searched at any depth; links are not followed.

    Returns:
        All of them; those without an accuracy come last, by name. One that is damaged has a row,
        too, which says so.

    Raises:
        RunError: The folder cannot be listed.
    """
    root = Path(folder).expanduser()
    found = [_look(path, root) for path in _walk(root)]
    rows = [row for row, _ in found]
    order = sorted(range(len(rows)), key=lambda place: _rank(rows[place]))
    letters: dict[str, str] = {}
    listed = []
    for place in order:
        row, photos = found[place]
        if photos:
            row = replace(row, photos=letters.setdefault(photos, _letter(len(letters))))
        listed.append(row)
    return listed


def _walk(root: Path) -> Iterator[Path]:
    """Yield the run directories; what lies inside of one is its own."""
    failed: list[OSError] = []
    for here, folders, files in os.walk(root, onerror=failed.append):
        if failed and Path(here) == root:
            break
        if "recipe.json" in files or {"run.json", "classes.json"} <= {*files}:
            folders.clear()
            yield Path(here)
        folders[:] = sorted(each for each in folders if not each.startswith("."))
    if failed and failed[0].filename == str(root):
        raise RunError(
            f"Cannot list {str(root)!r}: {failed[0].strerror}. Name the folder that runs are in,"
            f" such as the parent of {option('output')}."
        )


def _rank(row: ListedRun) -> tuple[bool, float, str]:
    return row.accuracy is None, -(row.accuracy or 0), row.path


def _letter(number: int) -> str:
    """Return A..Z, then AA, AB and so on."""
    letters = ""
    while number >= 0:
        letters = chr(ord("A") + number % 26) + letters
        number = number // 26 - 1
    return letters


def _look(path: Path, root: Path) -> tuple[ListedRun, str]:
    """Return the row of a run, and what identifies the photos of its figures."""
    row = ListedRun(str(path.relative_to(root)), "begun", bytes=_size(path))
    if path == root:
        row = replace(row, path=str(path))
    try:
        run = Run(path)
        row = replace(row, backbone=run.recipe.backbone)
        if not is_file(path / "run.json"):
            return row, ""
        info = run.info
        row = replace(
            row,
            status=info.status,
            error=info.error,
            created=info.created,
            seconds=info.seconds.get("total"),
        )
        if not is_file(path / "metrics.json"):
            missing = "metrics.json is missing" if info.status == "done" else ""
            return replace(row, error=row.error or missing), ""
        metrics = run.metrics
        row = replace(
            row,
            split=metrics["split"],
            n=metrics["n"],
            accuracy=metrics["accuracy"],
            accuracy_ci95=(metrics["accuracy_ci95"][0], metrics["accuracy_ci95"][1]),
            macro_f1=metrics["macro_f1"],
            caveat=metrics.get("caveat"),
        )
        return row, _photos(run, row.split)
    except (TransferError, OSError) as error:
        return replace(row, status="damaged", error=str(error), accuracy=None), ""


def _photos(run: Run, split: str) -> str:
    """Return a digest of the photos with their classes; ``""`` where split.csv does not tell."""
    with suppress(OSError, ValueError, KeyError):
        rows = read_csv(run.path / "split.csv")
        shown = sorted((each["sha256"], each["label"]) for each in rows if each["split"] == split)
        if shown and all(digest for digest, _ in shown):
            text = repr((sorted(run.classes), run.multi_label, shown))
            return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return ""


def _size(path: Path) -> int:
    """Return the bytes of all files below a directory."""
    size = 0
    for here, _, files in os.walk(path):
        for name in files:
            with suppress(OSError):
                size += (Path(here) / name).lstat().st_size
    return size
