from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from transfer.data.dataset import Dataset
from transfer.data.folds import check_folds, deal, folds_from_scratch, make_folds
from transfer.data.split import SplitOptions
from transfer.errors import DataError
from transfer.images.folder import ImageFolder


@pytest.mark.parametrize("seed", range(5))
def test_every_fold_has_its_share_of_every_class(seed: int) -> None:
    labels = np.repeat([0, 1, 2], [50, 23, 5])
    fold = deal(labels, np.arange(78), 5, seed)
    for label, size in ((0, 50), (1, 23), (2, 5)):
        counts = np.bincount(fold[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1
        assert counts.min() == size // 5
    assert not np.array_equal(fold, deal(labels, np.arange(78), 5, seed + 1))
    np.testing.assert_array_equal(fold, deal(labels, np.arange(78), 5, seed))


def test_groups_stay_together_whatever_they_are_called() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 200)
    labels = groups % 3
    labels[:20] = rng.integers(0, 3, 20)  # groups with images of two classes
    names = np.array([f"group {number}" for number in groups])
    fold = deal(labels, names, 4, 0)
    assert all(len(set(fold[names == name])) == 1 for name in set(names))
    assert set(fold) == {0, 1, 2, 3}


def folder(labels: str, tests: int = 0) -> ImageFolder:
    count = len(labels)
    splits = ("test",) * tests + ("train",) * (count - tests)
    paths = tuple(f"{i}.png" for i in range(count))
    return ImageFolder(Path("/no"), ("a", "b"), paths, tuple(map("ab".index, labels)), splits)


@pytest.mark.parametrize(
    ("labels", "tests", "groups", "count", "hint"),
    [
        ("aabb", 0, "1234", 4, None),
        ("aabbb", 0, "12344", 3, None),
        ("aabb", 0, "1234", 5, r"at least 5 different images .*for 5 folds\. Received: 4\. Lower"),
        ("aabbb", 0, "12333", 2, r"Class 'b' has fewer than 2 different images.*leave folds= out"),
        ("aaabb", 2, "12345", 2, "Class 'a' has fewer than 2 different"),
        ("abab", 0, "1122", 2, r"at least 4 different images.*Received: 2\."),
    ],
)
def test_what_can_be_folded(
    labels: str, tests: int, groups: str, count: int, hint: str | None
) -> None:
    images = folder(labels, tests)
    keys = dict(zip(images.paths, groups, strict=True))
    dataset = Dataset(images, dict(keys), keys, {})
    if hint is None:
        check_folds(dataset, count)
    else:
        with pytest.raises(DataError, match=hint):
            check_folds(dataset, count)


def test_every_class_is_on_both_sides_of_every_fold() -> None:
    labels = np.repeat([0, 1], [40, 6])
    groups = np.array([*range(40), 40, 40, 40, 41, 42, 42])  # three groups of the second class
    folds = make_folds(labels, groups, 0)
    assert len(folds) == 3
    np.testing.assert_array_equal(np.sort(np.concatenate([h for _, h in folds])), np.arange(46))
    for seen, held in folds:
        assert set(labels[seen]) == set(labels[held]) == {0, 1}
        assert not set(groups[seen]) & set(groups[held])
    assert make_folds(labels, np.where(labels == 1, 99, groups), 0) == []


def test_images_are_divided_in_three_without_dividing_groups() -> None:
    paths = tuple(f"{label}/{number}.png" for label in "ab" for number in range(12))
    folder = ImageFolder(Path(), ("a", "b"), paths, (0,) * 12 + (1,) * 12, ("train",) * 24)
    sha256 = {path: f"{number:064}" for number, path in enumerate(paths)}
    groups = {path: sha256[paths[number // 2 * 2]] for number, path in enumerate(paths)}
    folds = folds_from_scratch(Dataset(folder, sha256, groups, {}), SplitOptions())
    assert len(folds) == 5
    tested = [path for fold in folds for path in fold.images.select("test").paths]
    assert sorted(tested) == sorted(paths)
    for fold in (each.images for each in folds):
        assert fold.paths == paths
        for split in ("train", "val", "test"):
            assert set(fold.select(split).labels) == {0, 1}
        sides = {(groups[path], split) for path, split in zip(paths, fold.splits, strict=True)}
        assert len(sides) == 12
    two = {
        path: groups[path] if path[0] == "a" else f"{number % 2}"
        for number, path in enumerate(paths)
    }
    with pytest.raises(DataError, match=r"'b' has 2 different image.*at least 3"):
        folds_from_scratch(Dataset(folder, sha256, two, {}), SplitOptions())
