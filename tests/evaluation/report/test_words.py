from __future__ import annotations

import pytest

from transfer.evaluation.report.words import brief, interval, percent


def test_what_is_undefined_is_called_so() -> None:
    assert (percent(None), percent(0.9239)) == ("n/a", "92.4\u00a0%")
    assert (interval(None), interval((0.55, 0.82))) == ("n/a", "55.0–82.0\u00a0%")


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("9.73888e-05", "9.739e-05"),
        ("0.973888", "0.9739"),
        ("nan", "nan"),
        ("", ""),
        ("finetune", "finetune"),
    ],
)
def test_small_figures_keep_their_size(cell: str, shown: str) -> None:
    assert brief(cell) == shown
