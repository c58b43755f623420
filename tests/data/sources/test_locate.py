from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from layouts import put

from transfer.data.sources import locate
from transfer.data.sources.tables import read_table
from transfer.errors import DataError
from transfer.recipe.reading import Reading

NAMES = ["photos/1.png", "photos/2.png", "photos/3.png", "photos/4.png"]
PATHS = "".join(f"{name},{'ab'[n % 2]}\n" for n, name in enumerate(NAMES))
IDS = "1,a\n2,b\n3,a\n4,b\n"


@pytest.mark.parametrize(
    "text",
    [
        "file,label\n" + PATHS,
        "picture,breed\n" + PATHS,
        "breed,where\n" + "".join(f"{'ab'[n % 2]},{name}\n" for n, name in enumerate(NAMES)),
        PATHS,
    ],
)
def test_paths_that_are_right_need_no_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(locate, "describe", None)
    (put(tmp_path, NAMES) / "labels.csv").write_text(text)
    assert [row.label for row in read_table(tmp_path / "labels.csv").rows] == ["a", "b"] * 2


def test_a_column_that_names_the_table_holds_no_images(tmp_path: Path) -> None:
    rows = IDS.replace("a\n", "a,labels.csv\n").replace("b\n", "b,labels.csv\n")
    (put(tmp_path, NAMES) / "labels.csv").write_text("id,label,source\n" + rows)
    found = read_table(tmp_path / "labels.csv").rows
    assert [row.file.relative_to(tmp_path).as_posix() for row in found] == NAMES


def test_folders_that_may_not_be_listed_are_passed_over(
    tmp_path: Path, unprivileged: Callable[[str], str]
) -> None:
    root = shutil.copytree(put(tmp_path / "data", NAMES), unprivileged.home / "data")
    (root / "private").mkdir(mode=0)
    said = unprivileged("print(Locator(Path(os.environ['HERE'], 'data')).resolves('3'))")
    assert said == "True"


def test_links_that_lead_out_are_followed_only_if_asked(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", ["1.png", "2.png", "3.png", "4.png"])
    (tmp_path / "set").mkdir()
    (tmp_path / "set/photos").symlink_to(tmp_path / "elsewhere")
    table = tmp_path / "set/labels.csv"
    table.write_text("id,label\n" + IDS)
    assert len(read_table(table, Reading(follow_links=True)).rows) == 4
    with pytest.raises(DataError, match=r"4 of 4 files of the table .* are missing"):
        read_table(table)
