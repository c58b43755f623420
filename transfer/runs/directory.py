"""The directory of a run: checked, made, and written by one training at a time."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from transfer.errors import RunError, call_to_resume, option
from transfer.system.files import unwritable
from transfer.system.lock import HOLDER, LOCK, HeldError, hold, refuse_if_held
from transfer.system.text import cut

# What a killed training leaves behind: our temporary files and Keras' own, activations, folds.
_LEFT_BEHIND = re.compile(r"\.tmp.+|tmp[a-z0-9_]{8}|\.(activations|fold)-.+")


def check_output(output: str | os.PathLike[str]) -> Path:
    """Return the path of a new run directory.

    Raises:
        RunError: It is not empty, in use, or cannot be written.
    """
    path = Path(output).expanduser()
    try:
        refuse_if_held(path)
        if path.exists() and any(item.name not in (LOCK, HOLDER) for item in path.iterdir()):
            begun = (path / "run.json").is_file()
            hint = f", or continue with: {call_to_resume(path)}" if begun else ""
            raise RunError(
                f"{path} is not empty; nothing was changed. Choose another {option('output')}{hint}"
            )
        there = next(each for each in (path, *path.absolute().parents) if each.exists())
        if (why := unwritable(there / "run.json")) is not None:
            raise RunError(_not_writable(path, why))
    except HeldError as error:
        raise _in_use(path, error) from error
    except OSError as error:
        raise not_writable(path, error) from error
    return path


def make_run_directory(path: Path | None, name: str) -> Path:
    """Make and return a directory for a run.

    Args:
        path: The directory, empty or missing; None numbers one under ``runs/``.
        name: Base name of a numbered directory.

    Raises:
        RunError: It is not empty, in use, or cannot be made.
    """
    try:
        if path is not None:
            path = check_output(path)
            path.mkdir(parents=True, exist_ok=True)
            return path
        parent = Path("runs")
        parent.mkdir(exist_ok=True)
        stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
        for number in range(1, 100_000):
            try:
                (parent / f"{stem}-{number:03d}").mkdir()
            except FileExistsError:
                continue
            return parent / f"{stem}-{number:03d}"
        raise RunError(f"No free name for {stem} under runs/. Choose one with {option('output')}")
    except OSError as error:
        raise not_writable(path or Path("runs"), error) from error


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock a run directory while the block runs, and remove what a killed training left behind.

    Raises:
        RunError: Another training holds it, or it cannot be written.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(directory))
            _clear_away(directory)
        except HeldError as error:
            raise _in_use(directory, error) from error
        except OSError as error:
            raise not_writable(directory, error) from error
        yield


def _clear_away(directory: Path) -> None:
    for item in directory.iterdir():
        if _LEFT_BEHIND.fullmatch(item.name):
            shutil.rmtree(item) if item.is_dir() else item.unlink()


def not_writable(path: Path, error: OSError) -> RunError:
    """Return the error for a run that cannot be written."""
    return RunError(_not_writable(path, error.strerror))


def _not_writable(path: Path, why: str | None) -> str:
    return f"Cannot write a run to {path}: {why}. Choose another {option('output')}"


def _in_use(path: Path, error: HeldError) -> RunError:
    who = "another process holds it"
    if error.holder is not None:
        who = f"{error.holder} has been training in it since {cut(error.holder.since, 40)}"
    return RunError(f"{path} is in use: {who}. Wait for it, or choose another {option('output')}")
