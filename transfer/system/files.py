"""Atomic writes: a file is complete or absent."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from transfer.errors import RunError, UsageError
from transfer.system.text import cut

# While a file is written: the error does not say which one.
_NAMELESS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary file next to `path`, and rename it to `path` when the block succeeds.

    An error or a kill inside the block leaves an earlier file at `path` as it was. A link is
    followed, and the file that it leads to is replaced. A pipe, a device or an open file
    (/dev/stdout) cannot be replaced and is yielded itself.

    Raises:
        OSError: It cannot be written, with `path` as its filename.
    """
    with _named(path):
        if _is_stream(path):
            yield path
            return
        target = _target(path)
        temporary = _temporary(target)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
            _sync_directory(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


def unwritable(path: Path) -> str | None:
    """Return why `atomic` cannot write a file now, None if it can. Nothing is changed.

    To be asked before work whose result goes there; a disk may still become full meanwhile.
    """
    try:
        if path.is_dir():
            return os.strerror(errno.EISDIR)
        if not _is_stream(path):
            _temporary(_target(path)).unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None


def check_writable(path: Path) -> None:
    """Raise UsageError where `unwritable` knows a reason."""
    if (why := unwritable(path)) is not None:
        raise UsageError(f"Cannot write {str(path)!r}: {why}.")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        ours = isinstance(error.filename, str) and Path(error.filename).name.startswith(".tmp")
        if ours or (error.filename is None and error.errno in _NAMELESS):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _temporary(target: Path) -> Path:
    """Make and return an empty file next to another."""
    temporary = target.with_name(f".tmp{uuid4().hex[:12]}-{target.name[-60:]}")
    # Not by tempfile, whose files are private: here the kernel applies the umask, which cannot be
    # read without changing it for all threads.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return temporary


def _is_stream(path: Path) -> bool:
    target = path.parent / path.readlink() if path.is_symlink() else path
    if any(os.path.realpath(each.parent).startswith("/proc/") for each in (path, target)):
        return True  # what this process has open
    return path.exists() and not (path.is_file() or path.is_dir())


def _sync_directory(path: Path) -> None:
    with suppress(OSError):  # not supported by every file system
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_file(path: Path) -> bool:
    """Return whether there is a file; False if that cannot be determined."""
    return os.path.isfile(path)  # noqa: PTH113 - that of Path raises


def shown(path: Path) -> str:
    """Return a path as it is shown: relative where it lies below the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def refuse_pipes(path: Path) -> None:
    """Raise ValueError where something other than a file is at `path`: opening it could block."""
    if path.exists() and not path.is_file():
        raise ValueError("Expected a regular file")


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading. A pipe in its place does not block, and no link is followed.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is not a regular file.
    """
    flags = (getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
    try:
        handle = os.open(path, os.O_RDONLY | sum(flags))
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            raise ValueError(f"{path.name} is not a regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError(f"{path.name} is not a regular file")
    return os.fdopen(handle, "rb")


def damaged(path: Path, error: Exception, hint: str) -> RunError:
    """Return the error for a file of a run that does not hold what it should.

    Args:
        path: The file.
        error: What is wrong with it.
        hint: The way out, a sentence.
    """
    if isinstance(error, OSError):
        return RunError(f"{path} cannot be read: {error.strerror}. {hint}")
    return RunError(f"{path} is damaged: {cut(error).rstrip('.')}. {hint}")


def inside(path: str) -> str:
    """Return a path relative to a folder. Raises ValueError where it leads out of the folder."""
    parts = path.replace("\\", "/").split("/")
    if not path or "\0" in path or Path(path).is_absolute() or ".." in parts:
        raise ValueError(f"the path {cut(path)!r} leads out of the image folder")
    return path


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically; bytes of a path that are not UTF-8 are escaped."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not a regular file or not JSON, which has no NaN and no infinity.
    """
    refuse_pipes(path)
    try:
        return json.loads(
            path.read_text(encoding="utf-8"), parse_constant=_finite, parse_float=_finite
        )
    except RecursionError as error:
        raise ValueError("It is nested too deeply") from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"Expected finite numbers. Received: {cut(text, 20)}")
    return number


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
