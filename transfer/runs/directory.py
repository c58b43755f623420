"""The directory of a run: checked, and made."""

from __future__ import annotations

import os
import re
from pathlib import Path

from transfer.errors import RunError
from transfer.system.lock import is_ours, not_writable, refuse_if_locked


def check_output(output: str | os.PathLike[str]) -> Path:
    """Return the path of a new run directory. Raises RunError where something is in it."""
    path = Path(output).expanduser()
    try:
        refuse_if_locked(path)
        if path.exists() and not all(map(is_ours, path.iterdir())):
            hint = f", or go on with --resume {path}" if (path / "run.json").is_file() else ""
            raise RunError(
                f"{path} is not empty. Choose another --output{hint}; nothing was changed."
            )
    except OSError as error:
        raise not_writable(path, error) from error
    return path


def make_run_directory(path: Path | None, name: str) -> Path:
    """Make and return a directory for a run. Raises RunError where that is not possible."""
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
        raise RunError(f"No free name for {stem} under runs/. Choose one with --output.")
    except OSError as error:
        raise not_writable(path or Path("runs"), error) from error
