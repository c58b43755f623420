"""Images with what belongs to them, and split.csv, where each run keeps it."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from transfer.errors import RunError
from transfer.images.folder import ImageFolder
from transfer.system.files import read_csv, write_csv

SPLIT_FILE = "split.csv"
_COLUMNS = ("path", "label", "split", "sha256", "leak", "group")


@dataclass(frozen=True)
class Dataset:
    """Images of a folder with their digests, groups and leaks.

    Attributes:
        images: The images, each with its class and split.
        sha256: Path to hex digest of the file, for the images whose digest is known.
        groups: Path to the key of its group, for every image. No split or fold divides a group.
        leaks: Path to the path of an image of an earlier split that it resembles, for the images
            of val and test that have one.
    """

    images: ImageFolder
    sha256: Mapping[str, str]
    groups: Mapping[str, str]
    leaks: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the model's outputs."""
        return self.images.classes

    @property
    def paths(self) -> tuple[str, ...]:
        """One path per image, relative to the folder."""
        return self.images.paths

    @property
    def splits(self) -> tuple[str, ...]:
        """The split of each image."""
        return self.images.splits

    @property
    def labels(self) -> np.ndarray:
        """The class of each image: int64 array of shape (n,), indices into `classes`."""
        return np.array(self.images.labels, np.int64)

    @property
    def train(self) -> Dataset:
        """The training images."""
        return self.select("train")

    @property
    def val(self) -> Dataset:
        """The validation images."""
        return self.select("val")

    @property
    def test(self) -> Dataset:
        """The test images."""
        return self.select("test")

    def select(self, split: str) -> Dataset:
        """Return the images of one split: ``"train"``, ``"val"`` or ``"test"``."""
        return self.with_images(self.images.select(split))

    def keep(self, mask: Sequence[bool] | np.ndarray) -> Dataset:
        """Return the images whose entry in `mask` (one bool per image) is true."""
        return self.with_images(self.images.keep([bool(entry) for entry in mask]))

    def with_images(self, images: ImageFolder) -> Dataset:
        """Return a dataset of some of the images, or of the same ones with other splits.

        Args:
            images: Images that this dataset holds.
        """
        maps = (
            {path: known[path] for path in images.paths if path in known}
            for known in (self.sha256, self.groups, self.leaks)
        )
        return Dataset(images, *maps)

    def group_numbers(self, paths: Sequence[str] | None = None) -> np.ndarray:
        """Return the number of each image's group: int64 array of shape (n,).

        Args:
            paths: The images in question, in this order; all of them by default.
        """
        keys = [self.groups[path] for path in (self.paths if paths is None else paths)]
        return np.unique(keys, return_inverse=True)[1]

    def class_counts(self, split: str) -> list[int]:
        """Return the number of images of each class in a split, in the order of `classes`."""
        pairs = Counter(zip(self.images.splits, self.images.labels, strict=True))
        return [pairs[split, label] for label in range(len(self.classes))]

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write split.csv atomically, with the columns path,label,split,sha256,leak,group."""
        images = self.images
        rows = zip(images.paths, images.labels, images.splits, strict=True)
        write_csv(
            Path(path),
            _COLUMNS,
            (
                [
                    name,
                    images.classes[label],
                    split,
                    self.sha256.get(name, ""),
                    self.leaks.get(name, ""),
                    self.groups[name],
                ]
                for name, label, split in rows
            ),
        )

    @classmethod
    def read(
        cls,
        run: str | os.PathLike[str],
        root: str | os.PathLike[str],
        classes: Sequence[str],
    ) -> Dataset:
        """Read the dataset of a run from its split.csv.

        Older runs lack the columns sha256, leak or group: an image without a group is its own.

        Args:
            run: The directory of the run.
            root: The folder of images that the paths are relative to. It need not exist.
            classes: Class names in the order of the model's outputs.

        Raises:
            RunError: The file is missing or damaged, or names a class that is not in `classes`.
        """
        return cls.read_file(Path(run) / SPLIT_FILE, root, classes)

    @classmethod
    def read_file(
        cls,
        path: str | os.PathLike[str],
        root: str | os.PathLike[str],
        classes: Sequence[str],
    ) -> Dataset:
        """Read a split.csv of any place; see `read`."""
        file = Path(path)
        index = {name: label for label, name in enumerate(classes)}
        rows = read_run_rows(file)
        try:
            labels = tuple(index[row["label"]] for row in rows)
            splits = tuple(row["split"] for row in rows)
            paths = tuple(row["path"] for row in rows)
        except KeyError as error:
            raise _unreadable(file, error) from error
        sha256, leaks, groups = (
            {row["path"]: row[column] for row in rows if row.get(column)}
            for column in ("sha256", "leak", "group")
        )
        images = ImageFolder(Path(root).absolute(), tuple(classes), paths, labels, splits)
        alone = {path: sha256.get(path, path) for path in paths}
        return cls(images, sha256, alone | groups, leaks)


def read_run_rows(file: Path) -> list[dict[str, str]]:
    """Return the rows of a run's split.csv. Raises RunError where it cannot be read."""
    try:
        return read_csv(file)
    except (ValueError, OSError, csv.Error) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> RunError:
    return RunError(f"{str(file)!r} cannot be read as a split of these classes: {error!r}")
