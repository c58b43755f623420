from __future__ import annotations

import numpy as np
import pytest

from transfer.recipe import BALANCES, MONITORS, Recipe
from transfer.training.balance import resolve_monitor, weigh_classes


def test_class_weights_even_out() -> None:
    counts = [4, 4, 1]
    assert weigh_classes(counts, "none") == [1.0, 1.0, 1.0]
    np.testing.assert_allclose(weigh_classes(counts, "weights"), [0.75, 0.75, 3.0])
    assert weigh_classes(counts, "oversample") == weigh_classes(counts, "weights")
    root = np.array(weigh_classes(counts, "sqrt"))
    np.testing.assert_allclose(root[2] / root[0], 2.0)
    np.testing.assert_allclose((root * counts).sum(), 9.0)


@pytest.mark.parametrize("balance", BALANCES)
def test_a_class_without_images_has_a_finite_weight(balance: str) -> None:
    assert np.isfinite(weigh_classes([5, 0, 5], balance)).all()


def test_the_monitor_follows_the_classes() -> None:
    assert resolve_monitor(Recipe(), [30, 10]) == "val_accuracy"
    assert resolve_monitor(Recipe(), [95, 5]) == "val_macro_f1"
    assert resolve_monitor(Recipe(monitor="val_loss"), [95, 5]) == "val_loss"
    assert {resolve_monitor(Recipe(), counts) for counts in ([1, 1], [9, 1])} <= MONITORS.keys()
