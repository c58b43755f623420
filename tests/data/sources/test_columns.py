from __future__ import annotations

from pathlib import Path

import pytest
from layouts import put

from transfer.data.sources.tables import read_table
from transfer.errors import DataError
from transfer.recipe.reading import Reading

NAMES = ["1.png", "2.png", "3.png", "4.png"]
ROWS = "".join(f"{name},{'ab'[n % 2]},{n // 2}\n" for n, name in enumerate(NAMES))
ROWS = ROWS.replace(",0\n", ",train\n").replace(",1\n", ",test\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return put(tmp_path, NAMES)


@pytest.mark.parametrize("header", ["photo,what,where\n", ""])
@pytest.mark.parametrize(
    ("knob", "number"), [("path_column", "1"), ("label_column", "2"), ("split_column", "3")]
)
def test_columns_by_their_number(folder: Path, header: str, knob: str, number: str) -> None:
    (folder / "a.csv").write_text(header + ROWS)
    rows = read_table(folder / "a.csv", Reading(**{"label_column": "2", knob: number})).rows
    assert [(row.path, row.label, row.split) for row in rows] == [
        ("1.png", "a", "train"),
        ("2.png", "b", "train"),
        ("3.png", "a", "test"),
        ("4.png", "b", "test"),
    ]


@pytest.mark.parametrize("knob", ["path_column", "label_column", "split_column"])
@pytest.mark.parametrize("name", ["4", "0", "wher"])
def test_columns_that_are_not_there(folder: Path, knob: str, name: str) -> None:
    (folder / "a.csv").write_text("photo,what,where\n" + ROWS)
    words = f"has no column '{name}'.*Expected as {knob}= one of: photo, what, where"
    with pytest.raises(DataError, match=words):
        read_table(folder / "a.csv", Reading(**{"label_column": "2", knob: name}))


def test_no_splits(folder: Path) -> None:
    (folder / "a.csv").write_text("photo,class,split\n" + ROWS)
    assert {row.split for row in read_table(folder / "a.csv").rows} == {"train", "test"}
    rows = read_table(folder / "a.csv", Reading(split_column="none")).rows
    assert {row.split for row in rows} == {""}
