"""The folders of the feature cache, by what their content depends on.

A *space* is a folder of rows of one kind: the vectors of one network, or its activations at one
cut, of the images themselves or of one augmented view of them. It is named by the hash of
everything but the image that its rows depend on::

    <cache dir>/features/<hash>/space.json    what was hashed, for people
                                <id>.npy      a shard, see `transfer.features.shards`
                                <id>.keys
                                network.*     in a space of its own: a converted network, see
                                              `transfer.features.converted`

Shards never change, so several runs can read and write at once without locks. A row that is in two
of them is harmless. Vectors and activations have separate spaces: a run that trains the head
alone finds the vectors of one that fine-tuned, and the activations at cuts that nobody uses any
more are the first to be evicted.

Vectors are float32, so a run from the cache gives the same head, bit for bit, as the one that
computed them; activations are float16, as in training.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from transfer.errors import TransferError
from transfer.features.shards import (
    Cell,
    Rows,
    read_keys,
    read_shard,
    remove_damaged,
    write_shard,
)
from transfer.system.cachedir import cache_dir, cache_limit
from transfer.system.digests import is_sha256
from transfer.system.files import open_regular, write_json

ORPHANED = 3600.0  # seconds; an older shard without keys is left from a killed run


class Space:
    """The rows of one kind, in shards."""

    def __init__(self, root: Path, about: Mapping[str, Any]) -> None:
        self.about = about
        text = json.dumps(about, sort_keys=True, separators=(",", ":"))
        self.path = root / hashlib.sha256(text.encode()).hexdigest()

    def rows(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Rows:
        """Return where each key's row is, in all valid shards; damaged ones are removed."""
        rows: dict[str, Cell] = {}
        with suppress(OSError):
            os.utime(self.path / "space.json")
            _remove_orphans(self.path)
        for file in sorted(self.path.glob("*.keys")):
            try:
                shard = read_shard(file, shape, dtype)
            except (OSError, MemoryError):  # removed just now, or readable at another time
                continue
            except Exception as error:  # whatever a damaged file makes NumPy raise
                remove_damaged(file, error)
                continue
            rows.update((key, Cell(shard, row)) for row, key in enumerate(shard.keys))
        return rows

    def open(self) -> None:
        """Make the folder if needed, and mark it as used."""
        self.path.mkdir(parents=True, exist_ok=True)
        if (self.path / "space.json").exists():
            os.utime(self.path / "space.json")
        else:
            write_json(self.path / "space.json", self.about)

    def append(self, keys: Sequence[str], array: np.ndarray, rows: np.ndarray) -> None:
        """Write ``array[rows]`` as a new shard. Raises OSError."""
        self.open()
        write_shard(self.path, keys, array, rows)


@dataclass(frozen=True)
class Stored:
    """A space on disk.

    Attributes:
        path: Its folder.
        about: Its space.json; empty if that cannot be read.
        size: Bytes.
        used: When it was last used, in seconds since 1970.
    """

    path: Path
    about: Mapping[str, Any]
    size: int
    used: float

    def images(self) -> int:
        """Return how many images have a row."""
        keys: set[str] = set()
        for file in self.path.glob("*.keys"):
            with suppress(OSError, ValueError):
                keys.update(read_keys(file)[0])
        return len(keys)


def features_dir() -> Path:
    """Return the folder of the spaces, which need not exist."""
    return cache_dir() / "features"


def stored_spaces() -> list[Stored]:
    """Return all spaces, least recently used first."""
    return sorted(map(_look_at, _folders()), key=lambda each: each.used)


def clear() -> int:
    """Remove all spaces, and nothing else next to them; return their size in bytes.

    Raises:
        TransferError: Some cannot be removed.
    """
    stored = stored_spaces()
    left = [each.path for each in stored if not remove(each.path)]
    if left:
        raise TransferError(f"Cannot remove {left[0]}: it may belong to another user.")
    return sum(each.size for each in stored)


def _folders() -> Iterator[Path]:
    root = features_dir()
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if path.name.startswith(".gone-"):
            shutil.rmtree(path, ignore_errors=True)
        elif is_sha256(path.name) and path.is_dir() and not path.is_symlink():
            yield path


def _look_at(path: Path) -> Stored:
    about, size, used = {}, 0, 0.0
    with suppress(OSError, ValueError), open_regular(path / "space.json") as stream:
        about = json.loads(stream.read())
    with suppress(OSError):
        for file in path.iterdir():
            with suppress(FileNotFoundError):
                size += file.lstat().st_size
        used = (path / "space.json").lstat().st_mtime
    return Stored(path, about if isinstance(about, dict) else {}, size, used)


def remove(path: Path) -> bool:
    """Remove a space; return whether it is gone."""
    # Renamed first: no other process sees half of it, and what one has mapped stays readable.
    gone = path.with_name(f".gone-{uuid4().hex}")
    with suppress(OSError):
        path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
    return not path.exists()


def make_room(needed: int, in_use: Container[Path]) -> bool:
    """Evict the least recently used spaces until a number of bytes fits into the cache.

    Args:
        needed: Bytes to be written.
        in_use: Folders of spaces that stay.

    Returns:
        Whether they fit. Nothing is evicted for what would not fit into an empty cache.
    """
    limit = cache_limit()
    if needed > limit:
        return False
    stored = stored_spaces()
    free = limit - sum(each.size for each in stored)
    for each in stored:
        if free >= needed:
            break
        if each.path not in in_use and remove(each.path):
            free += each.size
    return free >= needed


def _remove_orphans(path: Path) -> None:
    for file in path.iterdir():
        torn = file.suffix == ".npy" and not file.with_suffix(".keys").exists()
        if torn or file.name.startswith(".tmp"):
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > ORPHANED:
                    file.unlink()
