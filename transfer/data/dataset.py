"""A Dataset: indexed images with their splits, digests, groups and leaks."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from transfer.data.groups import number_groups
from transfer.errors import DataError, call
from transfer.images.folder import SPLITS, ImageFolder
from transfer.images.labels import read_labels
from transfer.images.levels import Span
from transfer.system.csv import SPLIT_HEADER, only_once, read_table, write_csv
from transfer.system.files import damaged, inside
from transfer.system.names import split_names
from transfer.system.text import cut


@dataclass(frozen=True)
class Dataset:
    """Images with their splits, digests, groups and leaks.

    Attributes:
        images: The images, each with its split.
        sha256: Path to hex digest of the file.
        groups: Path to key of the group (near duplicates, the same patient); groups are never
            divided between splits or folds.
        leaks: Path of a val or test image to that of an image of the same group in an earlier
            split, where folders or a split file gave the splits.
        deep: Path to the values of each image of more than 8 bits; empty for a resumed run, whose
            settings hold what follows from them.
        unusual: Paths of the images of more than 8 bits, or of other colours than sRGB; None
            where that is not known, as for a resumed run.
    """

    images: ImageFolder
    sha256: Mapping[str, str]
    groups: Mapping[str, str]
    leaks: Mapping[str, str]
    deep: Mapping[str, Span] = field(default_factory=dict)
    unusual: frozenset[str] | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def paths(self) -> tuple[str, ...]:
        """One path per image, relative to the folder."""
        return self.images.paths

    @property
    def train(self) -> Dataset:
        """The training images."""
        return self.select("train")

    @property
    def val(self) -> Dataset:
        """The validation images."""
        return self.select("val")

    def select(self, split: str) -> Dataset:
        """Return the images of one split."""
        return replace(self, images=self.images.select(split))

    def keep(self, mask: Sequence[bool]) -> Dataset:
        """Return the images whose entry in `mask` (one bool per image) is true."""
        return replace(self, images=self.images.keep(mask))

    def train_and_val(self) -> Dataset:
        """Return the training images, followed by the validation images."""
        train, val = self.train.images, self.val.images
        images = replace(
            train,
            paths=train.paths + val.paths,
            labels=train.labels + val.labels,
            splits=train.splits + val.splits,
        )
        return replace(self, images=images)

    @property
    def spans(self) -> list[Span]:
        """The values of the images of more than 8 bits."""
        return [self.deep[path] for path in self.paths if path in self.deep]

    def class_counts(self, split: str) -> list[int]:
        """Return the number of images of each class in a split."""
        return self.images.select(split).class_counts()

    def group_numbers(self) -> np.ndarray:
        """Return the number of each image's group, int64 (n,)."""
        return number_groups(self.groups, self.images.paths)

    def write(self, path: Path) -> None:
        """Write split.csv: path, label (its name), split, sha256, leak, group."""
        images, names = self.images, self.images.label_names
        rows = zip(images.paths, images.labels, images.splits, strict=True)
        write_csv(
            path,
            SPLIT_HEADER,
            (
                [
                    name,
                    names[label],
                    split,
                    self.sha256[name],
                    self.leaks.get(name, ""),
                    self.groups[name],
                ]
                for name, label, split in rows
            ),
        )

    @classmethod
    def listed(cls, folder: Path, classes: Sequence[str], *, multi_label: bool = False) -> Dataset:
        """Read what the split.csv of a folder lists, wherever the images are now; see `read`."""
        return cls.read(folder, "/", classes, follow_links=True, multi_label=multi_label)

    @classmethod
    def read(
        cls,
        run: Path,
        root: str | os.PathLike[str],
        classes: Sequence[str],
        *,
        follow_links: bool = False,
        multi_label: bool = False,
    ) -> Dataset:
        """Read the images of a run from its split.csv.

        Args:
            run: The run directory.
            root: Folder that the paths are relative to.
            classes: Class names in the order of the model's outputs.
            follow_links: Accept symbolic links that lead out of the folder.
            multi_label: Whether an image may be of several classes.

        Raises:
            RunError: The file is missing or damaged, lists no image, names other classes, or a
                path leads out of the folder.
            DataError: A link leads out of the folder.
        """
        file = run / "split.csv"

        known = set(classes)

        def parse(row: dict[str, str]) -> dict[str, str]:
            for name in split_names(row["label"]) if multi_label else [row["label"]]:
                if name not in known:
                    raise ValueError(f"{name!r} is no class of this run")
            if row["split"] not in (*SPLITS, ""):
                raise ValueError(f"{row['split']!r} is no split")
            inside(row["path"])
            return row

        try:
            rows = read_table(file, parse)
            only_once([row["path"] for row in rows])
            if not rows:
                raise ValueError("It lists no image")
        except (ValueError, OSError) as error:
            hint = f"Restore it, or train again with: {call('finetune', 'DATA')}"
            raise damaged(file, error, hint) from error
        labels, sets = read_labels([row["label"] for row in rows], classes, multi_label)
        images = ImageFolder(
            Path(root).absolute(),
            tuple(classes),
            tuple(row["path"] for row in rows),
            labels,
            tuple(row["split"] for row in rows),
            label_sets=sets,
        )
        if not follow_links:
            refuse_links_out(images)
        return cls(
            images,
            {row["path"]: row.get("sha256", "") for row in rows},
            # Older files have no groups: each image is its own.
            {row["path"]: row.get("group") or row["path"] for row in rows},
            {row["path"]: row["leak"] for row in rows if row.get("leak")},
        )


def refuse_links_out(images: ImageFolder) -> None:
    """Raise DataError where a symbolic link on the way to an image leads out of the folder."""
    real = functools.cache(os.path.realpath)
    root = real(images.root)
    for path in images.paths:
        folder, name = os.path.split(images.root / path)
        file = os.path.join(real(folder), name)  # noqa: PTH118 - a hundred thousand times
        target = os.path.realpath(file) if os.path.islink(file) else file  # noqa: PTH114
        if not target.startswith(root.rstrip("/") + "/"):
            raise DataError(
                f"The path {cut(path)!r} leads out of {str(images.root)!r} by a link, to"
                f" {cut(target)!r}. Copy the images there."
            )
