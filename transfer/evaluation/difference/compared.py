"""Two evaluations on the same photos: which model is right where, and whether that is chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from transfer.evaluation.difference.joined import Evaluated, Joined, join
from transfer.statistics.metrics import accuracy, count_confusions, macro_f1
from transfer.statistics.paired import bootstrap_differences, holm, mcnemar, mcnemar_corrected

CHANCE = 0.05  # p-value from which a difference is attributed to chance
APPROXIMATE = 25  # disagreements from which the chi-squared approximation holds


@dataclass(frozen=True)
class Flip:
    """A photo that one model recognises and the other does not.

    Attributes:
        path: Relative to the folder of the images of the first run.
        sha256: Digest of the file.
        true: Its class.
        before: What the first model predicts.
        before_confidence: With which probability, 0..1.
        after: What the second model predicts.
        after_confidence: With which probability, 0..1.
    """

    path: str
    sha256: str
    true: str
    before: str
    before_confidence: float
    after: str
    after_confidence: float


@dataclass(frozen=True)
class ConfusionChange:
    """How often photos of one class are predicted as another by both models."""

    true: str
    predicted: str
    before: int
    after: int


@dataclass(frozen=True)
class Figure:
    """A metric of both models on the photos that they share.

    Attributes:
        first: Of the first model, 0..1.
        second: Of the second, 0..1.
        difference: Second minus first, -1..1.
        ci95: 95 % interval of the difference by the paired bootstrap, [low, high].
    """

    first: float
    second: float
    difference: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """A run compared with the first one, on the photos that both predicted.

    Attributes:
        first: Path of the first run.
        second: Path of the other one.
        split: The split of the photos; both names where they differ.
        photos: How many photos are compared.
        accuracy: Accuracy of both.
        macro_f1: Macro-F1 of both.
        wrong_to_right: Photos that only the second model recognises, the surest first.
        right_to_wrong: Photos that only the first recognises, the surest mistake first.
        both_wrong: Number of photos that neither recognises.
        new_confusions: Confusions that only the second model makes, the most frequent first.
        ended_confusions: Confusions that only the first makes.
        p_exact: Two-sided p-value of McNemar's exact test, 0..1.
        p_corrected: The same by chi-squared with continuity correction; None below 25 photos that
            only one of them recognises.
        p_holm: `p_exact`, adjusted by Holm for the number of runs that are compared.
        differs: Whether `p_holm` is below 0.05.
        verdict: The answer in words.
        notes: What was left out, and what to bear in mind.
    """

    first: str
    second: str
    split: str
    photos: int
    accuracy: Figure
    macro_f1: Figure
    wrong_to_right: tuple[Flip, ...]
    right_to_wrong: tuple[Flip, ...]
    both_wrong: int
    new_confusions: tuple[ConfusionChange, ...]
    ended_confusions: tuple[ConfusionChange, ...]
    p_exact: float
    p_corrected: float | None
    p_holm: float
    differs: bool
    verdict: str
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as JSON values."""
        return asdict(self)


def compare_with_first(evaluated: Sequence[Evaluated]) -> list[Difference]:
    """Compare each evaluation with the first one; Holm's correction covers all of them.

    Args:
        evaluated: Two or more.

    Raises:
        RunError: Two have no photos in common, or other classes.
    """
    first, *others = evaluated
    found = [_compare(first, other, join(first, other)) for other in others]
    adjusted = holm([each.p_exact for each in found])
    return [
        with_verdict(replace(each, p_holm=p_value, differs=p_value < CHANCE), len(found))
        for each, p_value in zip(found, adjusted, strict=True)
    ]


def _compare(first: Evaluated, second: Evaluated, joined: Joined) -> Difference:
    true, before, after = joined.true, joined.first.argmax(axis=1), joined.second.argmax(axis=1)
    size = len(joined.classes)
    matrices = [count_confusions(true, each, size) for each in (before, after)]
    intervals = bootstrap_differences(true, before, after, size)
    gained, lost = (after == true) & (before != true), (before == true) & (after != true)
    numbers = int(gained.sum()), int(lost.sum())
    p_exact = mcnemar(*numbers)
    return Difference(
        first=first.name,
        second=second.name,
        split=" and ".join(dict.fromkeys((first.split, second.split))),
        photos=len(true),
        accuracy=_figure([accuracy(each) for each in matrices], intervals[0]),
        macro_f1=_figure([macro_f1(each) for each in matrices], intervals[1]),
        wrong_to_right=_flips(joined, gained, -joined.second.max(axis=1)),
        right_to_wrong=_flips(joined, lost, -joined.second.max(axis=1)),
        both_wrong=int(((before != true) & (after != true)).sum()),
        new_confusions=_only_in(1, matrices, joined.classes),
        ended_confusions=_only_in(0, matrices, joined.classes),
        p_exact=p_exact,
        p_corrected=mcnemar_corrected(*numbers) if sum(numbers) >= APPROXIMATE else None,
        p_holm=p_exact,
        differs=False,
        verdict="",
        notes=joined.notes,
    )


def _figure(values: Sequence[float], interval: tuple[float, float]) -> Figure:
    first, second = values
    return Figure(first, second, second - first, interval)


def _flips(joined: Joined, among: np.ndarray, key: np.ndarray) -> tuple[Flip, ...]:
    rows = sorted(np.flatnonzero(among).tolist(), key=lambda row: (key[row], joined.paths[row]))
    return tuple(
        Flip(
            joined.paths[row],
            joined.sha256[row],
            joined.classes[joined.true[row]],
            joined.classes[int(joined.first[row].argmax())],
            float(joined.first[row].max()),
            joined.classes[int(joined.second[row].argmax())],
            float(joined.second[row].max()),
        )
        for row in rows
    )


def _only_in(
    which: int, matrices: Sequence[np.ndarray], classes: Sequence[str]
) -> tuple[ConfusionChange, ...]:
    """Return the confusions of one of two matrices that the other does not have."""
    here, there = matrices[which], matrices[1 - which]
    cells = np.argwhere((here > 0) & (there == 0) & ~np.eye(len(classes), dtype=bool))
    cells = cells[np.argsort(-here[tuple(cells.T)], kind="stable")]
    return tuple(
        ConfusionChange(classes[i], classes[j], int(matrices[0][i, j]), int(matrices[1][i, j]))
        for i, j in cells.tolist()
    )


def with_verdict(found: Difference, runs: int) -> Difference:
    """Return a difference with the answer in words.

    Args:
        found: With the names that the answer calls the runs.
        runs: How many are compared with the first.
    """
    gained, lost = len(found.wrong_to_right), len(found.right_to_wrong)
    p_value = f"p {'< 0.001' if found.p_holm < 0.001 else f'= {found.p_holm:.2g}'}"
    holm_used = f", Holm's correction for {runs} runs" if runs > 1 else ""
    test = f"({p_value}, McNemar's exact test{holm_used})"
    if not gained + lost:
        verdict = (
            f"Both recognise the same of the {found.photos:,} photos: no evidence that they differ."
        )
    elif not found.differs:
        verdict = (
            f"No evidence that they differ: {_photos(gained)} only {found.second} recognises,"
            f" {lost:,} only {found.first}, which chance alone may bring about {test}."
        )
    else:
        better, worse = found.second, found.first
        most, least = gained, lost
        if lost > gained:
            better, worse, most, least = worse, better, lost, gained
        verdict = (
            f"{better} is better: {_photos(most)} only it recognises, {least:,} only {worse};"
            f" chance alone rarely brings that about {test}."
        )
    return replace(found, verdict=verdict)


def _photos(number: int) -> str:
    return f"{number:,} photo{'' if number == 1 else 's'}"
