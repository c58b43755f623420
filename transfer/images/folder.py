"""ImageFolder: an indexed folder of images, one sub-folder per class."""

from __future__ import annotations

import dataclasses
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer.errors import DataError, option
from transfer.images.formats import READ
from transfer.images.scan import NOT_IMAGE, NOT_UTF8, Scanner
from transfer.system.progress import say, warn

SPLITS = ("train", "val", "test")
SPLIT_NAMES = {"train": "train", "val": "val", "validation": "val", "valid": "val", "test": "test"}
_LAYOUT = "Expected one folder per class, like DATA/cats/1.jpg and DATA/dogs/2.jpg."


@dataclass(frozen=True)
class ImageFolder:
    """Images of a folder with their classes and splits.

    Attributes:
        root: Absolute path of the folder.
        classes: Class names, sorted by code point; the order of the model's outputs.
        paths: One path per image, relative to `root`, with forward slashes, sorted.
        labels: One index into `classes` per image.
        splits: ``"train"``, ``"val"``, ``"test"`` or ``""`` (not yet decided) per image.
        skipped: Reason to number of files that were left out.
    """

    root: Path
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: tuple[int, ...]
    splits: tuple[str, ...]
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def index(
        cls,
        path: str | os.PathLike[str],
        *,
        allow_empty: bool = False,
        allow_single: bool = False,
        follow_links: bool = False,
        classes: Sequence[str] | None = None,
    ) -> ImageFolder:
        """Index a folder that holds class folders, or train/, val/ and test/ of class folders.

        Images in folders inside a class folder belong to that class. No image is opened.

        Args:
            path: The folder.
            allow_empty: Accept class folders without images, and classes that only some of
                the split folders have.
            allow_single: Accept a single class, which cannot be trained on.
            follow_links: Follow symbolic links that lead out of the folder.
            classes: Classes of a model in their order; folders are mapped to them by name.
                None takes the classes from the folders.

        Returns:
            The index. Files that are not images, or of an unsupported kind, are counted in
            `skipped` and reported.

        Raises:
            DataError: The folder is missing, has no or one class, an empty class, split folders
                that disagree, or a link that leads out of it.
        """
        root = _existing_folder(path)
        scanner = Scanner(root, follow_links)
        tops = _split_folders(scanner) or {"": ""}
        folders = {top: scanner.subfolders(top) for top in tops}
        for top, names in folders.items():
            for name in names:
                scanner.enter(f"{top}/{name}".lstrip("/"))
        scanner.follow()
        loose = sum(scanner.loose_images(top) for top in {"", *tops})
        if loose:
            scanner.skipped["loose file at the top"] = loose
        given = classes is not None
        if classes is None:
            _check_classes(root, folders, loose, allow_empty, allow_single)
            classes = sorted({name for names in folders.values() for name in names})
            _warn_of_twins(classes)
        index = _assemble(root, tuple(classes), tops, scanner)
        _say_skipped(index.skipped)
        _check_images(index, folders, allow_empty or given)
        return index

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)

    def file(self, relative: str) -> Path:
        """Return the absolute path of an image given by its path in `paths`."""
        return self.root / relative

    def select(self, split: str) -> ImageFolder:
        """Return the images of one split (``"train"``, ``"val"``, ``"test"`` or ``""``)."""
        return self.keep([each == split for each in self.splits])

    def keep(self, mask: Sequence[bool]) -> ImageFolder:
        """Return the images whose entry in `mask` (one bool per image) is true."""
        return dataclasses.replace(
            self,
            paths=tuple(p for p, kept in zip(self.paths, mask, strict=True) if kept),
            labels=tuple(n for n, kept in zip(self.labels, mask, strict=True) if kept),
            splits=tuple(s for s, kept in zip(self.splits, mask, strict=True) if kept),
        )

    def with_splits(self, splits: Sequence[str]) -> ImageFolder:
        """Return the same images with other splits, one per image."""
        if len(splits) != len(self.paths):
            raise ValueError(f"Expected {len(self.paths)} splits. Received: {len(splits)}")
        return dataclasses.replace(self, splits=tuple(splits))

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of images per split and class; classes without images count 0."""
        pairs = Counter(zip(self.splits, self.labels, strict=True))
        present = [split for split in (*SPLITS, "") if split in set(self.splits)]
        return {
            split: {name: pairs[split, i] for i, name in enumerate(self.classes)}
            for split in present
        }


def _existing_folder(path: str | os.PathLike[str]) -> Path:
    root = Path(path).expanduser().absolute()
    if root.is_dir():
        return root
    found = "a file" if root.exists() else "no such file or folder"
    raise DataError(f"Expected a folder of images. Received: {os.fspath(path)!r} ({found}).")


def _split_folders(scanner: Scanner) -> dict[str, str] | None:
    """Return folder name -> split where the top holds train/, val/, test/ and not classes."""
    names = scanner.subfolders("")
    splits = {name: SPLIT_NAMES[name.lower()] for name in names if name.lower() in SPLIT_NAMES}
    found = list(splits.values())
    others = [name for name in names if name not in splits]
    # "train" alone next to other folders is a class: trains, cars, ships.
    if not splits or (others and not ("train" in found and len(found) > 1)):
        return None
    for split in found:
        if found.count(split) > 1:
            twins = ", ".join(f"{name}/" for name, each in splits.items() if each == split)
            raise DataError(
                f"{twins} in {str(scanner.root)!r} all mean the {split} split. Keep one of them."
            )
    if others:
        warn(
            f"Left out {', '.join(f'{name}/' for name in others)}: next to train/, only val/ and"
            " test/ are read."
        )
    return splits


def _check_classes(
    root: Path,
    folders: Mapping[str, Sequence[str]],
    loose: int,
    allow_empty: bool,
    allow_single: bool,
) -> None:
    everything = sorted({name for names in folders.values() for name in names})
    if not everything:
        found = f"{loose} loose image(s) and no folder" if loose else "no folder"
        raise DataError(f"{str(root)!r} holds no classes. {_LAYOUT} Received: {found}.")
    differences = [
        f"{top}/ lacks {', '.join(sorted(set(everything) - set(names)))}"
        for top, names in folders.items()
        if set(names) != set(everything)
    ]
    if differences and not allow_empty:
        raise DataError(
            f"The split folders of {str(root)!r} differ in their classes: {'; '.join(differences)}."
            " Give each the same class folders, or allow it with"
            f" {option('allow_empty', True)}."
        )
    if len(everything) == 1 and not allow_single:
        inner = root / next(iter(folders)) / everything[0]
        nested = any(item.is_dir() and not item.name.startswith(".") for item in inner.iterdir())
        hint = f" Did you mean {str(inner)!r}?" if nested else ""
        raise DataError(
            f"Need at least 2 classes. {_LAYOUT} Received: {everything[0]!r} alone"
            f" in {str(root)!r}.{hint}"
        )


def confusable(classes: Sequence[str]) -> list[list[str]]:
    """Return the groups of class names that differ only in case, spaces or Unicode form."""
    groups: dict[str, list[str]] = {}
    for name in classes:
        key = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()
        groups.setdefault(key, []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _warn_of_twins(classes: Sequence[str]) -> None:
    for names in confusable(classes):
        shown = ", ".join(ascii(name) for name in names)
        warn(f"The classes {shown} are easily confused. Merge the folders if they are one.")


def _assemble(
    root: Path, classes: tuple[str, ...], tops: Mapping[str, str], scanner: Scanner
) -> ImageFolder:
    labels = {name: label for label, name in enumerate(classes)}
    skipped = Counter(scanner.skipped)
    rows: list[tuple[str, int, str]] = []
    nested = 0
    for path in sorted(scanner.images):
        top, rest = path.split("/", 1) if "" not in tops else ("", path)
        name, _, inner = rest.partition("/")
        if name not in labels:
            skipped[f"class {name!r} unknown to the model"] += 1
            continue
        nested += "/" in inner
        rows.append((path, labels[name], tops[top]))
    if nested:
        say(f"{nested} image(s) lie in folders inside class folders; they belong to that class.")
    paths, numbers, splits = zip(*rows, strict=True) if rows else ((), (), ())
    return ImageFolder(root, classes, paths, numbers, splits, dict(sorted(skipped.items())))


def _say_skipped(skipped: Mapping[str, int]) -> None:
    for reason, count in skipped.items():
        if reason == NOT_IMAGE:
            say(f"Left out {count} file(s): {reason}.")
        elif reason != NOT_UTF8:  # the scanner has warned of these, by name
            hint = f" (usable: {READ})" if reason.startswith("unsupported") else ""
            warn(f"Left out {count} file(s): {reason}{hint}.")


def _check_images(
    index: ImageFolder, folders: Mapping[str, Sequence[str]], allow_empty: bool
) -> None:
    if not index.paths:
        reasons = ", ".join(f"{count} {reason}" for reason, count in index.skipped.items())
        raise DataError(
            f"No usable image ({READ}) in {str(index.root)!r}."
            f" {_LAYOUT} Received: {reasons or 'empty folders'}."
        )
    if allow_empty:
        return
    full = {tuple(path.split("/")[:2]) for path in index.paths}
    full |= {parts[:1] for parts in full}
    for top, names in folders.items():
        for name in names:
            if ((top, name) if top else (name,)) not in full:
                raise DataError(
                    f"The class folder {str(index.root / top / name)!r} holds no image"
                    f" ({READ}). Add some, remove the folder, or allow it with"
                    f" {option('allow_empty', True)}."
                )
