"""The state of a training on disk, in two generations: what resuming starts from.

    state-1.npz   arrays
    state-1.json  the progress, and the sha256 of the arrays and of itself; written last, it makes
                  the generation valid
    state-2.npz   the epoch before or after
    state-2.json

A kill or a full disk during a save damages at most the generation being replaced.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import msgspec
import numpy as np

from transfer.errors import RunError, TransferError, call_to_resume, call_to_train_again
from transfer.runs.records import Count
from transfer.system.digests import sha256_of
from transfer.system.files import atomic, damaged, refuse_pipes, write_text
from transfer.system.progress import warn
from transfer.system.text import cut

_NAMES = ("state-1", "state-2")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFull(TransferError):
    """There is no room for a file; the file it would have replaced is unchanged."""


class Epoch(TypedDict):
    """One row of the history; its other figures are those of `History`."""

    phase: str
    epoch: Count
    seconds: float
    loss: NotRequired[float]
    accuracy: NotRequired[float]
    val_loss: NotRequired[float]
    val_accuracy: NotRequired[float]
    val_macro_f1: NotRequired[float]


class BestSoFar(TypedDict):
    """The attributes of `BestCheckpoint` that are saved."""

    best: float | None
    best_epoch: Count | None
    best_logs: dict[str, float]


class Waiting(TypedDict):
    """The attributes of `Patience` that are saved."""

    best: float | None
    wait: Count


Progress = TypedDict(
    "Progress",
    {
        "recipe": dict[str, Any],
        "classes": list[str],
        "split.csv": str,
        "weights": str | None,
        "stopped": bool,
        "best": BestSoFar,
        "patience": Waiting,
        "history": list[Epoch],
    },
)


class Content(TypedDict):
    """The JSON file of a generation; floats may be NaN and infinite."""

    epoch: Count
    progress: Progress
    arrays: str
    sha256: str


@dataclass(frozen=True)
class State:
    """A valid generation.

    Attributes:
        epoch: Epochs of fine-tuning that were finished, 0 or more.
        progress: What was passed to `save_state`: a `Progress`.
        file: Where the arrays are.
    """

    epoch: int
    progress: dict[str, Any]
    file: Path

    def arrays(self) -> list[np.ndarray]:
        """Return the arrays in the order in which they were given to `save_state`.

        Raises:
            RunError: The file holds something else.
        """
        try:
            with self.file.open("rb") as stream, np.load(stream) as stored:
                return [stored[name] for name in stored.files]
        except Exception as error:  # zipfile and NumPy raise exceptions of many types
            hint = f"Train again with: {call_to_train_again(self.file.parent)}"
            raise damaged(self.file, error, hint) from error


def save_state(
    directory: Path, epoch: int, progress: dict[str, Any], arrays: Sequence[np.ndarray]
) -> None:
    """Write the state after `epoch` epochs over the older of the two generations.

    Args:
        directory: The run directory.
        epoch: Epochs that were finished.
        progress: A `Progress`.
        arrays: Of any shapes.

    Raises:
        DiskFull: The other generation is valid.
    """
    file = directory / f"{_NAMES[epoch % 2]}.npz"
    with roomy(file, sum(array.nbytes for array in arrays)), atomic(file) as temporary:
        with temporary.open("wb") as stream:
            np.savez(stream, *arrays)
        digest = sha256_of(temporary)
    content = {"epoch": epoch, "progress": progress, "arrays": digest}
    with roomy(file, sum(array.nbytes for array in arrays)):
        write_text(file.with_suffix(".json"), json.dumps(content | {"sha256": _digest_of(content)}))


def load_state(directory: Path) -> State | None:
    """Return the newest valid generation; None where none was ever complete.

    Raises:
        RunError: There are saved states, but none is valid.
    """
    valid, faults = [], []
    for name in _NAMES:
        file = directory / f"{name}.json"
        if not (file.exists() or file.with_suffix(".npz").exists()):
            continue
        try:
            valid.append(_read(file))
        except (OSError, ValueError, RecursionError) as error:
            faults.append(f"{name} ({cut(error)})")
    if valid:
        newest = max(valid, key=lambda state: state.epoch)
        if faults:
            warn(
                f"Of the saved states of {directory}, {faults[0]} is not valid: resuming from the"
                f" other, saved after epoch {newest.epoch}."
            )
        return newest
    if any((directory / f"{name}.json").exists() for name in _NAMES):
        raise RunError(
            f"Cannot resume {directory}: none of its saved states is valid: {', '.join(faults)}."
            f" Train again with: {call_to_train_again(directory)}"
        )
    return None


def clear_state(directory: Path) -> None:
    """Remove both generations."""
    for name in _NAMES:
        for suffix in (".json", ".npz"):  # without its JSON, a generation is not valid
            (directory / f"{name}{suffix}").unlink(missing_ok=True)


@contextmanager
def roomy(path: Path, size: int) -> Iterator[None]:
    """Raise DiskFull, with the space needed, if the disk is full during the block.

    Args:
        path: The file that the block writes.
        size: About how many bytes it needs.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _disk_full(path, size) from error


def out_of_disk(directory: Path, error: BaseException) -> DiskFull | None:
    """Return DiskFull with advice where a run's error means a full disk, else None.

    Resuming needs room for the largest file: a new one is written before the old one is removed.
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        error = _disk_full(directory, max(file.stat().st_size for file in directory.iterdir()))
    if not isinstance(error, DiskFull):
        return None
    return DiskFull(f"{error} Then resume with: {call_to_resume(directory)}")


def _disk_full(path: Path, size: int) -> DiskFull:
    directory = path if path.is_dir() else path.parent
    free = shutil.disk_usage(directory).free
    return DiskFull(
        f"The disk is full: {path} needs about {max(size / 1e6, 0.1):,.1f} MB,"
        f" {free / 1e6:,.1f} MB are free. Files saved before are intact. Make room."
    )


def _read(file: Path) -> State:
    refuse_pipes(file)
    content = json.loads(file.read_text(encoding="utf-8"))
    msgspec.convert(content, Content)
    expected = content.pop("sha256")
    if expected != _digest_of(content):
        raise ValueError(f"{file.name} is damaged")
    arrays = file.with_suffix(".npz")
    if sha256_of(arrays) != content["arrays"]:
        raise ValueError(f"{arrays.name} is damaged or of another save")
    return State(content["epoch"], content["progress"], arrays)


def _digest_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
