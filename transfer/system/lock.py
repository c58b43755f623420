"""The directory of a run: made new, and written by one training at a time."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from transfer.errors import RunError

LOCK = "lock.json"
# What a kill leaves behind: temporary files of ours and of Keras, activations, folds.
_LEFT_BEHIND = re.compile(r"\.tmp.+|tmp[a-z0-9_]{8}|\.(activations|fold)-.+")


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a run's directory while the block runs; clear away what a killed training left in it.

    The lock is a file with the process and the host that hold it. One whose process is dead is
    taken over.

    Raises:
        RunError: Another process holds it, or it cannot be written.
    """
    path = directory / LOCK
    mine = json.dumps(
        {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().isoformat(" ", "seconds"),
            "began": _status(os.getpid())[1],
        }
    )
    try:
        with _alone(directory):
            refuse_if_locked(directory)
            path.unlink(missing_ok=True)
            _create(path, mine)
    except FileExistsError:  # where directories cannot be locked, another may be quicker
        refuse_if_locked(directory)
        raise
    except OSError as error:
        raise not_writable(directory, error) from error
    try:
        _clear_away(directory)
        yield
    finally:
        with suppress(OSError):
            if path.read_text(encoding="utf-8") == mine:
                path.unlink()


def _clear_away(directory: Path) -> None:
    try:
        for item in directory.iterdir():
            if _LEFT_BEHIND.fullmatch(item.name):
                shutil.rmtree(item) if item.is_dir() else item.unlink()
    except OSError as error:
        raise not_writable(directory, error) from error


def refuse_if_locked(directory: Path) -> None:
    """Raise RunError where a training that may still be alive holds the directory."""
    path = directory / LOCK
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        lock = json.loads(text)
        pid, host, since = int(lock["pid"]), str(lock["host"]), str(lock["since"])
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"{path} cannot be read. If no training writes to {directory}, remove it."
        ) from error
    if host != socket.gethostname():
        raise RunError(
            f"{directory} is in use: process {pid} on {host} has been training in it since"
            f" {since}. If it runs there no more, remove {path}."
        )
    if _alive(pid, lock.get("began")):
        raise RunError(
            f"{directory} is in use: process {pid} on this machine has been training in it since"
            f" {since}. Wait for it, or choose another --output."
        )


def _create(path: Path, text: str) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        os.write(handle, text.encode())
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let one process at a time into the block: two may find the same stale lock."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems cannot
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _alive(pid: int, began: Any) -> bool:
    if os.name == "nt":  # where there is no harmless signal
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    state, now = _status(pid)
    return state != "Z" and began in (None, now)


def _status(pid: int) -> tuple[str, str | None]:
    """Return a process' state and when it began, which tells it from a later one of that pid."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", None


def not_writable(path: Path, error: OSError) -> RunError:
    """Return what to raise where a run cannot be written."""
    return RunError(
        f"Cannot write a run to {path}: {error.strerror}. Choose another place with --output."
    )
