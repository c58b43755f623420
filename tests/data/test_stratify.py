"""Iterative stratification: shares of each class, groups whole, rare classes on every side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfer.data.folds import make_folds_of_sets
from transfer.data.sources.prepare import resolve
from transfer.data.split import SplitOptions, assign_splits
from transfer.data.stratify import stratify
from transfer.recipe.reading import Reading


def sample(n: int = 400, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shares = np.array([0.5, 0.3, 0.1, 0.05, 0.02])
    return (rng.random((n, len(shares))) < shares).astype(int)


@pytest.mark.parametrize("seed", range(5))
def test_every_side_has_its_share_of_every_class(seed: int) -> None:
    targets = sample(seed=seed)
    order = np.random.default_rng(seed).permutation(len(targets))
    sides = stratify(targets, np.ones(len(targets)), [0.2, 0.7, 0.1], order)
    for side, share in enumerate([0.2, 0.7, 0.1]):
        assert (sides == side).sum() == pytest.approx(share * len(targets), abs=2)
        counts = targets[sides == side].sum(axis=0)
        np.testing.assert_allclose(counts, share * targets.sum(axis=0), atol=1.5)
        assert counts.min() >= 1
    chance = np.random.default_rng(seed).random(len(targets)) < 0.2
    off = [abs(targets[each].sum(axis=0) / targets.sum(axis=0) - 0.2).mean()
           for each in (sides == 0, chance)]  # fmt: skip
    assert off[0] < off[1] / 2


def test_what_is_decided_counts() -> None:
    targets = np.ones((10, 1), int)
    decided = np.array([[8, 8], [0, 0]])
    sides = stratify(targets, np.ones(10), [0.5, 0.5], np.arange(10), decided)
    assert (sides == 0).sum() == 1


def test_folds_keep_groups_whole_and_classes_even() -> None:
    targets, groups = sample(300, 3), np.arange(300) // 2
    folds = make_folds_of_sets(targets, groups, seed=1)
    assert len(folds) == 5
    held = np.sort(np.concatenate([rows for _, rows in folds]))
    np.testing.assert_array_equal(held, np.arange(300))
    for seen, rows in folds:
        assert not set(groups[seen]) & set(groups[rows])
        counts = targets[rows].sum(axis=0)
        np.testing.assert_allclose(counts, targets.sum(axis=0) / 5, atol=3.5)
    assert make_folds_of_sets(targets, np.zeros(300), seed=1) == []


def test_a_folder_is_divided_and_rare_classes_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ["path,labels"]
    for number in range(40):
        names = ["a"] * (number % 2) + ["b"] * (number % 5 == 0) + ["c"] * (number == 7)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{'|'.join(names)}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    folder = resolve(tmp_path / "t.csv", Reading(task="multi-label")).index()
    own = {path: path for path in folder.paths}
    divided = assign_splits(folder, own, own, SplitOptions(val=0.25))
    assert divided.sizes() == {"train": 30, "val": 10}
    assert divided.counts()["val"] == {"a": 5, "b": 2, "c": 0}
    assert "val has no image of c: too few different images to divide." in caplog.messages
    again = assign_splits(folder, own, own, SplitOptions(val=0.25, seed=1))
    assert again.splits != divided.splits
