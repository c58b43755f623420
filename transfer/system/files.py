"""Atomic writes."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file, and rename it to `path` when the block succeeds.

    After an error or a kill inside the block, an earlier file at `path` is unchanged. Where `path`
    is a link, the file that it leads to is replaced. A pipe, a device or the name of an open file
    (/dev/stdout) cannot be replaced and is yielded itself.
    """
    if _is_stream(path):
        yield path
        return
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    temporary = path.parent / f".tmp{secrets.token_hex(4)}-{path.name}"
    # Not tempfile, whose files are private: so the kernel applies the umask and default ACLs.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    target = path.parent / path.readlink() if path.is_symlink() else path
    if any(os.path.realpath(name.parent).startswith("/proc/") for name in (path, target)):
        return True  # a file that this process has open
    return path.exists() and not (path.is_file() or path.is_dir())


def _sync_directory(path: Path) -> None:
    with suppress(OSError):  # not every file system can
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_file(path: Path) -> bool:
    """Return whether `path` is a file; False where that cannot be determined."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises


def write_text(path: Path, text: str) -> None:
    r"""Write `text` as UTF-8, atomically; bytes of a path that are not UTF-8 become ``\udcfc``."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
