"""Shards: rows of one kind in two files, each row with a checksum.

::

    <id>.npy      array of shape (n, ...)
    <id>.keys     JSON: the space that the shard belongs to, and key and CRC-32 of each of its n
                  rows; written last, it makes the shard valid

The checksums find what disks and crashes damage, and files that end up in the wrong folder. They
do not protect against someone who may write to the cache.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np

from transfer.system.files import atomic, open_regular, write_text
from transfer.system.progress import warn

CHUNK = 32  # rows that are copied at once


@dataclass(frozen=True, eq=False)
class Shard:
    """A shard that is open for reading.

    Attributes:
        file: Its .keys.
        array: Memory map of shape (n, ...).
        keys: Key of each row.
        crc32: Checksum of each row's bytes.
    """

    file: Path
    array: np.ndarray
    keys: Sequence[str]
    crc32: Sequence[int]

    def remove(self, reason: object) -> None:
        """Remove its files because they are damaged, with a warning."""
        remove_damaged(self.file, reason)

    def copy(self, rows: Sequence[int], target: np.ndarray, to: Sequence[int]) -> bool:
        """Set ``target[to] = array[rows]``; return whether the checksums are right."""
        for start in range(0, len(rows), CHUNK):
            some = list(rows[start : start + CHUNK])
            copied = self.array[some]
            if any(
                zlib.crc32(row.data) != self.crc32[i] for row, i in zip(copied, some, strict=True)
            ):
                return False
            target[list(to[start : start + CHUNK])] = copied
        return True


class Cell(NamedTuple):
    """Where a row is."""

    shard: Shard
    row: int


Rows = Mapping[str, Cell]


def read_shard(file: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Shard:
    """Return the shard of a .keys file.

    Args:
        file: The .keys.
        shape: Expected shape of a row.
        dtype: Expected type of a row.

    Raises:
        OSError: It cannot be read at the moment.
        Exception: It is damaged: NumPy and JSON raise nearly everything.
    """
    keys, crc32 = read_keys(file)
    with open_regular(file.with_suffix(".npy")) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("it has another version of NumPy's format")
        stored, fortran, kind = np.lib.format.read_array_header_1_0(stream)
        if stored != (len(keys), *shape) or kind != dtype or fortran:
            raise ValueError(f"it holds {kind} of shape {stored}")
        array = np.memmap(stream, dtype, "r", stream.tell(), stored)
    return Shard(file, array, keys, crc32)


def read_keys(file: Path) -> tuple[list[str], list[int]]:
    """Return keys and checksums of a .keys file. Raises ValueError where it is damaged."""
    with open_regular(file) as stream:
        content = json.loads(stream.read().decode())
    if not isinstance(content, dict) or content.get("space") != file.parent.name:
        raise ValueError("it belongs to another space")
    keys: Any = content.get("keys")
    crc32: Any = content.get("crc32")
    if not (_all_of(keys, str) and _all_of(crc32, int) and len(keys) == len(crc32)):
        raise ValueError("it has no keys with checksums")
    return keys, crc32


def write_shard(folder: Path, keys: Sequence[str], array: np.ndarray, rows: np.ndarray) -> None:
    """Write ``array[rows]`` under `keys` as a new shard. Raises OSError."""
    file = folder / f"{uuid4().hex}.npy"
    header = {
        "descr": np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": (len(rows), *array.shape[1:]),
    }
    crc32: list[int] = []
    # Not as a memory map: on a full disk, writing to one kills the process.
    with atomic(file) as temporary, temporary.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for start in range(0, len(rows), CHUNK):
            some = np.ascontiguousarray(array[rows[start : start + CHUNK]])
            crc32 += [zlib.crc32(row.data) for row in some]
            stream.write(some.data)
    content = {"space": folder.name, "keys": list(keys), "crc32": crc32}
    write_text(file.with_suffix(".keys"), json.dumps(content))


def remove_damaged(file: Path, reason: object) -> None:
    """Remove a damaged shard, given its .keys, with a warning."""
    warn(f"{file} is damaged and is removed; its features are computed again: {reason}")
    with suppress(OSError):
        file.unlink(missing_ok=True)
        file.with_suffix(".npy").unlink(missing_ok=True)


def _all_of(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)
