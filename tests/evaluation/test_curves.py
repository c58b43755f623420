from __future__ import annotations

import pytest

from transfer.evaluation.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, learning_curves


def rows(*values: tuple[str, str, str]) -> list[dict[str, str]]:
    return [{"phase": p, "loss": a, "val_loss": b} for p, a, b in values]


def test_epochs_go_on_through_the_phases_and_the_boundary_lies_between() -> None:
    (panel,) = learning_curves(
        rows(("head", "2", "1.5"), ("head", "1", "1"), ("finetune", "0.5", "0.8"))
    )
    assert [tick.text for tick in panel.x_ticks] == ["1", "2", "3"]
    assert [tick.text for tick in panel.phases] == ["head", "fine-tuning"]
    (boundary,) = panel.boundaries
    assert panel.x_ticks[1].at < boundary < panel.x_ticks[2].at
    assert [len(series.lines) for series in panel.series] == [2, 2]
    assert panel.summary == "Loss by epoch: train from 2 to 0.5, val from 1.5 to 0.8."


def test_points_stay_inside_the_axes() -> None:
    for panel in learning_curves(rows(*(("head", f"{3 / i}", f"{9 / i}") for i in range(1, 80)))):
        for dot in (dot for series in panel.series for dot in series.dots):
            assert LEFT <= dot.x <= WIDTH - RIGHT
            assert TOP <= dot.y <= HEIGHT - BOTTOM
        assert 4 <= len(panel.y_ticks) <= 8
        assert len(panel.x_ticks) <= 11


@pytest.mark.parametrize("bad", ["", "nan", "inf", "?"])
def test_what_is_no_number_leaves_a_gap(bad: str) -> None:
    (panel,) = learning_curves(rows(("head", "2", "1"), ("head", bad, "1"), ("head", "1", "1")))
    train, val = panel.series
    assert [dot.text for dot in train.dots] == ["train, epoch 1: 2", "train, epoch 3: 1"]
    assert len(train.lines) == 2
    assert len(val.lines) == 1


@pytest.mark.parametrize("value", ["0", "0.7", "1e-9", "4e12", "-3"])
def test_a_single_epoch_or_a_flat_line_is_drawn(value: str) -> None:
    (panel,) = learning_curves(rows(("head", value, value)))
    assert len(panel.series[0].dots) == 1
    assert len(panel.y_ticks) >= 2


def test_nothing_to_draw() -> None:
    assert learning_curves([]) == []
    assert learning_curves([{"phase": "head"}]) == []
