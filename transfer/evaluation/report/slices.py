"""Where a model fails: accuracy by brightness, contrast, size, shape and folder of the photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from transfer.runs.photos import PhotoFigures
from transfer.runs.predictions import Predictions
from transfer.statistics.intervals import wilson_interval
from transfer.statistics.paired import holm

FEWEST, FEWEST_WRONG = 40, 5  # photos, and wrong ones among them, that a comparison needs
FEWEST_OF_FOLDER, MOST_FOLDERS = 10, 12
PARTS = 4
CHANCE = 0.05
DRAWS = 9999


@dataclass(frozen=True)
class Slice:
    """The photos of one part: its words, their number, accuracy and 95 % interval."""

    words: str
    n: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Property:
    """A property of photos that makes a difference.

    Attributes:
        name: For example ``brightness``.
        p_value: Corrected for the number of properties that were looked at.
        rows: Its parts.
    """

    name: str
    p_value: float
    rows: tuple[Slice, ...]


@dataclass(frozen=True)
class Slices:
    """The section: what was looked at, and what makes a difference beyond chance."""

    looked_at: tuple[str, ...]
    found: tuple[Property, ...]


def find_slices(predictions: Predictions, photos: Mapping[str, PhotoFigures]) -> Slices | None:
    """Return the properties of photos by which the accuracy differs, or None without figures.

    Each property divides the photos into quarters, or into their folders. Under chance, the wrong
    photos of each class fall into the parts at random: so many draws of a hypergeometric
    distribution per class give the p-value of the sum of squared differences, each by its expected
    number. A property that merely goes with a class makes no difference. The p-values are corrected
    for the number of properties (S. Holm, "A simple sequentially rejective multiple test
    procedure", Scandinavian Journal of Statistics 6, 1979).
    """
    known = [i for i, path in enumerate(predictions.paths) if path in photos]
    wrong = predictions.probabilities.argmax(axis=1) != predictions.true
    if len(known) < FEWEST or wrong[known].sum() < FEWEST_WRONG:
        return None
    figures = [photos[predictions.paths[i]] for i in known]
    missed, true = wrong[known], predictions.true[known]
    rng, tested = np.random.default_rng(0), []
    for name, divide in _PROPERTIES.items():
        part, labels = divide(figures)
        if part is not None and _varies_within(part, true):
            p_value = stratified_p_value(part, missed, true, rng)
            tested.append((name, p_value, _rows(part, labels, ~missed)))
    if not tested:
        return None
    corrected = holm([p_value for _, p_value, _ in tested])
    found = tuple(
        Property(name, p_value, rows)
        for (name, _, rows), p_value in zip(tested, corrected, strict=True)
        if p_value < CHANCE
    )
    return Slices(tuple(name for name, _, _ in tested), found)


def stratified_p_value(
    part: np.ndarray, missed: np.ndarray, true: np.ndarray, rng: np.random.Generator
) -> float:
    """Return the p-value of a difference in the share of wrong photos between parts.

    Args:
        part: int array (n,), which part a photo is in; -1 for none.
        missed: bool array (n,), which are wrong.
        true: int array (n,), classes, within which parts are compared.
        rng: Draws.
    """
    count = int(part.max()) + 1
    observed, expected = np.zeros(count), np.zeros(count)
    drawn = np.zeros((DRAWS, count))
    for each in np.unique(true):
        here = (true == each) & (part >= 0)
        sizes = np.bincount(part[here], minlength=count)
        errors = int(missed[here].sum())
        if not errors:
            continue
        observed += np.bincount(part[here & missed], minlength=count)
        expected += errors * sizes / sizes.sum()
        drawn += rng.multivariate_hypergeometric(sizes, errors, DRAWS)
    weight = 1 / np.maximum(expected, 1e-9)
    statistic = float(((observed - expected) ** 2 * weight).sum())
    chance = ((drawn - expected) ** 2 * weight).sum(axis=1)
    return float((1 + (chance >= statistic - 1e-9).sum()) / (1 + DRAWS))


Parts = tuple[np.ndarray | None, list[str]]


def _quarters(
    value: Callable[[PhotoFigures], float], words: Callable[[float], str]
) -> Callable[[Sequence[PhotoFigures]], Parts]:
    def divide(figures: Sequence[PhotoFigures]) -> Parts:
        values = np.array([value(each) for each in figures])
        edges = np.unique(np.quantile(values, np.arange(1, PARTS) / PARTS))
        edges = edges[(edges > values.min()) & (edges <= values.max())]
        if not len(edges):
            return None, []
        part = np.searchsorted(edges, values, side="right")
        bounds = [values.min(), *edges, values.max()]
        labels = [f"{words(a)} to {words(b)}" for a, b in pairwise(bounds)]
        return part, labels

    return divide


def _by_folder(figures: Sequence[PhotoFigures]) -> Parts:
    """Divide by the last folder on the way to a photo, as far as it holds enough of them."""
    names = [each.folder.rpartition("/")[2] for each in figures]
    counts = Counter(names)
    kept = sorted(name for name, n in counts.items() if n >= FEWEST_OF_FOLDER)
    if not 2 <= len(kept) <= MOST_FOLDERS:
        return None, []
    index = {name: number for number, name in enumerate(kept)}
    return np.array([index.get(name, -1) for name in names]), kept


def _varies_within(part: np.ndarray, true: np.ndarray) -> bool:
    """Return whether photos of any class are in more than one part."""
    return any(len(np.unique(part[(true == each) & (part >= 0)])) > 1 for each in np.unique(true))


def _rows(part: np.ndarray, labels: Sequence[str], right: np.ndarray) -> tuple[Slice, ...]:
    rows = []
    for number, words in enumerate(labels):
        here = part == number
        n, hits = int(here.sum()), int(right[here].sum())
        if n:
            rows.append(Slice(words, n, hits / n, wilson_interval(hits, n)))
    return tuple(rows)


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


_PROPERTIES: dict[str, Callable[[Sequence[PhotoFigures]], Parts]] = {
    "brightness": _quarters(lambda each: each.brightness, _percent),
    "contrast": _quarters(lambda each: each.contrast, _percent),
    "size": _quarters(lambda each: (each.width * each.height) ** 0.5, lambda v: f"{v:.0f} pixels"),
    "aspect ratio": _quarters(lambda each: each.width / each.height, lambda v: f"{v:.2f}"),
    "folder": _by_folder,
}
