"""What is evaluated: a split of a run's own images, or other images."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transfer.api.images import CLASS_NAMES
from transfer.api.knobs import OtherDataKnobs
from transfer.api.recipes import make_reading
from transfer.data.audit.clean import Audit, audit, clean
from transfer.data.audit.duplicates import groups_of
from transfer.data.dataset import Dataset
from transfer.data.sources.prepare import resolve
from transfer.errors import DataError, TransferError, call
from transfer.evaluation.evaluate import find_caveat
from transfer.images.folder import ImageFolder
from transfer.recipe.reading import Reading, reading_of
from transfer.runs.run import Run
from transfer.system.progress import warn
from transfer.system.text import cut

_NEAR = ", or near duplicates of them"


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        name: For the directory of the evaluation.
        images: The images.
        split: Name of their split; ``all`` where they have none.
        leaks: Paths of those that training has seen.
        seen: Words for messages on what that includes.
        caveat: Why its metrics are optimistic, from `find_caveat`; None where nothing is known.
        dataset: The images with their digests, where they are not the run's own.
    """

    name: str
    images: ImageFolder
    split: str
    leaks: Collection[str]
    seen: str
    caveat: str | None = None
    dataset: Dataset | None = None


def own_subject(run: Run, split: str | None) -> Subject:
    """Return a split of a run's own images; None for the one that it is evaluated on."""
    split = split or run.info.split
    dataset = read_own(run, _own_images(run)).select(split)
    caveat = find_caveat(split, run.info.settings.monitor, len(run.history()))
    return Subject(split, dataset.images, split, dataset.leaks, _NEAR, caveat)


def other_subject(
    run: Run, data: str | os.PathLike[str], split: str | None, knobs: OtherDataKnobs
) -> Subject:
    """Return other images, with those among them that the run's training has seen.

    Args:
        run: The run.
        data: Any source.
        split: Which of the images; None for the test or validation images, or for all.
        knobs: How the data are read; what they leave open is as in the run, or as it is found.
    """
    name, index = _index(data, _readings(run, knobs), run.classes)
    images, result = clean(index)
    leaks, seen = _seen_in_training(run, result)
    if split is None and set(images.splits) != {""}:
        split = "test" if "test" in images.splits else "val"
    chosen = images if split is None else images.select(split)
    dataset = Dataset(chosen, result.sha256, result.groups, {})
    return Subject(f"{name}-{split or 'all'}", chosen, split or "all", leaks, seen, dataset=dataset)


def _readings(run: Run, knobs: OtherDataKnobs) -> list[Reading]:
    """Return how other data are read: as asked; or else as the run's own, or else plainly."""
    asked = make_reading(knobs)
    names = run.path / CLASS_NAMES
    if asked.class_names == "none" and names.is_file():
        asked = replace(asked, class_names=str(names))
    plain = replace(asked, task=run.recipe.task, allow_empty=True)
    if knobs.keys() - {"limit", "follow_links"}:
        return [plain]
    own = replace(
        reading_of(run.recipe),
        negatives="none",
        class_names=plain.class_names,
        allow_empty=True,
        limit=plain.limit,
        follow_links=plain.follow_links,
    )
    readings = [own, plain]
    if run.recipe.names_negatives and "/" not in run.recipe.negatives:  # a class, which may be here
        readings.insert(0, replace(own, negatives=run.recipe.negatives))
    return list(dict.fromkeys(readings))


def _index(
    data: str | os.PathLike[str], readings: Sequence[Reading], classes: Sequence[str]
) -> tuple[str, ImageFolder]:
    """Return the name of other data and their index, by the first reading that succeeds."""
    errors = []
    for each in readings:
        try:
            resolved = resolve(data, each)
            return resolved.name, resolved.index(classes=classes)
        except TransferError as error:
            errors.append(error)
    raise errors[0]  # which is about what the user has asked for


def read_own(run: Run, root: str | os.PathLike[str]) -> Dataset:
    """Return the images that a run lists, which are in the folder `root`."""
    return Dataset.read(
        run.path,
        root,
        run.classes,
        follow_links=run.recipe.follow_links,
        multi_label=run.multi_label,
    )


def refuse_empty(subject: Subject) -> None:
    """Raise DataError where there is nothing to evaluate."""
    if not subject.images.paths:
        where = str(subject.images.root)
        raise DataError(f"There are no {cut(subject.split)} images in {where!r}.")


def warn_of_gaps(images: ImageFolder, subject: Subject) -> None:
    """Warn of classes without images, and of images that training has seen."""
    counts = zip(images.classes, images.class_counts(), strict=True)
    absent = [name for name, count in counts if not count]
    if absent:
        warn(f"No images of {', '.join(map(repr, absent))}: these classes are not evaluated.")
    leaked = sum(path in subject.leaks for path in images.paths)
    if leaked:
        warn(
            f"{leaked} of the {len(images)} images were seen in training{subject.seen}: the metrics"
            " include the accuracy without them."
        )


def _own_images(run: Run) -> Path:
    """Return the folder that the run was trained on."""
    data = run.info.data
    if not data or not Path(data).is_dir():
        raise DataError(
            f"The images of {run.path} are not where its run.json says: {data!r}."
            f" Move them back, or name others: {call('evaluate', 'RUN', 'DATA')}"
        )
    return Path(data)


def _seen_in_training(run: Run, result: Audit) -> tuple[set[str], str]:
    """Return the paths of other images that a run's training has seen, and what that includes.

    Near duplicates are found only if the training images are still in place.
    """
    root = run.info.data
    if not (run.path / "split.csv").is_file():
        return set(), _NEAR
    own = read_own(run, root or "/").train
    trained = {own.sha256[path] for path in own.paths} - {""}
    copies = {path for path, digest in result.sha256.items() if digest in trained}
    if not (trained and root and Path(root).is_dir()):
        return copies, " (copies; near duplicates are not known)"
    looks = {f"train/{path}": look for path, look in audit(own.images).looks.items()}
    looks = {path: look for path, look in looks.items() if look.sha256 in trained}
    looks |= {f"data/{path}": look for path, look in result.looks.items()}
    groups = groups_of(
        {path: look.sha256 for path, look in looks.items()},
        {path: look.fingerprint for path, look in looks.items()},
    )
    seen = {key for path, key in groups.items() if path.startswith("train/")}
    return copies | {path for path in result.sha256 if groups[f"data/{path}"] in seen}, _NEAR
