from __future__ import annotations

import numpy as np

from transfer.evaluation.report.order import MOST_IN_GROUP, similarity_order
from transfer.runs.predictions import Predictions


def confused(blocks: list[list[int]], count: int) -> Predictions:
    """Return predictions that spread their probability over the classes of one block."""
    rows, true = [], []
    for block in blocks:
        for each in block:
            shares = np.full(count, 0.1 / count)
            shares[block] += 0.4 / len(block)
            shares[each] += 0.5
            rows += 3 * [shares / shares.sum()]
            true += 3 * [each]
    paths = tuple(f"{i}.jpg" for i in range(len(true)))
    names = tuple(f"c{i}" for i in range(count))
    return Predictions(paths, np.array(true), np.array(rows, np.float32), names)


def test_classes_that_are_confused_are_neighbours() -> None:
    blocks = [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    (order,) = similarity_order(confused(blocks, 9))
    assert sorted(order) == list(range(9))
    found = {frozenset(order[i : i + 3]) for i in (0, 3, 6)}
    assert found == {frozenset(block) for block in blocks}


def test_many_classes_make_groups_of_similar_ones() -> None:
    blocks = [list(range(i, 60, 6)) for i in range(6)]
    groups = similarity_order(confused(blocks, 60))
    assert sorted(i for group in groups for i in group) == list(range(60))
    assert max(map(len, groups)) <= MOST_IN_GROUP
    assert {frozenset(group) for group in groups} == {frozenset(block) for block in blocks}


def test_few_classes_and_classes_without_images_have_an_order() -> None:
    assert similarity_order(confused([[0, 1]], 2)) == [[0, 1]]
    groups = similarity_order(confused([[0, 2]], 5))
    assert sorted(i for group in groups for i in group) == [0, 1, 2, 3, 4]
