"""The photos that two evaluations have in common, matched by their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from transfer.data.dataset import Dataset
from transfer.errors import RunError, call
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run
from transfer.settings import Decoding
from transfer.system.files import damaged
from transfer.system.text import cut

TRAINED_ON, CHOSE_THE_MODEL = "trained_on", "chose_the_model"


@dataclass(frozen=True)
class Evaluated:
    """The predictions of one run, on its own split or on other images.

    Attributes:
        name: The path as the user gave it.
        run: The run.
        predictions: What its model predicts.
        sha256: Path to digest of the images that it predicts.
        trained: Digests of the images that it was trained on.
        leaked: Digests of images that have a near duplicate among those.
        split: Name of the split.
        caveat: Why its metrics are optimistic, as in metrics.json.
        data: The folder of the images.
        decoding: How the run decodes pictures.
    """

    name: str
    run: Run
    predictions: Predictions
    sha256: Mapping[str, str]
    trained: frozenset[str]
    leaked: frozenset[str]
    split: str
    caveat: str | None
    data: Path | None
    decoding: Decoding

    @cached_property
    def rows(self) -> dict[str, int]:
        """Digest to row of the predictions; of copies, the first."""
        found: dict[str, int] = {}
        for row, path in enumerate(self.predictions.paths):
            if self.sha256.get(path):
                found.setdefault(self.sha256[path], row)
        return found


@dataclass(frozen=True)
class Joined:
    """The images that two evaluations share, n of them, in the order of the first.

    Attributes:
        paths: As the first names them.
        sha256: Their digests.
        classes: Class names in the order of the first.
        true: int64 (n,), indices into `classes`.
        first: What the first predicts, float32 (n, classes).
        second: What the second predicts, with the classes in the order of the first.
        notes: Sentences on what was left out, and on what to bear in mind.
    """

    paths: tuple[str, ...]
    sha256: tuple[str, ...]
    classes: tuple[str, ...]
    true: np.ndarray
    first: np.ndarray
    second: np.ndarray
    notes: tuple[str, ...]


def read_evaluated(path: Path) -> Evaluated:
    """Read the evaluation in a run directory, or in one of its ``evaluations/``.

    Raises:
        RunError: `path` is neither, a file is missing or damaged, or an image may be of several
            classes.
    """
    elsewhere = (path / "evaluation.json").is_file() and path.parent.name == "evaluations"
    run = Run(path.parent.parent if elsewhere else path)
    if run.multi_label:
        raise RunError(
            f"{path} is of images with several labels each. Only runs with one class for each image"
            " can be compared."
        )
    directory = path if elsewhere else run.path
    if not (directory / "predictions.csv").is_file():
        raise run.lacks(str(directory / "predictions.csv"))
    predictions = Predictions.read(directory / "predictions.csv", run.classes)
    info, metrics, other = run.info, run.read_metrics(directory), run.read_evaluation(directory)
    own = Dataset.listed(run.path, run.classes)
    listed = own
    if (directory / "split.csv").is_file() and elsewhere:
        listed = Dataset.listed(directory, run.classes)
    missing = [each for each in predictions.paths if each not in listed.sha256]
    if missing:
        error = ValueError(f"It does not list {cut(missing[0])!r} of predictions.csv")
        raise damaged(directory / "split.csv", error, f"Evaluate again: {call('evaluate', 'RUN')}")
    data = info.data if other is None else other["data"]
    return Evaluated(
        str(path),
        run,
        predictions,
        {each: listed.sha256[each] for each in predictions.paths},
        frozenset(own.sha256[each] for each in own.train.paths),
        frozenset(own.sha256[each] for each in own.leaks if each in own.sha256),
        metrics["split"],
        metrics.get("caveat"),
        Path(data) if data else None,
        info.settings.decoding,
    )


def join(first: Evaluated, second: Evaluated) -> Joined:
    """Return the images that both predicted and neither was trained on.

    Raises:
        RunError: There are none, or the classes are not the same.
    """
    _refuse_other_classes(first, second)
    classes, at, other = first.run.classes, first.rows, second.rows
    order = [second.run.classes.index(name) for name in classes]
    common = [digest for digest in at if digest in other]
    trained = first.trained | second.trained
    fresh = [each for each in common if each not in trained]
    truth = np.argsort(order)[second.predictions.true] if order else second.predictions.true
    same = [
        digest for digest in fresh if first.predictions.true[at[digest]] == truth[other[digest]]
    ]
    notes = _notes(first, second, fresh, len(fresh) - len(same))
    if not same:
        raise _nothing_shared(first, second, notes)
    mine, theirs = [at[each] for each in same], [other[each] for each in same]
    return Joined(
        tuple(first.predictions.paths[row] for row in mine),
        tuple(same),
        classes,
        first.predictions.true[mine],
        first.predictions.probabilities[mine],
        second.predictions.probabilities[theirs][:, order],
        tuple(notes),
    )


def _refuse_other_classes(first: Evaluated, second: Evaluated) -> None:
    one, two = first.run.classes, second.run.classes
    if set(one) == set(two):
        return
    parts = [
        f"only {each.name} has {', '.join(repr(cut(name, 40)) for name in sorted(names)[:5])}"
        f"{' and more' if len(names) > 5 else ''}"
        for each, names in ((first, set(one) - set(two)), (second, set(two) - set(one)))
        if names
    ]
    raise RunError(
        f"Expected runs with the same classes. Received: {'; '.join(parts)}. Train both on the same"
        " classes to compare them."
    )


def _notes(first: Evaluated, second: Evaluated, shared: list[str], relabelled: int) -> list[str]:
    notes = []
    for one, two in ((first, second), (second, first)):
        seen = len(one.rows.keys() & two.trained)
        if seen:
            notes.append(
                f"{_photos(seen)} that {one.name} predicted: {two.name} was trained on"
                f" {'it' if seen == 1 else 'them'}; left out."
            )
        if one.rows.keys() & one.trained:
            notes.append(f"{one.name} was evaluated on photos that it was trained on; left out.")
        alone = len(one.rows.keys() - two.rows.keys() - two.trained)
        if alone:
            notes.append(f"{_photos(alone)} that only {one.name} predicted; left out.")
        unknown = sum(not digest for digest in one.sha256.values())
        if unknown:
            notes.append(f"{_photos(unknown)} of {one.name} without a digest; left out.")
    if relabelled:
        notes.append(f"{_photos(relabelled)} with another label in each run; left out.")
    near = len((first.leaked | second.leaked) & set(shared))
    if near:
        notes.append(f"{_photos(near)} with a near duplicate among the training photos of a run.")
    for each in (first, second):
        if each.caveat == CHOSE_THE_MODEL:
            notes.append(f"These photos also chose the model of {each.name}, which flatters it.")
    return list(dict.fromkeys(notes))


def _photos(number: int) -> str:
    return f"{number:,} photo{'' if number == 1 else 's'}"


def _nothing_shared(first: Evaluated, second: Evaluated, notes: list[str]) -> RunError:
    told = f" ({' '.join(notes)})" if notes else ""
    return RunError(
        f"{first.name} and {second.name} share no photo that both predicted and neither was"
        f" trained on{told}. Evaluate each on the same new photos, and compare the folders below"
        f" their evaluations/: {call('evaluate', 'RUN', 'DATA')}"
    )
