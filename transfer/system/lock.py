"""Locks on directories, for one process at a time."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from transfer.system.files import read_json, write_json
from transfer.system.progress import warn
from transfer.system.text import cut

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = ".lock"  # what the kernel locks; the file may remain after a kill, which is harmless
HOLDER = "lock.json"  # who holds the lock: information for messages only
_PATIENCE = 0.3  # seconds: `refuse_if_held` holds the lock for an instant
_MOST_PID = 2**32 - 1  # of any system
_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}


@dataclass(frozen=True)
class Holder:
    """The process that holds a directory."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        host = "this machine" if self.host == socket.gethostname() else self.host
        return f"process {self.pid} on {cut(host)}"


class HeldError(Exception):
    """Another process holds the directory.

    Attributes:
        holder: Which one; None where that is not known.
    """

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(str(holder))
        self.holder = holder


@contextmanager
def hold(directory: Path) -> Iterator[None]:
    """Hold a directory exclusively while the block runs.

    The kernel releases the lock when the process dies, for whatever reason and in any container.
    On a file system without locks, this warns and continues without one: a lock file that outlives
    a killed process would be worse.

    Raises:
        HeldError: Another process, or another thread of this one, holds it.
        OSError: The lock cannot be written.
    """
    from filelock import Timeout

    os.scandir(directory).close()  # raises if there is none; filelock would create it
    lock = _lock_in(directory)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout as error:
        raise HeldError(_read_holder(directory)) from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _UNSUPPORTED:
            raise
        warn(
            f"The file system of {directory} has no file locks."
            " Make sure that no other training writes there."
        )
    try:
        since = datetime.now().isoformat(" ", "seconds")
        write_json(directory / HOLDER, asdict(Holder(os.getpid(), socket.gethostname(), since)))
        yield
    finally:
        for name in (HOLDER, LOCK):  # before the release: later they may be another's
            with suppress(OSError):
                (directory / name).unlink()
        lock.release()


def refuse_if_held(directory: Path) -> None:
    """Raise HeldError where a process holds the directory; nothing is written to it."""
    from filelock import Timeout

    if not (directory / LOCK).is_file():
        return
    lock = _lock_in(directory)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise HeldError(_read_holder(directory)) from error
    except (OSError, NotImplementedError):  # unknown here: a later write will fail
        return
    lock.release()


def _lock_in(directory: Path) -> BaseFileLock:
    from filelock import FileLock

    # A soft lock is only a file, which a killed process would leave behind: never fall back to it.
    return FileLock(directory / LOCK, thread_local=False, fallback_to_soft=False)


def _read_holder(directory: Path) -> Holder | None:
    import msgspec

    try:
        holder = msgspec.convert(read_json(directory / HOLDER), Holder)
    except (OSError, ValueError):
        return None
    return holder if 0 < holder.pid <= _MOST_PID else None
