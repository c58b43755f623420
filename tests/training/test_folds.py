from __future__ import annotations

import numpy as np
import pytest

from transfer.training.folds import deal


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
    labels[:20] = rng.integers(0, 3, 20)  # groups of two minds
    names = np.array([f"group {number}" for number in groups])
    fold = deal(labels, names, 4, 0)
    assert all(len(set(fold[names == name])) == 1 for name in set(names))
    assert set(fold) == {0, 1, 2, 3}
