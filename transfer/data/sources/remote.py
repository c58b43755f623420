"""Folders, archives and shards at addresses of S3, Google Cloud Storage and Hugging Face.

Files arrive one by one in the cache, each complete or not at all, under a name that depends on all
that the file system says of it: an interrupted download goes on where it ended, and after a change
only what is new is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from transfer.data.sources import archives
from transfer.data.sources.foldered import (
    about_tables,
    arrange,
    from_archive,
    from_shards,
)
from transfer.data.sources.listing import PROTOCOLS, Entry, Remote
from transfer.data.sources.shards import is_shard
from transfer.data.sources.source import Options, Source
from transfer.errors import DataError, UsageError, option
from transfer.images.formats import HEAD, format_of
from transfer.images.layout.describe import PACKED_ENDS, is_table_name
from transfer.images.scan import NOT_IMAGE
from transfer.system.cachedir import cache_dir
from transfer.system.digests import is_sha256
from transfer.system.files import atomic
from transfer.system.progress import say, track

_AT_A_TIME = 8
_PIN = "#sha256="


def is_remote(text: str) -> bool:
    """Return whether DATA is an address that fsspec reads."""
    return text.partition("://")[0] in PROTOCOLS and "://" in text


def remote_dir() -> Path:
    """Return the folder of files that came from remote sources, which need not exist."""
    return cache_dir() / "remote"


def from_remote(text: str, options: Options) -> Source:
    """Return the source at an address. Its files are listed, and read when it is filled.

    Raises:
        UsageError: The SHA-256 is none, or not that of an archive.
        DataError: There is nothing that can be used, or too much; or a package is missing.
        TransferError: It cannot be listed.
    """
    url, _, pin = text.partition(_PIN)
    digest = options.sha256 or pin.lower()
    if digest and not is_sha256(digest):
        raise UsageError(f"Expected 64 hex digits after {_PIN} in the address. Received: {text!r}")
    if pin.lower() not in ("", digest):
        raise UsageError(
            f"Expected {option('sha256')} to match the one in the address."
            f" Received: {digest} for {text}."
        )
    remote = Remote(url)
    entry = remote.only_file()
    if entry is not None:
        return _from_file(remote, entry, replace(options, sha256=digest or None))
    if digest:
        raise UsageError(f"Expected an archive with {option('sha256')}. Received: {url!r}")
    entries = remote.files(options.limits)

    def fill(target: Path) -> None:
        for path, file in _fetch(remote, entries).items():
            _put(file, target / path)
        arrange(url, target, options)

    return Source(
        url,
        remote.root.rpartition("/")[2] or remote.protocol,
        about={**_about(remote, entries), **about_tables(options.reading)},
        fill=fill,
    )


def _from_file(remote: Remote, entry: Entry, options: Options) -> Source:
    """Return the source that a single remote file is: an archive, a shard, or Parquet."""
    path = Path(re.sub(r"[^\w. -]", "_", entry.path))
    packed = archives.is_archive(path)
    if not packed and path.suffix.lower() != ".parquet":
        raise DataError(
            f"Expected the address of a folder, an archive ({', '.join(archives.SUFFIXES)}) or"
            f" .parquet. Received: {remote.url}. If it is a table, give the folder that holds the"
            " table and the photos."
        )
    if not packed and options.sha256:
        raise UsageError(f"Expected an archive with {option('sha256')}. Received: {remote.url!r}")
    archives.refuse_foreign(path)

    def fill(target: Path) -> None:
        [file] = _fetch(remote, [entry]).values()
        if not packed:
            _put(file, target / path)
            arrange(remote.url, target, options)
            return
        here = target / f".{path}"
        _put(file, here)
        try:
            if is_shard(here):
                from_shards(remote.url, [here], options).fill(target)
            else:
                from_archive(remote.url, here, options).fill(target)
        except DataError as error:
            file.unlink(missing_ok=True)  # it may be mended at its address
            raise DataError(str(error).replace(str(here), remote.url)) from error
        here.unlink(missing_ok=True)

    about = {**_about(remote, [entry]), **about_tables(options.reading)}
    about |= {"archive": options.sha256 or ""} if packed else {}
    return Source(remote.url, archives.stem(path.name), about=about, fill=fill)


def _about(remote: Remote, entries: Sequence[Entry]) -> dict[str, object]:
    text = json.dumps([entry.about for entry in entries])
    return {"remote": remote.url, "files": hashlib.sha256(text.encode()).hexdigest()}


def _fetch(remote: Remote, entries: Sequence[Entry]) -> Mapping[str, Path]:
    """Return the path of each file, with its copy in the cache; others than images, tables and
    archives are left out.

    Raises:
        TransferError: A file cannot be read.
        OSError: The cache cannot be written.
    """
    copies = {entry: _copy_of(remote, entry) for entry in entries}
    known = sum(copy.is_file() for copy in copies.values())
    size = sum(entry.size or 0 for entry in entries) / 1e6
    say(f"{remote.url}: {len(entries):,} file(s), {size:,.1f} MB; {known:,} in the cache")

    def fetch(entry: Entry) -> bool:
        copy = copies[entry]
        if not _is_wanted(entry.path):
            found = format_of(remote.head(entry, HEAD))
            if found is None:
                return False
        if not copy.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            with atomic(copy) as temporary, temporary.open("wb") as file:
                for piece in remote.read(entry):
                    file.write(piece)
        return True

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        try:
            wanted = list(track(pool.map(fetch, entries), "Fetching files", len(entries)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    left_out = Counter(wanted)[False]
    if left_out:
        say(f"Left out {left_out:,} file(s): {NOT_IMAGE}.")
    kept = (entry for entry, is_kept in zip(entries, wanted, strict=True) if is_kept)
    found = {entry.path: copies[entry] for entry in kept}
    if not found:
        raise DataError(f"There is no image, table or archive in {remote.url}.")
    return found


def _copy_of(remote: Remote, entry: Entry) -> Path:
    text = json.dumps([remote.protocol, entry.name, entry.size, entry.mark])
    key = hashlib.sha256(text.encode()).hexdigest()
    return remote_dir() / key[:2] / key


def _is_wanted(path: str) -> bool:
    """Return whether a file is an image, a table or an archive by its name."""
    packed = path.lower().endswith(PACKED_ENDS)
    return archives.is_image_name(Path(path)) or is_table_name(path) or packed


def _put(copy: Path, path: Path) -> None:
    """Put a file from the cache in a folder: in the cache, by a link; elsewhere, as a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_relative_to(cache_dir()):
        with suppress(OSError):
            os.link(copy, path)
            return
    shutil.copyfile(copy, path)
