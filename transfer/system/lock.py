"""The directory of a run is written by one training at a time.

The lock itself is the kernel's, by filelock: it ends with its process, however that dies, in a
container as elsewhere. lock.json says who holds it.
"""

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

from filelock import FileLock, Timeout

from transfer.errors import RunError
from transfer.system.files import write_json

_HELD = ".lock"
HOLDER = "lock.json"
# What a kill leaves behind: temporary files of ours and of Keras, activations, folds.
_LEFT_BEHIND = re.compile(r"\.tmp.+|tmp[a-z0-9_]{8}|\.(activations|fold)-.+")


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a run's directory while the block runs; clear away what a killed training left in it.

    Raises:
        RunError: Another process holds it, or it cannot be written.
    """
    lock = FileLock(directory / _HELD, blocking=False, thread_local=False, mode=0o666)
    try:
        lock.acquire()
    except Timeout:
        raise _in_use(directory) from None
    except OSError as error:
        raise not_writable(directory, error) from error
    try:
        try:
            _clear_away(directory)
            write_json(
                directory / HOLDER,
                {
                    "pid": os.getpid(),
                    "host": socket.gethostname(),
                    "since": datetime.now().isoformat(" ", "seconds"),
                },
            )
        except OSError as error:
            raise not_writable(directory, error) from error
        yield
    finally:
        for name in (HOLDER, _HELD):
            with suppress(OSError):
                (directory / name).unlink(missing_ok=True)
        lock.release()


def _clear_away(directory: Path) -> None:
    for item in directory.iterdir():
        if _LEFT_BEHIND.fullmatch(item.name):
            shutil.rmtree(item) if item.is_dir() else item.unlink()


def refuse_if_locked(directory: Path) -> None:
    """Raise RunError where a training holds the directory, OSError where that cannot be seen."""
    if (directory / _HELD).exists():
        try:
            FileLock(directory / _HELD, blocking=False).acquire().lock.release()
        except Timeout:
            raise _in_use(directory) from None


def is_ours(path: Path) -> bool:
    """Return whether a file in a run's directory belongs to its lock."""
    return path.name in (HOLDER, _HELD)


def _in_use(directory: Path) -> RunError:
    try:
        holder = json.loads((directory / HOLDER).read_text(encoding="utf-8"))
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, TypeError, KeyError):
        who = "another process"
    return RunError(f"{directory} is in use by {who}. Wait for it, or choose another --output.")


def not_writable(path: Path, error: OSError) -> RunError:
    """Return what to raise where a run cannot be written."""
    return RunError(
        f"Cannot write a run to {path}: {error.strerror}. Choose another place with --output."
    )
