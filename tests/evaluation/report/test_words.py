from __future__ import annotations

import pytest

from transfer.evaluation.report.words import brief, interval, percent, shorten


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


@pytest.mark.case("R03")
def test_long_names_lose_their_middle_whatever_their_script() -> None:
    assert shorten("short", 10) == "short"
    assert shorten("the golden retriever", 11) == "the g…iever"
    assert shorten("가나다라마바사아", 9) == "가나…사아"  # each as wide as two letters
    assert shorten("กำ" * 8, 20) == "กำ" * 8
