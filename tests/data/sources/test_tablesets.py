from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from layouts import put
from toys import place

from transfer.data.sources import tables
from transfer.data.sources.tablesets import find_tables
from transfer.images.layout.describe import describe
from transfer.recipe.reading import Reading


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often a folder was listed and a table read, counted beside the real thing."""
    found = {"listed": 0, "read": 0}

    def count(owner: Any, name: str, key: str) -> None:
        real = getattr(owner, name)

        def counting(*arguments: Any) -> Any:
            found[key] += 1
            return real(*arguments)

        monkeypatch.setattr(owner, name, counting)

    count(os, "scandir", "listed")
    count(tables, "read_grid", "read")
    return found


def pictures(root: Path, number: int) -> list[str]:
    return [f"images/{'ab'[n % 2]}/{n:03d}.png" for n in range(number)]


def test_tables_beside_each_image_are_not_tried(tmp_path: Path, calls: dict[str, int]) -> None:
    """They would be read one by one: a thousand images took minutes."""
    put(tmp_path, pictures(tmp_path, 30))
    (tmp_path / "labels").mkdir()
    for number in range(30):
        (tmp_path / f"labels/{number:03d}.csv").write_text("x,y\n1,2\n3,4\n")
    assert find_tables(describe(tmp_path), Reading()) is None
    assert calls["read"] == 0


def test_a_table_above_those_of_each_image_counts(tmp_path: Path) -> None:
    put(tmp_path, names := pictures(tmp_path, 30))
    (tmp_path / "boxes").mkdir()
    for number in range(30):
        (tmp_path / f"boxes/{number:03d}.csv").write_text("x,y\n1,2\n3,4\n")
    rows = "".join(f"{name},{'xyz'[n % 3]}\n" for n, name in enumerate(names))
    (tmp_path / "labels.csv").write_text("path,label\n" + rows)
    found = find_tables(describe(tmp_path), Reading())
    assert found is not None
    assert {row.label for row in found.rows} == {"x", "y", "z"}


def test_all_tables_share_one_walk(tmp_path: Path, calls: dict[str, int]) -> None:
    put(tmp_path, pictures(tmp_path, 4))
    for number in range(10):
        (tmp_path / f"colours{number}.csv").write_text("colour,size\nred,1\nblue,2\n")
    rows = "000,cat\n001,dog\n002,cat\n003,dog\n"  # ids, which have to be searched for
    (tmp_path / "labels.csv").write_text("id,label\n" + rows)
    survey = describe(tmp_path)
    once = calls["listed"]
    assert once == 4
    found = find_tables(survey, Reading())
    assert calls == {"listed": once, "read": 11}
    assert found is not None
    assert [row.label for row in found.rows] == ["cat", "dog", "cat", "dog"]


def test_ids_mean_files_below_the_folder_of_their_table(tmp_path: Path) -> None:
    put(tmp_path, ["train/in/1.png", "train/in/2.png", "test/in/1.png", "test/in/2.png"])
    for split, words in {"train": ("a", "b"), "test": ("b", "a")}.items():
        (tmp_path / f"{split}/labels.csv").write_text("id,label\n1,{}\n2,{}\n".format(*words))
    root, _ = place(tmp_path)
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    train = ["train/a/train-in-1.png", "train/b/train-in-2.png"]
    assert names == ["test/a/test-in-2.png", "test/b/test-in-1.png", *train]


def test_a_file_without_extension_is_one(tmp_path: Path) -> None:
    (put(tmp_path, ["a.png"]) / "a.png").rename(tmp_path / "a")
    assert describe(tmp_path).by_name == {"a": ["a"]}
