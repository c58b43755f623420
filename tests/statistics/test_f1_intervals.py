from __future__ import annotations

import numpy as np
import pytest

from transfer.statistics.f1_intervals import f1_interval, macro_f1_interval
from transfer.statistics.intervals import wilson_interval
from transfer.statistics.metrics import macro_f1


def test_the_interval_of_one_class_is_that_of_its_share_of_right_ones() -> None:
    low, high = f1_interval(40, 50, 45)
    jaccard = wilson_interval(40, 55)
    assert (low, high) == pytest.approx([2 * j / (1 + j) for j in jaccard])
    assert low < 2 * 40 / 95 < high
    assert f1_interval(0, 5, 0)[0] == 0.0
    assert f1_interval(5, 5, 5)[1] == 1.0


def test_no_mistake_proves_little() -> None:
    low, high = macro_f1_interval(np.diag([20, 20]))
    assert (low, high) == (pytest.approx(wilson_interval(40, 40)[0]), 1.0)
    low, high = macro_f1_interval(np.array([[100, 0], [0, 1]]))
    assert low < 0.6  # it hangs on one image
    assert macro_f1_interval(np.array([[0, 3], [2, 0]]))[0] == 0.0


def test_more_images_narrow_the_interval_and_absent_classes_do_not_count() -> None:
    matrix = np.array([[18, 2, 0], [3, 17, 0], [0, 0, 0]])
    low, high = macro_f1_interval(matrix)
    assert low < macro_f1(matrix) < high
    narrow = macro_f1_interval(100 * matrix)
    assert narrow[1] - narrow[0] == pytest.approx((high - low) / 10, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "images", "right"), [(5, 736, 0.94), (10, 300, 0.8)])
def test_simulated_coverage(classes: int, images: int, right: float) -> None:
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.full(classes, 0.5), classes) * (1 - right)
    shares[np.diag_indices(classes)] += right
    joint = shares / classes
    truth = (2 * joint.diagonal() / (joint.sum(axis=0) + joint.sum(axis=1))).mean()
    hits = 0
    for _ in range(4000):
        matrix = rng.multinomial(images, joint.ravel()).reshape(classes, classes)
        low, high = macro_f1_interval(matrix)
        hits += low <= truth <= high
    assert 0.94 <= hits / 4000 <= 0.96
