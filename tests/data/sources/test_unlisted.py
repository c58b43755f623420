from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from layouts import put, table, tree

from transfer.data.sources.prepare import resolve
from transfer.recipe.reading import Reading

ROWS = [("path", "label"), ("photos/0.png", "cat"), ("photos/1.png", "dog")]
FIRST = ROWS[1:]


def said(data: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    with caplog.at_level(logging.INFO, "transfer"):
        resolve(data, Reading())
    return [record.getMessage() for record in caplog.records if "listed" in record.getMessage()]


@pytest.mark.case("L07")
@pytest.mark.parametrize(
    ("more", "whole", "words"),
    [
        (["photos/2.png"], True, "1 image is not listed in labels.csv, such as photos/2.png."),
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
    caplog: pytest.LogCaptureFixture,
) -> None:
    tree({}, *(name for name in more if name.endswith(".txt")))(tmp_path)
    put(tmp_path, (name for name in more if name.endswith(".png")))
    data = table("labels.csv", ROWS, [path for path, _ in FIRST], whole)(tmp_path)
    found = said(data, caplog)
    assert len(found) == bool(words)
    assert words in "".join(found)


@pytest.mark.case("L07")
def test_tables_of_a_split_each_are_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for split in ("train", "test"):
        names = [f"{split}/{n}.png" for n in range(2)]
        lines = [ROWS[0], (names[0], "cat"), (names[1], "dog")]
        table(f"{split}.csv", lines, [*names, f"{split}/more.png"])(tmp_path)
    [text] = said(tmp_path, caplog)
    shown = "test/more.png, train/more.png"
    assert text == f"2 images are not listed in the tables, such as {shown}."
