"""Describes what lies in a folder: its levels, names, tables and counts. No file is opened."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from transfer.errors import DataError
from transfer.images.layout.copies import COPY, find_copies
from transfer.images.layout.filenames import masks_among
from transfer.images.layout.tree import Folder, tree_of
from transfer.images.scan import NOT_IMAGE, Scanner

MASK = "mask or thumbnail of another image"
THUMBNAIL = "thumbnail of another program"
ASIDE = "in a folder that is named like one of masks or thumbnails"
_OF_PROGRAMS = {"@eadir", "#recycle", "_thumbs", "_thumbnails", "__macosx", "lost+found"}
_OF_PROGRAMS |= {"$recycle.bin", "system volume information"}
_THUMBNAILS = {"thumbnails", "thumbs"}
_PHOTOS = {"images", "image", "imgs", "img", "photos", "jpegimages", "jpg", "pictures", "rgb"}
_PHOTOS |= {"leftimg8bit"}
_MASKS = {"masks", "mask", "annotations", "annotation", "trimaps", "segmentations", "segmentation"}
_MASKS |= {"segmentationclass", "segmentationobject", "labels", "groundtruth", "ground_truth", "gt"}
_MASKS |= {"lung masks", "segmentation_masks", "bboxes", "heatmaps", "overlays", "superpixels"}
_MASKS |= {"gtfine", "gtcoarse"}
# Files that may say what the classes are, by the end of their names.
TABLE_ENDS = (
    *(".csv", ".tsv", ".jsonl", ".json", ".xlsx", ".parquet", ".txt"),
    *(".lst", ".list", ".xml", ".manifest", ".labels"),
)
PACKED_ENDS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_PROSE = ("readme", "license", "licence", "notes", "about", "citation", "changelog", "requirements")
_GUESSES = re.compile(r"(?:sample|example)?[ _-]*submission|submission[ _-]*format")  # of a contest


@dataclass(frozen=True)
class Survey:
    """What lies in a folder.

    Attributes:
        root: Its absolute path.
        top: The folder as a tree.
        left_out: Path and reason of the files that are no photos of their own.
        skipped: Reason to number of files left out; those whose names are not UTF-8 too.
        tables: Paths of the files that may say what the classes are.
        packed: Paths of archives and shards.
        others: Paths of all files that are no images.
        copies: Folders that are second copies of others, and are left out.
        documents: Folders that hold files, and no image among them.
        tell: Reports the runs and the names that are not UTF-8, which were left out.
    """

    root: Path
    top: Folder
    left_out: tuple[tuple[str, str], ...]
    skipped: Mapping[str, int]
    tables: tuple[str, ...]
    packed: tuple[str, ...]
    others: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    tell: Callable[[], None] = lambda: None

    @cached_property
    def by_name(self) -> Mapping[str, list[str]]:
        """Paths of the images by name, with extension and without, in lower case."""
        found: dict[str, list[str]] = defaultdict(list)
        for path in self.top.below():
            name = PurePosixPath(path.lower())
            for each in {name.name, name.stem}:
                found[each].append(path)
        return dict(found)

    def holds_images(self, folder: Path) -> bool:
        """Return whether a folder in it, given by its absolute path, holds images."""
        at: Folder | None = self.top
        for name in folder.relative_to(self.root).parts:
            at = None if at is None else at.folders.get(name)
        return at is not None and at.total > 0


def describe(
    path: str | os.PathLike[str],
    follow_links: bool = False,
    *,
    lenient: bool = False,
    masks_aside: bool = True,
) -> Survey:
    """Walk a folder once and return what lies in it.

    Args:
        path: The folder.
        follow_links: Follow links that lead out of it.
        lenient: Pass over folders that cannot be listed, and links that are not followed.
        masks_aside: Whether a folder is set aside for a name such as ``masks`` or ``thumbnails``,
            which may as well be the name of a class.

    Raises:
        DataError: There is no such folder; or, unless `lenient`, one cannot be listed or a link
            leads out of it.
    """
    root = Path(path).expanduser().absolute()
    if not root.is_dir():
        found = "a file" if root.exists() else "no such file or folder"
        raise DataError(f"Expected a folder of images. Received: {os.fspath(path)!r} ({found}).")
    scanner = Scanner(root, follow_links, lenient)
    scanner.enter_all()
    aside = _aside(scanner, masks_aside)
    documents = _of_documents(scanner)
    images = _photos(scanner, aside)
    top = tree_of(_without(scanner.folders, aside | documents), images)
    copies = sorted(find_copies(root, top))
    if copies:
        top = _without_copies(scanner, top, copies, images)
    others = sorted(path for path, reason in scanner.left_out if reason == NOT_IMAGE)
    return Survey(
        root,
        top,
        tuple(sorted(scanner.left_out)),
        dict(scanner.skipped),
        tuple(path for path in others if is_table_name(path)),
        tuple(path for path in others if path.lower().endswith(PACKED_ENDS)),
        tuple(others),
        tuple(copies),
        tuple(sorted(each for each in documents if _parent(each) not in documents)),
        scanner.tell,
    )


def _without_copies(
    scanner: Scanner, top: Folder, copies: Collection[str], images: Iterable[str]
) -> Folder:
    """Return the tree without some folders, whose images count as left out."""
    kept = []
    for path in images:
        if any(each in copies for each in _above(_parent(path))):
            scanner.leave_out(path, COPY)
        else:
            kept.append(path)
    return tree_of(_without(top.paths(), dict.fromkeys(copies, COPY)), kept)


def is_table_name(path: str) -> bool:
    """Return whether a file may be a table or list of images, by its name."""
    name = PurePosixPath(path).name.lower()
    plain = not name.startswith(_PROSE) and not _GUESSES.search(name)
    return plain and name.endswith(TABLE_ENDS)


def _photos(scanner: Scanner, aside: Mapping[str, str]) -> list[str]:
    """Return the images, sorted, without masks and thumbnails, which count as left out."""
    names: dict[str, list[str]] = defaultdict(list)
    for path in scanner.images:
        folder, _, name = path.rpartition("/")
        names[folder].append(name)
    photos = []
    for folder, found in names.items():
        reason = next((aside[each] for each in _above(folder) if each in aside), "")
        masks = set(found) if reason else masks_among(found)
        for name in found:
            path = f"{folder}/{name}" if folder else name
            if name in masks:
                scanner.leave_out(path, reason or MASK)
            else:
                photos.append(path)
    return sorted(photos)


def _aside(scanner: Scanner, masks_aside: bool) -> dict[str, str]:
    """Return the folders of masks and thumbnails, with the reason why they are left out.

    A folder holds masks by its name, that of a folder of photos beside it, and the names of its
    files, which are those of photos; otherwise it is a class like any other.
    """
    folders = list(filter(None, scanner.folders))
    photos = {_parent(path) for path in folders if _last(path) in _PHOTOS}
    found = {path: THUMBNAIL for path in folders if _last(path) in _OF_PROGRAMS}
    named = {path for path in folders if _last(path) in _THUMBNAILS}
    named |= {path for path in folders if _last(path) in _MASKS and _parent(path) in photos}
    if masks_aside and named:
        found |= dict.fromkeys(_of_other_images(scanner.images, named), ASIDE)
    return found


def _of_other_images(images: Iterable[str], named: Collection[str]) -> list[str]:
    """Return which folders hold images that are named like others beside the folder.

    Where two folders beside it share their names as well, as classes with numbered photos do, that
    says nothing.
    """
    own: dict[str, list[str]] = {path: [] for path in named}
    beside: dict[str, dict[str, set[str]]] = {_parent(path): defaultdict(set) for path in named}
    for image in images:
        stem = PurePosixPath(image).stem
        folder = _parent(image)
        within = [each for each in _above(folder) if each in own]
        for path in within:
            own[path].append(stem)
        for each in () if within else (*_above(folder), ""):
            if each in beside:
                beside[each][folder[len(each) :].strip("/").partition("/")[0]].add(stem)
    return [
        path
        for path, stems in own.items()
        if _are_alike(stems, set().union(*beside[_parent(path)].values()))
        and not _are_numbered(beside[_parent(path)])
    ]


def _are_alike(stems: Collection[str], others: Collection[str]) -> bool:
    """Return whether most names are among others, perhaps with an ending: 1_mask."""

    def found(stem: str) -> bool:
        parts = re.split(r"(?=[-_.])", stem)
        return any("".join(parts[: n + 1]) in others for n in range(len(parts)))

    return 2 * sum(map(found, stems)) >= len(stems)


def _are_numbered(beside: Mapping[str, Collection[str]]) -> bool:
    """Return whether two or more folders hold files of the same names."""
    first, *more = [stems for name, stems in beside.items() if name] or [()]
    return bool(more) and all(_are_alike(stems, first) for stems in more)


def _of_documents(scanner: Scanner) -> dict[str, str]:
    """Return the folders that hold no image, but text or other files: not empty classes."""
    other = {_parent(path) for path, why in scanner.left_out if why != NOT_IMAGE}
    other |= {_parent(path) for path in scanner.images}
    texts = {_parent(path) for path, why in scanner.left_out if why == NOT_IMAGE}
    holding = {each for folder in other for each in _above(folder)}
    return {each: NOT_IMAGE for folder in texts for each in _above(folder) if each not in holding}


def _without(folders: Iterable[str], dropped: Mapping[str, str]) -> list[str]:
    return [path for path in folders if not any(each in dropped for each in _above(path))]


def _above(folder: str) -> Iterator[str]:
    """Yield a folder and those that it lies in, without the root."""
    while folder:
        yield folder
        folder = _parent(folder)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _last(path: str) -> str:
    return path.rpartition("/")[2].lower()


def named(survey: Survey, most: int = 4) -> str:
    """Return the names of the tables and archives in a folder, for a message; ``""`` for none."""
    found = [*survey.tables, *survey.packed]
    if not found:
        return ""
    kinds = Counter(PurePosixPath(path).suffix.lower() for path in found)
    if len(found) > most:
        shown = f"{found[0]!r} and {len(found) - 1} more ({', '.join(sorted(kinds))})"
    else:
        shown = ", ".join(map(repr, found))
    return f"It holds {shown}: if that says what the classes are, give the file as DATA."
