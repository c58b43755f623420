"""Digests of files, which identify images, models and weights."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

RACY = 2.0  # seconds in which a file may change again without a new modification time


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits. Raises OSError."""
    return _read(path, "sha256")


def _read(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def digest_once(path: Path, algorithm: str) -> str:
    """Return the hash of a file as hex digits; an unchanged file is read once.

    Raises:
        OSError: It cannot be read.
    """
    status = path.stat()
    return _digest(path, algorithm, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, algorithm: str, size: int, modified: int) -> str:
    return _read(path, algorithm)


def sha256_or_none(path: Path) -> str | None:
    """Return the same, or None where `path` is no file or cannot be read; a pipe never blocks."""
    try:
        return sha256_of(path) if path.is_file() else None
    except OSError:
        return None


def is_sha256(text: str) -> bool:
    """Tell whether a text is a SHA-256 in the form used here: 64 lower-case hex digits."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None
