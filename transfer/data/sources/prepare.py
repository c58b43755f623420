"""From a data source to a plain image folder.

A source is a folder, an archive, the address of one, a table, a data set of TensorFlow Datasets or
Keras, or a sample. `resolve` prepares it into the cache, once; `write_to` into a folder of the
user's. Sources are never changed.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from transfer.data.sources.kinds import Options, find
from transfer.data.sources.staging import PREFIX, new_folder
from transfer.errors import DataError, TransferError, option
from transfer.images.folder import ImageFolder
from transfer.system.cachedir import cache_dir
from transfer.system.files import write_json
from transfer.system.progress import say, track, warn

VERSION = 2  # raise it when the same source gives another folder
_ABOUT = ".source.json"


def resolve(data: str | os.PathLike[str], *, follow_links: bool = False) -> tuple[Path, str]:
    """Return the image folder that `data` means, and a short name for run directories.

    Anything but a folder is prepared into the cache on first use, and identified there by its
    content.

    Args:
        data: A folder; an archive or its address, with ``#sha256=`` and its digest; a CSV or TSV
            table; ``tfds:NAME[:config]`` or the folder of a TFDS builder; ``keras:mnist`` and the
            like; ``sample:digits`` or ``sample:shapes``.
        follow_links: Take images from outside a table's folder.

    Raises:
        UsageError: There is no source of that name.
        DataError: The source cannot be used.
        TransferError: It cannot be downloaded, or the cache cannot be written.
    """
    source = find(data, Options(follow_links=follow_links))
    if source.folder is not None:
        return source.folder, source.name
    text = json.dumps({"version": VERSION, **source.about}, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    stem = re.sub(r"[^\w.-]+", "-", source.name).strip("-.")[:60] or "data"
    path = prepared_dir() / f"{stem}-{digest[:16]}"
    if path.is_dir():
        say(f"{source.text} is already prepared in {path}")
        return path, source.name
    say(f"Preparing {source.text} in {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(path) as temporary:
            source.fill(temporary)
            size = sum(file.stat().st_size for file in temporary.rglob("*") if file.is_file())
            write_json(temporary / _ABOUT, {"source": source.text, "size": size, **source.about})
    except OSError as error:
        if not path.is_dir():  # else another process was faster, and its copy is as good
            hint = " Set the variable TRANSFER_CACHE_DIR to another folder."
            raise _not_written(path, error, hint) from error
    return path, source.name


def write_to(data: str | os.PathLike[str], dest: Path, options: Options) -> ImageFolder:
    """Write the images of a source to a folder of their own, completely or not at all.

    Args:
        data: See `resolve`.
        dest: New or empty.
        options: What the source may need.

    Returns:
        The index of the new folder.

    Raises:
        UsageError: There is no source of that name.
        DataError: The source cannot be used, or `dest` is not empty or lies within it.
        TransferError: It cannot be downloaded, or `dest` cannot be written.
    """
    dest = _checked_dest(dest)
    source = find(data, options)
    if source.folder is not None and dest.is_relative_to(source.folder.resolve()):
        raise DataError(f"{str(dest)!r} lies within {source.text!r}. Choose a folder outside it.")
    try:
        with new_folder(dest) as temporary:
            if source.folder is None:
                source.fill(temporary)
            else:
                _copy(source.folder, temporary, options.follow_links)
            try:
                index = ImageFolder.index(temporary, allow_empty=True)
            except DataError as error:
                raise DataError(str(error).replace(str(temporary), source.text)) from error
    except OSError as error:
        raise _not_written(dest, error) from error
    return dataclasses.replace(index, root=dest)


def prepared_dir() -> Path:
    """Return the folder of prepared sources, which need not exist."""
    return cache_dir() / "prepared"


def prepared() -> list[tuple[Path, Mapping[str, Any]]]:
    """Return the prepared folders, each with its source and size."""
    found = []
    for path in sorted(prepared_dir().glob(f"[!.]*/{_ABOUT}")):
        with suppress(OSError, ValueError):  # removed or damaged by hand
            found.append((path.parent, json.loads(path.read_text("utf-8"))))
    return found


def _copy(root: Path, target: Path, follow_links: bool) -> None:
    """Copy the images of a folder, without what links lead to."""
    index = ImageFolder.index(root, allow_empty=True, follow_links=follow_links)
    real = os.path.realpath(index.root)
    links = 0
    for path in track(index.paths, "Copying images", len(index)):
        linked = os.path.realpath(index.file(path)) != f"{real.rstrip('/')}/{path}"
        if linked and not follow_links:
            links += 1
            continue
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(index.file(path), target / path)
    if links:
        follow = option("follow_links", True)
        warn(f"Left out {links} link(s). Copy what they lead to with {follow}.")


def _checked_dest(dest: Path) -> Path:
    dest = dest.expanduser().resolve()
    if dest.is_dir():
        if any(dest.iterdir()):
            raise DataError(f"{str(dest)!r} is not empty. Choose another folder.")
        if dest == Path.cwd():
            raise DataError("Expected a folder below this one, such as ./data. Received: this one.")
    elif dest.exists():
        raise DataError(f"{str(dest)!r} is a file. Choose a new folder.")
    return dest


def _not_written(path: Path, error: OSError, hint: str = "") -> TransferError:
    name = str(error.filename)
    gone = error.errno in (errno.ENOENT, errno.EACCES, errno.EPERM)
    if (
        gone
        and error.filename is not None
        and PREFIX not in name
        and not name.startswith(str(path))
    ):
        return DataError(f"Cannot read {name!r}: {error.strerror}.")
    return TransferError(f"Cannot write {str(path)!r}: {error.strerror or error}.{hint}")
