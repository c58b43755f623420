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
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer.data.sources.actions import read_actions
from transfer.data.sources.freenames import FreeNames
from transfer.data.sources.kinds import Options, Source, find
from transfer.data.sources.pages import take_pages_apart
from transfer.data.sources.staging import PREFIX, new_folder
from transfer.errors import DataError, TransferError, UsageError, option
from transfer.images.folder import ImageFolder
from transfer.images.listed import index_listed
from transfer.recipe.reading import MULTI_LABEL, Reading
from transfer.system.cachedir import cache_dir
from transfer.system.files import write_json
from transfer.system.progress import say, silenced, track, warn

VERSION = 5  # raise it when the same source gives another folder
_ABOUT = ".source.json"


@dataclass(frozen=True)
class Resolved:
    """The image folder that DATA means.

    Attributes:
        root: The folder.
        name: Short, for run directories.
        reading: How the folder is to be read.
        read_as: What it was made from; ``""`` where DATA is the folder.
        text: DATA as the user wrote it, for messages; ``""`` where it is the folder.
    """

    root: Path
    name: str
    reading: Reading
    read_as: str = ""
    text: str = ""

    def index(
        self, *, allow_single: bool = False, classes: Sequence[str] | None = None
    ) -> ImageFolder:
        """Return its index, see `ImageFolder.index`."""
        try:
            if self.reading.multi_label:
                return index_listed(self.root, self.reading, classes=classes, source=self.read_as)
            return ImageFolder.index(
                self.root,
                self.reading,
                allow_single=allow_single,
                classes=classes,
                source=self.read_as,
            )
        except DataError as error:
            if not self.text:
                raise
            raise DataError(str(error).replace(str(self.root), self.text)) from error


def resolve(data: str | os.PathLike[str], reading: Reading | None = None) -> Resolved:
    """Return the image folder that `data` means.

    Anything but a folder of class folders is prepared into the cache on first use, and identified
    there by its content.

    Args:
        data: See `transfer.prepare`.
        reading: How a folder or table is to be read; None for all defaults.

    Raises:
        UsageError: There is no source of that name.
        DataError: The source cannot be used.
        TransferError: It cannot be downloaded, or the cache cannot be written.
    """
    reading = reading or Reading()
    source = find(data, Options(reading=reading))
    if source.folder is not None:
        return Resolved(source.folder, source.name, reading)
    text = json.dumps({"version": VERSION, **source.about}, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    stem = re.sub(r"[^\w.-]+", "-", source.name).strip("-.")[:60] or "data"
    path = prepared_dir() / f"{stem}-{digest[:16]}"
    if path.is_dir():
        say(f"{source.text} is already prepared in {path}")
        return _resolved(path, source, reading)
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
    return _resolved(path, source, reading)


def _resolved(path: Path, source: Source, reading: Reading) -> Resolved:
    read = _reading_of(source, reading)
    return Resolved(path, source.name, read, source.read_as, source.text)


def _reading_of(source: Source, reading: Reading) -> Reading:
    """Return how a folder is to be read that was prepared from a source."""
    if source.layout == "auto":
        return dataclasses.replace(reading, follow_links=False)
    return Reading(
        task=reading.task,
        layout=source.layout,
        class_names=reading.class_names,
        negatives=reading.negatives,
        limit=reading.limit,
        allow_empty=reading.allow_empty,
    )


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
    if source.folder is None and options.fixes is not None:
        raise UsageError(
            f"Expected a folder with {option('fixes')}. Received: {source.text!r}. Prepare it, and"
            " then the folder that this makes."
        )
    if options.pages == "all" and options.reading.multi_label:
        task = option("task", MULTI_LABEL)
        raise UsageError(f"{option('pages', 'all')} has no meaning with {task}.")
    if source.folder is not None and dest.is_relative_to(source.folder.resolve()):
        raise DataError(f"{str(dest)!r} lies within {source.text!r}. Choose a folder outside it.")
    try:
        with new_folder(dest) as temporary:
            if source.folder is None:
                source.fill(temporary)
                read = _reading_of(source, options.reading)
            else:
                read = _copy(source.folder, temporary, options)
            if options.pages == "all":
                take_pages_apart(temporary)
            read = dataclasses.replace(read, allow_empty=True)
            try:
                with silenced() if source.folder else nullcontext():  # said of the original
                    listed = read.multi_label
                    index_of = index_listed if listed else ImageFolder.index
                    index = index_of(temporary, read, source=source.read_as)
            except DataError as error:
                raise DataError(str(error).replace(str(temporary), source.text)) from error
            if index.negatives is not None and index.negatives.root == temporary:
                _remove(index.negatives)
    except OSError as error:
        raise _not_written(dest, error) from error
    return dataclasses.replace(index, root=dest, negatives=None)


def _remove(images: ImageFolder) -> None:
    """Remove images, and the folders that are empty then."""
    for path in images.paths:
        file = images.file(path)
        file.unlink()
        for folder in file.relative_to(images.root).parents[:-1]:
            if not any((images.root / folder).iterdir()):
                (images.root / folder).rmdir()


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


def _copy(root: Path, target: Path, options: Options) -> Reading:
    """Copy the images of a folder to ``target/[split/]class/name``, without what links lead to.

    Returns how the copy is to be read.
    """
    reading = options.reading
    if reading.multi_label:
        index_listed(root, reading)  # which says that a table is needed
    index = ImageFolder.index(root, dataclasses.replace(reading, allow_empty=True))
    real = os.path.realpath(index.root)
    links = 0
    names = FreeNames()
    actions = {} if options.fixes is None else read_actions(options.fixes, index)
    if actions:
        removed = sum(not action for action in actions.values())
        say(f"Left out as removed: {removed:,}; moved to another class: {len(actions) - removed:,}")
    rows = zip(index.paths, index.labels, index.splits, strict=True)
    for path, label, split in track(rows, "Copying images", len(index)):
        linked = os.path.realpath(index.file(path)) != f"{real.rstrip('/')}/{path}"
        if linked and not reading.follow_links:
            links += 1
            continue
        name = actions.get(path, index.classes[label])
        if not name:
            continue
        within = target / split / name.replace("/", "-")
        file = within / _below_class(path, index.class_folders)
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(index.file(path), names.take(file))
    if links:
        follow = option("follow_links", True)
        warn(f"Left out {links} link(s). Copy what they lead to with {follow}.")
    return Reading(layout="splits" if set(index.splits) - {""} else "classes")


def _below_class(path: str, class_folders: Collection[str]) -> str:
    """Return the path of an image below its class folder, or its name."""
    above = path
    while above:
        above = above.rpartition("/")[0]
        if above and above in class_folders:
            return path[len(above) + 1 :]
    return path.replace("/", "-")


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
