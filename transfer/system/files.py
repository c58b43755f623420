"""Atomic writes."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; put it in place, whole, when the block ends well.

    An error or a kill inside the block leaves an earlier file at `path` as it was. Where `path` is
    a link, this is about the file that it leads to. A pipe, a device or the name of an open file
    (/dev/stdout), in whose place nothing can be put, is given itself.
    """
    if _is_stream(path):
        yield path
        return
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(prefix=".tmp", suffix=f"-{path.name}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
        _sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    target = path.parent / path.readlink() if path.is_symlink() else path
    if any(os.path.realpath(each.parent).startswith("/proc/") for each in (path, target)):
        return True  # what this process has open
    return path.exists() and not (path.is_file() or path.is_dir())


def _sync_directory(path: Path) -> None:
    with suppress(OSError):  # not every file system can
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_file(path: Path) -> bool:
    """Tell whether there is a file; False too where that cannot be seen."""
    return os.path.isfile(path)  # noqa: PTH113 - that of Path raises


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically; what of a path is not UTF-8 as JSON would write it."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
