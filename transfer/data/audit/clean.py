"""Checks every image once before training and reports all problems then."""

from __future__ import annotations

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from transfer.data.audit.duplicates import groups_of
from transfer.data.audit.ledger import open_ledger
from transfer.data.audit.look import Look, look_at
from transfer.errors import DataError, either, option
from transfer.images.folder import ImageFolder
from transfer.images.formats import FORMATS
from transfer.images.levels import Span
from transfer.system.progress import say, track, warn

TINY = 32
HUGE = 50_000_000
ELONGATED = 5
BLANK = 2.0
REMARKS = {
    "animated": "animated, first frame used",
    "pages": "several pages or pictures in one file, first one used",
    "depth": "more than 8 bits, scaled by their depth",
    "profile": "colours of a profile other than sRGB",
    "bad-profile": "unusable ICC profile, ignored",
    "hdr": "HDR (PQ or HLG)",
    "extension": "wrong extension, read by content",
    "exif": "rotated upright by EXIF orientation",
    "tiny": f"tiny (under {TINY} px)",
    "huge": f"huge (over {HUGE // 1_000_000} megapixels)",
    "elongated": f"one side more than {ELONGATED} times as long as the other",
    "blank": "blank or nearly so",
}
_SHOWN = 5


@dataclass(frozen=True)
class Audit:
    """The results of checking every file.

    Attributes:
        sha256: Path to hex digest of the file's bytes, for the usable images.
        bad: (path, reason) of the unusable ones.
        notes: Remark to number of images, for usable images with peculiarities.
        groups: Path to the key of its group of copies and near duplicates, for the usable
            images: the smallest digest of the group. An image like no other has its own digest.
        looks: Path to the result of its check, for the usable images.
    """

    sha256: Mapping[str, str]
    bad: tuple[tuple[str, str], ...]
    notes: Mapping[str, int]
    groups: Mapping[str, str] = field(default_factory=dict)
    looks: Mapping[str, Look] = field(default_factory=dict)

    @property
    def deep(self) -> dict[str, Span]:
        """Path to the values of each usable image of more than 8 bits."""
        return {path: look.span for path, look in self.looks.items() if look.span is not None}

    @property
    def unusual(self) -> frozenset[str]:
        """Paths of the usable images of more than 8 bits, or of other colours than sRGB."""
        headers = {path: look.header for path, look in self.looks.items() if look.header}
        return frozenset(path for path, header in headers.items() if header.is_unusual)


def audit(folder: ImageFolder, check: str = "quick") -> Audit:
    """Hash and decode every image of a folder, in threads, and find duplicates.

    Args:
        folder: The images.
        check: ``"quick"`` reuses the remembered results of unchanged files, and decodes JPEG
            files at a fraction of their size, which still reads every byte of them. ``"full"``
            reads all files again and decodes them at full resolution.

    Returns:
        Digests, unusable files, remarks and groups. Bad files raise no error.
    """
    looks = _looks(folder, check == "full")
    bad = tuple((path, looks[path].reason) for path in folder.paths if looks[path].reason)
    good = {path: looks[path] for path in folder.paths if not looks[path].reason}
    notes = Counter(REMARKS[kind] for path, look in good.items() for kind in remarks(path, look))
    sha256 = {path: look.sha256 for path, look in good.items()}
    groups = groups_of(sha256, {path: look.fingerprint for path, look in good.items()})
    return Audit(sha256, bad, dict(sorted(notes.items())), groups, good)


def clean(
    folder: ImageFolder, on_bad: str = "skip", check: str = "quick"
) -> tuple[ImageFolder, Audit]:
    """Audit a folder and leave out what cannot be used.

    Args:
        folder: The images.
        on_bad: ``"skip"`` leaves bad files out with a warning; ``"fail"`` rejects them, and
            identical files in different classes too.
        check: See `audit`.

    Returns:
        The folder without the bad files, and the Audit.

    Raises:
        DataError: `on_bad` is ``"fail"`` and there is something bad, or a class has no usable
            image left in one of the splits.
    """
    result = audit(folder, check)
    for note, count in result.notes.items():
        say(f"{count} image(s): {note}.")
    for problem in filter(None, (_bad_files(result), _twins(folder, result.sha256))):
        if on_bad == "fail":
            strict = either(option("on_bad", "fail"), "--strict")
            raise DataError(f"{problem} Fix or remove them, or leave out {strict}.")
        warn(problem)
    _warn_of_near_twins(folder, result)
    good = folder.keep([path in result.sha256 for path in folder.paths])
    usable = good.counts()
    for split, sizes in folder.counts().items():
        for name, count in sizes.items():
            if count and not usable.get(split, {}).get(name):
                raise DataError(
                    f"Class {name!r} has no usable image left{f' in {split}' * bool(split)}: all"
                    f" {count} are bad. Replace them or remove the class folder."
                )
    return good, result


def remarks(path: str, look: Look) -> Iterator[str]:
    """Yield the keys of REMARKS that hold for a usable image."""
    header = look.header
    if header is None:
        return
    sides = sorted((header.width, header.height))
    if header.animated:
        yield "animated" if FORMATS[header.format].more == "frames" else "pages"
    if header.bits > 8:
        yield "depth"
    if header.profile:
        yield {"other": "profile", "hdr": "hdr"}.get(header.profile, "bad-profile")
    if PurePosixPath(path).suffix.lower() not in FORMATS[header.format].suffixes:
        yield "extension"
    if header.exif_orientation != 1:
        yield "exif"
    if sides[0] < TINY:
        yield "tiny"
    if sides[0] * sides[1] > HUGE:
        yield "huge"
    if sides[1] > ELONGATED * sides[0]:
        yield "elongated"
    if look.contrast < BLANK:
        yield "blank"


def members(
    folder: ImageFolder, keys: Mapping[str, str], values: Sequence[object]
) -> list[list[str]]:
    """Return the groups of paths with one key whose values differ, one path per value.

    Args:
        folder: The images.
        keys: Path to key of a group; paths without a key are left out.
        values: One per image, such as its label or its split.
    """
    groups: dict[str, dict[object, str]] = defaultdict(dict)
    for path, value in zip(folder.paths, values, strict=True):
        if path in keys:
            groups[keys[path]].setdefault(value, path)
    return [list(group.values()) for group in groups.values() if len(group) > 1]


def _looks(folder: ImageFolder, full: bool) -> dict[str, Look]:
    looks: dict[str, Look] = {}
    states: dict[str, os.stat_result] = {}
    with open_ledger() as ledger:
        for path in folder.paths:
            file = folder.file(path)
            try:
                states[path] = file.stat()
            except OSError as error:
                looks[path] = Look(_reason(file, error))
                continue
            if not stat.S_ISREG(states[path].st_mode):
                looks[path] = Look("is not a regular file.")
            elif not full and (known := ledger.recall(file, states[path])):
                looks[path] = known
        unknown = [path for path in folder.paths if path not in looks]
        results = _in_threads((folder.file(path), full) for path in unknown)
        for path, (look, lasting) in zip(
            unknown, track(results, "Checking images", len(unknown)), strict=True
        ):
            looks[path] = look
            if lasting:
                ledger.remember(folder.file(path), states[path], look)
    return looks


def _in_threads(tasks: Iterable[tuple[Path, bool]]) -> Iterator[tuple[Look, bool]]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(_examine, tasks)


def _examine(task: tuple[Path, bool]) -> tuple[Look, bool]:
    """Check a file; return the result, and whether it depends on the file's bytes alone."""
    try:
        return look_at(*task), True
    except OSError as error:
        return Look(_reason(task[0], error)), False


def _reason(file: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing (a broken link?)." if file.is_symlink() else "is missing."
    return f"cannot be read: {error.strerror}."


def _bad_files(result: Audit) -> str:
    return in_short("unusable image(s)", [f"{path!r} {reason}" for path, reason in result.bad])


def in_short(title: str, items: Sequence[str]) -> str:
    """Return a title with the number of items and the first of them; ``""`` without any."""
    if not items:
        return ""
    shown = "; ".join(item.rstrip(".") for item in items[:_SHOWN])
    more = len(items) - _SHOWN
    return f"{len(items)} {title}: {shown}{f'; and {more} more' * (more > 0)}."


def _twins(folder: ImageFolder, sha256: Mapping[str, str]) -> str:
    groups = members(folder, sha256, folder.labels)
    if not groups:
        return ""
    where = _where(folder)
    return f"{len(groups)} image(s) are {where} as identical files: {_listed(groups)}."


def _where(folder: ImageFolder) -> str:
    return "in different classes" if folder.label_sets is None else "listed with different labels"


def _warn_of_near_twins(folder: ImageFolder, result: Audit) -> None:
    exact = {frozenset(group) for group in members(folder, result.sha256, folder.labels)}
    classes = [
        group
        for group in members(folder, result.groups, folder.labels)
        if frozenset(group) not in exact
    ]
    if classes:
        warn(
            f"{len(classes)} image(s) are {_where(folder)} as near duplicates:"
            f" {_listed(classes)}. Which class is right?"
        )


def _listed(groups: Sequence[Sequence[str]]) -> str:
    more = f" and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else ""
    return ", ".join(" = ".join(map(repr, group)) for group in groups[:_SHOWN]) + more
