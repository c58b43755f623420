"""Reads every image once before training, so that all that is wrong with them is said then."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL.JpegImagePlugin import JpegImageFile

from transfer.errors import DataError
from transfer.images.files import Header, header_of, open_image
from transfer.images.folder import ImageFolder
from transfer.progress import say, track, warn

TINY = 32
_SHOWN = 5
_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "PNG": {".png"},
    "GIF": {".gif"},
    "BMP": {".bmp"},
    "WEBP": {".webp"},
}


@dataclass(frozen=True)
class Audit:
    """What a look at every file found.

    Attributes:
        sha256: Path to hex digest of the file's bytes, for the usable images.
        bad: (path, reason) of the others.
        notes: Remark to number of images, for what is usable and yet worth knowing.
    """

    sha256: Mapping[str, str]
    bad: tuple[tuple[str, str], ...]
    notes: Mapping[str, int]


def audit(folder: ImageFolder) -> Audit:
    """Hash and decode every image of a folder, in threads.

    JPEG files are decoded at an eighth of their size, which still reads every byte of them.

    Args:
        folder: The images.

    Returns:
        Digests, unusable files and remarks. Nothing is raised for a bad file.
    """
    sha256: dict[str, str] = {}
    bad: list[tuple[str, str]] = []
    notes: Counter[str] = Counter()
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = pool.map(_examine, map(folder.file, folder.paths))
        for path, result in track(
            zip(folder.paths, results, strict=True), "Checking images", len(folder)
        ):
            if isinstance(result, str):
                bad.append((path, result))
            else:
                sha256[path] = result[0]
                notes.update(result[1])
    return Audit(sha256, tuple(bad), dict(sorted(notes.items())))


def clean(folder: ImageFolder, on_bad: str = "skip") -> tuple[ImageFolder, Audit]:
    """Audit a folder and leave out what cannot be used.

    Args:
        folder: The images.
        on_bad: ``"skip"`` leaves bad files out with a warning; ``"fail"`` refuses them, and
            equal files in two classes too.

    Returns:
        The folder without the bad files, and the Audit.

    Raises:
        DataError: `on_bad` is ``"fail"`` and there is something bad, or a class has no usable
            image left in one of the splits.
    """
    result = audit(folder)
    for note, count in result.notes.items():
        say(f"{count} image(s): {note}.")
    for problem in filter(None, (_bad_files(result), _twins(folder, result.sha256))):
        if on_bad == "fail":
            raise DataError(f"{problem} Mend or remove them, or leave out --strict.")
        warn(problem)
    good = folder.keep([path in result.sha256 for path in folder.paths])
    for (split, label), count in sorted(_sizes(folder).items() - _sizes(good).items()):
        if _sizes(good)[split, label] == 0:
            raise DataError(
                f"Class {folder.classes[label]!r} has no usable image left"
                f"{f' in {split}' * bool(split)}: all {count} are bad. Replace them or remove the"
                " class folder."
            )
    return good, result


def _sizes(folder: ImageFolder) -> Counter[tuple[str, int]]:
    return Counter(zip(folder.splits, folder.labels, strict=True))


def _examine(file: Path) -> tuple[str, list[str]] | str:
    """Return (digest, remarks) of a usable image, or the reason why it is not."""
    try:
        data = file.read_bytes()
        with open_image(file, data) as image:
            if image.format == "PNG":
                image.verify()  # the checksums, which decoding does not look at
        with open_image(file, data) as image:
            header = header_of(image)
            if isinstance(image, JpegImageFile):
                image.draft(None, (1, 1))
            image.load()
    except FileNotFoundError:
        return "is missing (a link that leads nowhere?)." if file.is_symlink() else "is missing."
    except OSError as error:
        return f"cannot be read: {error.strerror}."
    except DataError as error:
        return str(error).removeprefix(f"{str(file)!r} ")
    return hashlib.sha256(data).hexdigest(), list(_notes(file, header))


def _notes(file: Path, header: Header) -> Iterable[str]:
    if header.animated:
        yield "animated, first frame used"
    if file.suffix.lower() not in _SUFFIXES[header.format]:
        yield "wrong extension, read by content"
    if header.exif_orientation != 1:
        yield "turned upright by EXIF"
    if min(header.width, header.height) < TINY:
        yield f"tiny (under {TINY} px)"


def _bad_files(result: Audit) -> str:
    if not result.bad:
        return ""
    shown = "; ".join(f"{path!r} {reason.rstrip('.')}" for path, reason in result.bad[:_SHOWN])
    more = len(result.bad) - _SHOWN
    return f"{len(result.bad)} unusable image(s): {shown}{f'; and {more} more' * (more > 0)}."


def _twins(folder: ImageFolder, sha256: Mapping[str, str]) -> str:
    groups: dict[str, dict[int, str]] = defaultdict(dict)
    for path, label in zip(folder.paths, folder.labels, strict=True):
        if path in sha256:
            groups[sha256[path]].setdefault(label, path)
    pairs = [" = ".join(map(repr, group.values())) for group in groups.values() if len(group) > 1]
    if not pairs:
        return ""
    more = f" and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    return (
        f"{len(pairs)} image(s) stand in two classes with the same bytes:"
        f" {', '.join(pairs[:_SHOWN])}{more}."
    )
