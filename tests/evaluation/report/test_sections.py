from __future__ import annotations

import pytest

from transfer.evaluation.report.sections import brief, count_table, headline, interval, percent


def test_counts_are_summed_and_a_missing_class_counts_zero() -> None:
    table = count_table({"train": {"a": 3, "b": 4}, "val": {"a": 1}}, ["a", "b"])
    assert table == {
        "splits": ["train", "val"],
        "rows": [("a", [3, 1]), ("b", [4, 0])],
        "totals": [7, 1],
    }
    assert count_table({}, ["a"]) is None


def test_what_is_undefined_is_called_so() -> None:
    assert (percent(None), percent(0.9239)) == ("n/a", "92.4\u00a0%")


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


def test_the_headline_leaves_out_leaked_images() -> None:
    metrics = {"accuracy": 0.9, "accuracy_ci95": [0.8, 0.95], "n": 50, "macro_f1": 0.85}
    assert headline(metrics, uneven=False).macro_f1 is None
    assert headline(metrics, uneven=True).macro_f1 == 0.85
    leaked = {"n_without": 40, "accuracy_without": 0.7, "accuracy_without_ci95": [0.55, 0.82]}
    clean = headline(metrics | {"leaked": leaked}, uneven=True)
    assert (clean.accuracy, clean.interval, clean.n) == (0.7, (0.55, 0.82), 40)
    assert clean.macro_f1 is None  # it is only known with the leaked images
    nothing_left = {"n_without": 0, "accuracy_without": None, "accuracy_without_ci95": None}
    assert headline(metrics | {"leaked": nothing_left}, uneven=False).accuracy == 0.9
    assert interval((0.55, 0.82)) == "55.0–82.0\u00a0%"
