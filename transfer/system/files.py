"""Atomic writes: a file is complete or absent."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from transfer.errors import UsageError

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


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically; bytes of a path that are not UTF-8 are escaped."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
