from __future__ import annotations

from pathlib import Path

import pytest

from transfer.evaluation.sections import brief, count_table, matrix_rows, percent, redact


def test_shade_follows_the_share_of_the_row() -> None:
    (first, absent) = matrix_rows([[19, 1], [0, 0]], ["a", "b"])
    assert [cell.level for cell in first] == [19, 1]
    assert [cell.level for cell in absent] == [0, 0]
    assert first[1].title == "true \u2068a\u2069, predicted \u2068b\u2069: 1 of 20 (5.0\u00a0%)"
    assert absent[0].title == ""


def test_a_matrix_too_large_for_a_browser_is_left_out() -> None:
    assert matrix_rows([[1] * 257] * 257, [f"{i}" for i in range(257)]) == []


def test_counts_are_summed_and_a_missing_class_counts_zero() -> None:
    table = count_table({"train": {"a": 3, "b": 4}, "val": {"a": 1}}, ["a", "b"])
    assert table == {
        "splits": ["train", "val"],
        "rows": [("a", [3, 1]), ("b", [4, 0])],
        "totals": [7, 1],
    }
    assert count_table({}, ["a"]) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/my photos", "my photos"),
        ("cannot identify '/home/me/my photos/a b/c.jpg'", "cannot identify 'my photos/a b/c.jpg'"),
        ("see /opt/thing/w.h5 here", "see w.h5 here"),
        ("C:\\Users\\me\\w.h5", "w.h5"),
        ("/mnt/a disk/w.h5", "w.h5"),
        ("https://example.org/a/b/w.h5", "https://example.org/a/b/w.h5"),
        ("flatten,1024,dropout=0.5", "flatten,1024,dropout=0.5"),
        ("daisy/a/b.jpg", "daisy/a/b.jpg"),
    ],
)
def test_absolute_paths_lose_their_folders(text: str, shown: str) -> None:
    assert redact({"key": [text, 3]}, Path("/home/me/my photos")) == {"key": [shown, 3]}


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
