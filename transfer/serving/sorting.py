"""Copies of photos in folders by what a model says of them."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from transfer.errors import UsageError, option
from transfer.serving.predictor import Prediction
from transfer.system.digests import sha256_of
from transfer.system.names import nfc
from transfer.system.progress import warn

BY = ("label", "mistake")
REFUSED, UNREADABLE, NONE = "_refused", "_unreadable", "_none"
_UNSAFE = re.compile('[\x00-\x1f\x7f-\x9f/\\\\:*?"<>|\u2028-\u202e\u2066-\u2069\ud800-\udfff]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows
_LONGEST = 100  # bytes of a name: two of them make a folder of mistakes
_LONGEST_FILE = 255  # bytes of the name of a copy


class Sorter:
    """Copies photos into folders below one; no file there is changed, and none is moved.

    Photos that the run refuses go to ``_refused``, those that cannot be read to ``_unreadable``,
    and, where an image may be of several classes, those of none to ``_none``. Where another photo
    has the name already, the copy's name gets a part of its SHA-256. A photo that is there already
    is not copied again, so that an interrupted call can be repeated.

    Attributes:
        copied: Folder to number of photos in it, those of earlier calls included.
        right: Number of photos whose class is predicted, by ``mistake``.
        unknown: Number of photos whose class is not known, by ``mistake``.

    Args:
        target: The folder; made where it is missing.
        classes: Class names of the run.
        by: ``label`` for a folder for each class, ``mistake`` for one for each pair of classes that
            are confused: the true class of a photo is the folder that it lies in.
        folders: Name of a folder to class, where these differ.

    Raises:
        UsageError: `target` is a file.
    """

    def __init__(
        self,
        target: Path,
        classes: Sequence[str],
        by: str = "label",
        folders: Mapping[str, str] | None = None,
    ) -> None:
        if target.exists() and not target.is_dir():
            raise UsageError(f"Expected a folder as {option('copy_to', target)}. It is a file.")
        self.copied: Counter[str] = Counter()
        self.right = self.unknown = 0
        self._target, self._by = target, by
        self._names = safe_names(classes)
        self._classes = {nfc(name): name for name in classes}
        self._classes |= {
            nfc(folder): name for folder, name in (folders or {}).items() if name in self._names
        }

    def refuse_among(self, sources: Iterable[Any]) -> None:
        """Raise UsageError where copies would land among the photos that are read."""
        names = set(self._names.values())
        if self._by == "mistake":
            names = {f"{one} as {two}" for one in names for two in names}
        folders = {each.casefold() for each in (*names, REFUSED, UNREADABLE, NONE)}
        refuse_inside(self._target, sources, folders)

    def through(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Yield predictions, after the photo of each has been copied."""
        for each in predictions:
            for folder in self._folders(each):
                self._copy(Path(each.path), folder)
            yield each

    def take_unreadable(self, path: str) -> None:
        """Copy a file that cannot be read as an image, if it can be read at all."""
        try:
            if Path(path).is_file():
                self._copy(Path(path), UNREADABLE)
        except OSError as error:
            warn(f"Not copied: {path!r}: {error.strerror}")

    def told(self) -> str:
        """Return the folders with their numbers of photos in words."""
        shown = [f"{folder} {number:,}" for folder, number in sorted(self.copied.items())]
        more = f" and {len(shown) - 20} more folders" if len(shown) > 20 else ""
        parts = [", ".join(shown[:20]) + more if shown else "No photo copied"]
        if self._by == "mistake":
            parts.append(f"{self.right:,} predicted rightly")
        if self.unknown:
            parts.append(f"{self.unknown:,} in no folder that is named as a class")
        return "; ".join(parts)

    def _folders(self, prediction: Prediction) -> list[str]:
        if prediction.refused:
            return [REFUSED]
        if self._by == "label":
            return [self._names[label] for label in prediction.labels] or [NONE]
        true = self._true_class(Path(prediction.path))
        if true is None:
            self.unknown += 1
        elif true == prediction.label:
            self.right += 1
        else:
            return [f"{self._names[true]} as {self._names[prediction.label]}"]
        return []

    def _true_class(self, path: Path) -> str | None:
        """Return the class that the nearest folder of a photo is named as; None for none."""
        found = (self._classes.get(nfc(each.name)) for each in path.absolute().parents)
        return next((name for name in found if name is not None), None)

    def _copy(self, source: Path, folder: str) -> None:
        place = self._target / folder
        place.mkdir(parents=True, exist_ok=True)
        self.copied[folder] += 1
        name = source.name
        if not _is_free(place / name):
            if _same(source, place / name):
                return
            name = _with_digest(source)
            if not _is_free(place / name):  # by an earlier call
                return
        temporary = place / f".tmp{uuid4().hex[:12]}"
        try:
            shutil.copy2(source, temporary)
            _publish(temporary, place / name)
        finally:
            temporary.unlink(missing_ok=True)


def _same(source: Path, there: Path) -> bool:
    """Return whether two files hold the same; a link that leads nowhere holds nothing."""
    return there.is_file() and filecmp.cmp(source, there, shallow=False)


def _with_digest(source: Path) -> str:
    """Return the name of a file with a part of its SHA-256, at most 255 bytes."""
    end = f"-{sha256_of(source)[:12]}{source.suffix}"
    stem = os.fsencode(source.stem)[: _LONGEST_FILE - len(os.fsencode(end))]
    return f"{stem.decode('utf-8', 'ignore')}{end}"


def _is_free(path: Path) -> bool:
    return not os.path.lexists(path)


def _publish(temporary: Path, path: Path) -> None:
    """Give a file its name; what has the name already stays."""
    with suppress(FileExistsError):
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if _is_free(path):
                temporary.rename(path)


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """Return a folder name for each name: safe on every system, and no two alike."""
    taken = {REFUSED, UNREADABLE, NONE}
    found = {}
    for name in names:
        safe = number = _safe(name)
        count = 1
        while number.casefold() in taken:
            count += 1
            number = f"{safe}-{count}"
        taken.add(number.casefold())
        found[name] = number
    return found


def _safe(name: str) -> str:
    safe = _UNSAFE.sub("_", unicodedata.normalize("NFC", name))
    safe = safe.encode("utf-8")[:_LONGEST].decode("utf-8", "ignore").strip().rstrip(". ")
    if not safe or safe.startswith((".", "-", "~")) or _DEVICE.fullmatch(safe):
        return f"_{safe}"
    return safe


def refuse_inside(target: Path, sources: Iterable[Any], folders: Container[str] = ()) -> None:
    """Raise UsageError where copies would land among the photos that are read.

    Args:
        target: The folder that receives the folders.
        sources: Photos, or folders of them.
        folders: The names of those, case-folded: a photo that lies in one of them is sorted again.
    """
    there = target.expanduser().resolve()
    for source in sources:
        folder = Path(source).resolve()
        inside = folder.is_dir() and (there == folder or folder in there.parents)
        if there in folder.parents:
            inside = folder.relative_to(there).parts[0].casefold() in folders
        if inside:
            raise UsageError(
                f"Expected {option('copy_to', target)} outside of {str(source)!r}: the copies would"
                " be among the photos that are read. Choose another folder."
            )
