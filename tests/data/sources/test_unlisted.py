from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from layouts import put, table, tree

from transfer.data.sources.prepare import resolve
from transfer.recipe.reading import Reading

ROWS = [("path", "label"), ("photos/0.png", "cat"), ("photos/1.png", "dog")]
FIRST = ROWS[1:]


def noted(data: Path) -> str:
    return "; ".join(part for part in resolve(data, Reading()).read_as.split("; ") if "not" in part)


@pytest.mark.case("L07")
@pytest.mark.parametrize(
    ("more", "whole", "words"),
    [
        (["photos/2.png"], True, "1 image is not listed in labels.csv, such as photos/2.png"),
        (["test/7.png", "photos/2.png"], True, "2 images are not listed in labels.csv, such as"),
        (["photos/2.png", "other/9.png"], False, "1 image is not listed in labels.csv, such as"),
        (["photos/x.txt"], True, ""),
        ([], True, ""),
    ],
)
def test_images_that_a_table_does_not_list(
    more: Sequence[str],
    whole: bool,
    words: str,
    tmp_path: Path,
) -> None:
    root = tmp_path / "x"
    tree({}, *(name for name in more if name.endswith(".txt")))(root)
    put(root, (name for name in more if name.endswith(".png")))
    data = table("labels.csv", ROWS, [path for path, _ in FIRST], whole)(root)
    text = noted(data)
    assert text.startswith(words)
    assert bool(text) == bool(words)


@pytest.mark.case("L07")
def test_tables_of_a_split_each_are_noted_together(tmp_path: Path) -> None:
    for split in ("train", "test"):
        names = [f"{split}/{n}.png" for n in range(2)]
        lines = [ROWS[0], (names[0], "cat"), (names[1], "dog")]
        table(f"{split}.csv", lines, [*names, f"{split}/more.png"])(tmp_path / "x")
    text = noted(tmp_path / "x")
    shown = "test/more.png, train/more.png"
    assert text == f"2 images are not listed in the tables, such as {shown}"
