"""Remembers the results of checking files: later runs need not read them.

One SQLite file in the cache folder. A file is recognised by its absolute path, size, modification
time, inode and change time; any other file is read. A file that was modified less than two seconds
before, or since, is not remembered: it may change again within the clock's resolution and look the
same (Git's "racy" rule). Results for formats that need further packages, and reasons why a file
cannot be used, hold while the same of these packages are installed. Several processes may use it at
once, and a killed one leaves it intact. Where it cannot be used (no space, no write permission),
everything works without it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from transfer.data.audit.duplicates import FINGERPRINT_VERSION
from transfer.data.audit.look import LOOK_VERSION, Look
from transfer.errors import DataError
from transfer.images.formats import further_readers
from transfer.images.levels import Span
from transfer.images.open import Header, read_header
from transfer.system.cachedir import cache_dir, cache_limit
from transfer.system.digests import RACY
from transfer.system.progress import warn

MOST_FILES = 500_000  # about 300 MB
BYTES_PER_FILE = 600
_VERSION = 1000 * FINGERPRINT_VERSION + 2  # of the table
_UNNAMED = 2  # the version of results that do not say theirs
_RENEWABLE = (_UNNAMED, 4)  # versions whose results lack only what the header says
# Pillow reads these, whatever else is installed.
_PLAIN_FORMATS = frozenset(("JPEG", "PNG", "GIF", "BMP", "WEBP"))
_DAY = 86_400
_BATCH = 500
_TABLE = """
CREATE TABLE IF NOT EXISTS files
(path BLOB PRIMARY KEY, stamp TEXT, used INTEGER, look TEXT, fingerprint BLOB) WITHOUT ROWID
"""
_FORGET = "DELETE FROM files WHERE path IN (SELECT path FROM files ORDER BY used LIMIT ?)"


class Ledger:
    """Remembered results, in a database; without one (None), nothing is remembered."""

    def __init__(self, database: sqlite3.Connection | None) -> None:
        self._database = database
        self._rows: list[tuple[bytes, str, int, str, bytes]] = []
        self._seen: list[tuple[int, bytes]] = []
        self._opened = time.time()
        self._readers = " ".join(further_readers())

    def recall(self, file: Path, state: os.stat_result) -> Look | None:
        """Return the result for a file in this state; None where it is not known."""
        if self._database is None:
            return None
        path = os.fsencode(file)
        query = "SELECT stamp, used, look, fingerprint FROM files WHERE path = ?"
        try:
            row = self._database.execute(query, (path,)).fetchone()
            if row is None or row[0] not in (_stamp(state), _stamp(state, self._readers)):
                return None
            look, version = _unpacked(row[2], row[3])
        except (sqlite3.Error, ValueError, TypeError, KeyError):
            return None
        if version != LOOK_VERSION:
            renewed = _renewed(file, look) if version in _RENEWABLE else None
            if renewed is not None:
                self.remember(file, state, renewed)
            return renewed
        if self._opened - row[1] > _DAY:
            self._seen.append((int(self._opened), path))
        return look

    def remember(self, file: Path, state: os.stat_result, look: Look) -> None:
        """Remember the result for a file, whose state was `state` before it was read."""
        if self._database is None or self._opened - state.st_mtime < RACY:
            return
        plain = look.header is not None and look.header.format in _PLAIN_FORMATS
        stamp = _stamp(state, None if plain else self._readers)
        row = (os.fsencode(file), stamp, int(self._opened), _packed(look), look.fingerprint)
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self.write()

    def write(self) -> None:
        """Write the pending results; the least recently used are evicted."""
        if self._database is None or not (self._rows or self._seen):
            return
        try:
            with self._database:
                self._database.executemany("REPLACE INTO files VALUES (?, ?, ?, ?, ?)", self._rows)
                self._database.executemany("UPDATE files SET used = ? WHERE path = ?", self._seen)
                (count,) = self._database.execute("SELECT count(*) FROM files").fetchone()
                if count > _most_files():
                    self._database.execute(_FORGET, (count - _most_files(),))
        except sqlite3.Error as error:
            warn(f"The results of checking files are not remembered for the next run: {error}.")
            self._database = None
        self._rows, self._seen = [], []


@contextmanager
def open_ledger() -> Iterator[Ledger]:
    """Open the ledger for the block and write it at its end, even after an error."""
    database = _connect(ledger_file()) if _most_files() else None
    with closing(database) if database else nullcontext():
        ledger = Ledger(database)
        try:
            yield ledger
        finally:
            ledger.write()


def ledger_file() -> Path:
    """Return the path of the database, which need not exist."""
    return cache_dir() / "ledger" / "files.sqlite"


def _most_files() -> int:
    return min(MOST_FILES, cache_limit() // BYTES_PER_FILE)


def _connect(file: Path) -> sqlite3.Connection | None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _prepared(file)
        except sqlite3.OperationalError:  # in use, no space, no write permission
            raise
        except sqlite3.DatabaseError:  # not a database, or a damaged one
            file.unlink()
            return _prepared(file)
    except (OSError, sqlite3.Error) as error:
        warn(f"Files are read again in every run: {str(file)!r} cannot be used ({error}).")
        return None


def _prepared(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=10)
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            with database:
                database.execute("BEGIN IMMEDIATE")
                database.execute("DROP TABLE IF EXISTS files")
                database.execute(_TABLE)
                database.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        database.close()
        raise
    return database


def _stamp(state: os.stat_result, readers: str | None = None) -> str:
    """Return what a result holds for: a file's state, and the readers where it depends on them."""
    stamp = f"{state.st_size} {state.st_mtime_ns} {state.st_ino} {state.st_ctime_ns}"
    return stamp if readers is None else f"{stamp} {readers}"


def _packed(look: Look) -> str:
    values = dataclasses.asdict(look)
    del values["fingerprint"]
    return json.dumps(values | {"version": LOOK_VERSION})


def _unpacked(text: str, fingerprint: bytes) -> tuple[Look, int]:
    """Return a result and the version that it is of."""
    values = json.loads(text)
    version = values.pop("version", _UNNAMED)
    header, span = values.pop("header"), values.pop("span", None)
    look = Look(
        **values,
        header=None if header is None else Header(**header),
        fingerprint=fingerprint,
        span=None if span is None else Span(**span),
    )
    return look, version


def _renewed(file: Path, look: Look) -> Look | None:
    """Return a result of an earlier version with all that its file's header says.

    None where the file may get another result today.
    """
    if look.reason:
        return None
    try:
        header = read_header(file)
    except DataError:
        return None
    same = header.bits == 8 and header.format in _PLAIN_FORMATS
    return dataclasses.replace(look, header=header) if same else None
