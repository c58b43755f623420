"""ImageFolder: an indexed folder of images, one sub-folder per class."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.errors import DataError, option
from transfer.images.formats import READ
from transfer.images.labels import LabelSets, label_names, target_table
from transfer.images.layout.classes import check_classes, warn_of_twins
from transfer.images.layout.classnames import rename_classes
from transfer.images.layout.copies import COPY
from transfer.images.layout.decide import decide
from transfer.images.layout.describe import ASIDE, MASK, THUMBNAIL, Survey, describe
from transfer.images.layout.names import remark_on_names, remark_on_tables
from transfer.images.layout.negatives import Negatives, set_apart
from transfer.images.layout.plan import SPLITS, Plan, Remark, in_words
from transfer.images.layout.question import LAYOUT
from transfer.images.scan import NOT_IMAGE, NOT_UTF8
from transfer.recipe.reading import Reading
from transfer.system.names import nfc
from transfer.system.progress import say, warn

__all__ = ["EXPECTED", "SPLITS", "ImageFolder"]

UNKNOWN = "class unknown to the model"
EXPECTED = (NOT_IMAGE, MASK, THUMBNAIL)  # reasons that nobody need act on


@dataclass(frozen=True)
class ImageFolder:
    """Images of a folder with their classes and splits.

    Attributes:
        root: Absolute path of the folder.
        classes: Class names, sorted by code point; the order of the model's outputs.
        paths: One path per image, relative to `root`, with forward slashes, sorted.
        labels: One number per image: that of its class or, with `label_sets`, of its classes.
        splits: ``"train"``, ``"val"``, ``"test"`` or ``""`` (not yet decided) per image.
        skipped: Reason to number of files that were left out.
        left_out: Path and reason of each of these, sorted; without names that are not UTF-8.
        read_as: What the folder was read as; ``""`` where it was not read.
        remarks: What else is to be known about how it was read.
        class_folders: Paths of the class folders, relative to `root`.
        named: Name of a class folder to that of the class, where a file names the classes.
        negatives: The images of none of the classes, which have a single class here and may lie in
            another folder; None without.
        label_sets: For each label its classes, as indices into `classes`, where an image may be of
            several; None where each is of one, and labels are classes.
    """

    root: Path
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: tuple[int, ...]
    splits: tuple[str, ...]
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    left_out: tuple[tuple[str, str], ...] = ()
    read_as: str = ""
    remarks: tuple[Remark, ...] = ()
    class_folders: frozenset[str] = frozenset()
    named: Mapping[str, str] = dataclasses.field(default_factory=dict)
    negatives: ImageFolder | None = None
    label_sets: LabelSets | None = None

    @classmethod
    def index(
        cls,
        path: str | os.PathLike[str],
        reading: Reading | None = None,
        *,
        allow_single: bool = False,
        classes: Sequence[str] | None = None,
        source: str = "",
    ) -> ImageFolder:
        """Index a folder of class folders, or of split folders of such folders.

        What the folders mean is decided by the rules in docs/data.md and said in one line. Images
        in folders inside a class folder belong to that class. No image is opened.

        Args:
            path: The folder.
            reading: How it is to be read; None for all defaults.
            allow_single: Accept a single class, which cannot be trained on.
            classes: Classes of a model in their order; folders are mapped to them by name.
                None takes the classes from the folders.
            source: What the folder was made from, for the line that says what it was read as.

        Returns:
            The index. Files that are not images, or of an unsupported kind, are counted in
            `skipped` and reported.

        Raises:
            DataError: The folder is missing, can be read in two ways, has no or one class, an empty
                class, split folders that disagree, or a link that leads out of it.
        """
        reading = reading or Reading()
        survey = describe(path, reading.follow_links, masks_aside=not reading.asks_for_folders)
        known = {nfc(name) for name in classes or ()}

        def read(survey: Survey) -> tuple[Plan, Mapping[str, str]]:
            plan, names = decide(survey, reading, known), Path(reading.class_names)
            return plan, {} if str(names) == "none" else rename_classes(plan, names, known)

        links = reading.follow_links
        survey, apart = set_apart(survey, reading.negatives, lambda each: read(each)[0], links)
        plan, named = read(survey)
        if apart is not None:
            text = f"{len(apart.paths):,} negatives, of none of the classes, in {apart.shown}."
            plan.remark("apart", text, serious=reading.negatives == "auto")
        remark_on_names(plan)
        remark_on_tables(plan, survey)
        plan.text = f"{source}; {plan.text}" if source else plan.text
        index = cls._of(survey, plan, classes)
        negatives = None if apart is None else cls._of_negatives(apart).limited(reading.limit)
        index = dataclasses.replace(index, named=named, negatives=negatives)
        index = index.limited(reading.limit)
        _tell(index, survey)
        if classes is None:
            check_classes(survey, plan, reading, allow_single)
            warn_of_twins(index.classes)
        if not index.paths:
            reasons = ", ".join(f"{count} {reason}" for reason, count in index.skipped.items())
            raise DataError(
                f"No usable image ({READ}) in {str(index.root)!r}."
                f" {LAYOUT} Received: {reasons or 'empty folders'}."
            )
        return index

    @classmethod
    def _of(cls, survey: Survey, plan: Plan, classes: Sequence[str] | None) -> ImageFolder:
        """Return the images of a plan, with the classes of a model where they are given."""
        names = plan.classes if classes is None else classes
        labels = {nfc(name): label for label, name in enumerate(names)}
        unknown = [(path, name) for path, name, _ in plan.rows if name not in labels]
        left_out = [(path, UNKNOWN) for path, _ in unknown]
        if unknown:
            shown = in_words(sorted({name for _, name in unknown}))
            text = f"Left out {len(unknown):,} image(s) of classes unknown to the model: {shown}."
            plan.remark("unknown-classes", text, serious=True)
        left_out += plan.left_out
        skipped = Counter(dict(survey.skipped)) + Counter(reason for _, reason in left_out)
        rows = sorted((path, labels[name], s) for path, name, s in plan.rows if name in labels)
        paths, numbers, splits = zip(*rows, strict=True) if rows else ((), (), ())
        folders = (f for each in plan.folders.values() for found in each.values() for f in found)
        return cls(
            survey.root,
            tuple(names),
            paths,
            numbers,
            splits,
            dict(sorted(skipped.items())),
            left_out=tuple(sorted([*survey.left_out, *left_out])),
            read_as=plan.text,
            remarks=tuple(plan.remarks),
            class_folders=frozenset(folders),
        )

    @classmethod
    def _of_negatives(cls, apart: Negatives) -> ImageFolder:
        size = len(apart.paths)
        return cls(apart.root, ("negatives",), apart.paths, size * (0,), size * ("",))

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

    def limited(self, most: int | None) -> ImageFolder:
        """Return at most so many images of each class in each split, spread over their paths."""
        if most is None:
            return self
        kept = self._spread(most) if self.label_sets is None else self._drawn(most)
        text = f"Limited to {len(kept):,} of {len(self):,} images by {option('limit', most)}."
        few = self.keep([place in kept for place in range(len(self))])
        return dataclasses.replace(
            few, remarks=(*self.remarks, Remark("limit", text, serious=True))
        )

    def _spread(self, most: int) -> set[int]:
        """Return the places of so many images of each class, spread over their paths."""
        places: dict[tuple[str, int], list[int]] = {}
        for place, key in enumerate(zip(self.splits, self.labels, strict=True)):
            places.setdefault(key, []).append(place)
        return {
            each[number * len(each) // min(most, len(each))]
            for each in places.values()
            for number in range(min(most, len(each)))
        }

    def _drawn(self, most: int) -> set[int]:
        """Return the places of images of which no class, and not none of them, has more."""
        counts: Counter[tuple[str, int]] = Counter()
        kept = set()
        for place in np.random.default_rng(0).permutation(len(self)).tolist():
            own = [(self.splits[place], n) for n in self.classes_of(self.labels[place]) or (-1,)]
            if all(counts[key] < most for key in own):
                counts.update(own)
                kept.add(place)
        return kept

    def with_splits(self, splits: Sequence[str]) -> ImageFolder:
        """Return the same images with other splits, one per image."""
        if len(splits) != len(self.paths):
            raise ValueError(f"Expected {len(self.paths)} splits. Received: {len(splits)}")
        return dataclasses.replace(self, splits=tuple(splits))

    def unexpected(self) -> tuple[tuple[str, str], ...]:
        """Return what was left out and may matter: not what is no image of its own anyway."""
        return tuple(each for each in self.left_out if each[1] not in EXPECTED)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of images per split and class; classes without images count 0.

        An image of several classes counts for each of them.
        """
        return {
            split: dict(zip(self.classes, self.select(split).class_counts(), strict=True))
            for split in self.sizes()
        }

    def sizes(self) -> dict[str, int]:
        """Return the number of images per split."""
        counts = Counter(self.splits)
        return {split: counts[split] for split in (*SPLITS, "") if split in counts}

    def class_counts(self) -> list[int]:
        """Return the number of images of each class."""
        names = self.classes if self.label_sets is None else self.label_sets
        counts = np.bincount(np.array(self.labels, np.int64), minlength=len(names))
        return list(map(int, counts if self.label_sets is None else counts @ self.target_table()))

    @property
    def label_names(self) -> tuple[str, ...]:
        """The name of each label: its class, or its classes joined by ``|``."""
        return label_names(self.classes, self.label_sets)

    def classes_of(self, label: int) -> tuple[int, ...]:
        """Return the classes that a label is of, as indices into `classes`."""
        return (label,) if self.label_sets is None else self.label_sets[label]

    def target_table(self) -> np.ndarray:
        """Return the target of each label: float32 array (labels, classes) of 0 and 1."""
        return target_table(len(self.classes), self.label_sets)

    def targets(self) -> np.ndarray:
        """Return the target of each image: float32 array (n, classes) of 0 and 1."""
        return self.target_table()[np.array(self.labels, np.int64)]


def _tell(index: ImageFolder, survey: Survey) -> None:
    """Say how the folder was read, what else there is to know, and what was left out."""
    say(f"Read as: {index.read_as}")
    survey.tell()
    for remark in index.remarks:
        (warn if remark.serious else say)(remark.text)
    for reason, count in index.skipped.items():
        if reason not in (NOT_UTF8, UNKNOWN, COPY):  # which were told by name
            hint = f" (usable: {READ})" if reason.startswith("unsupported") else ""
            if reason == ASIDE:
                hint = f" (if it is a class: {option('layout', 'classes')})"
            names = in_words([path for path, why in index.left_out if why == reason], 3)
            such = f", such as {names}" if count > 3 else f": {names}"
            text = f"Left out {count} file(s): {reason}{hint}{such if names else ''}."
            (say if reason in EXPECTED else warn)(text)
