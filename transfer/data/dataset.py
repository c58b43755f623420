"""A Dataset: indexed images with their splits, digests, groups and leaks."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from transfer.data.groups import number_groups
from transfer.errors import RunError
from transfer.images.folder import ImageFolder
from transfer.images.levels import Span
from transfer.system.csv import SPLIT_HEADER, read_csv, write_csv


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
    """

    images: ImageFolder
    sha256: Mapping[str, str]
    groups: Mapping[str, str]
    leaks: Mapping[str, str]
    deep: Mapping[str, Span] = field(default_factory=dict)

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
        labels = self.images.select(split).labels
        return list(np.bincount(labels, minlength=len(self.images.classes)).tolist())

    def group_numbers(self) -> np.ndarray:
        """Return the number of each image's group, int64 (n,)."""
        return number_groups(self.groups, self.images.paths)

    def write(self, path: Path) -> None:
        """Write split.csv: path, label (the class name), split, sha256, leak, group."""
        images = self.images
        rows = zip(images.paths, images.labels, images.splits, strict=True)
        write_csv(
            path,
            SPLIT_HEADER,
            (
                [
                    name,
                    images.classes[label],
                    split,
                    self.sha256[name],
                    self.leaks.get(name, ""),
                    self.groups[name],
                ]
                for name, label, split in rows
            ),
        )

    @classmethod
    def read(cls, run: Path, root: str | os.PathLike[str], classes: Sequence[str]) -> Dataset:
        """Read the images of a run from its split.csv.

        Args:
            run: The run directory.
            root: Folder that the paths are relative to.
            classes: Class names in the order of the model's outputs.

        Raises:
            RunError: The file is missing or damaged, names other classes, or a path leads out of
                the folder.
        """
        path = run / "split.csv"
        index = {name: label for label, name in enumerate(classes)}
        try:
            rows = read_csv(path)
            images = ImageFolder(
                Path(root).absolute(),
                tuple(classes),
                tuple(_inside(row["path"]) for row in rows),
                tuple(index[row["label"]] for row in rows),
                tuple(row["split"] for row in rows),
            )
        except (KeyError, ValueError, OSError, csv.Error) as error:
            raise RunError(
                f"{str(path)!r} cannot be read as a split of these classes: {error!r}"
            ) from error
        return cls(
            images,
            {row["path"]: row.get("sha256", "") for row in rows},
            # Older files have no groups: each image is its own.
            {row["path"]: row.get("group") or row["path"] for row in rows},
            {row["path"]: row["leak"] for row in rows if row.get("leak")},
        )


def _inside(path: str) -> str:
    """Return a path of split.csv. Raises ValueError where it leads out of the image folder."""
    if Path(path).is_absolute() or ".." in path.replace("\\", "/").split("/"):
        raise ValueError(f"the path {path!r} leads out of the image folder")
    return path
