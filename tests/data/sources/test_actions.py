"""The table of corrections with which a folder is copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import transfer
from transfer.errors import DataError, UsageError
from transfer.images.folder import ImageFolder

MakeFolder = Callable[..., Path]


def table(tmp_path: Path, *rows: str, header: str = "path,reason,action") -> Path:
    path = tmp_path / "fixes.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_images_are_left_out_and_moved(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(per_class=3)
    (folder / "red" / "-x.png").write_bytes((folder / "red" / "0.png").read_bytes())
    rows = ["blue/0.png,,remove", "blue/1.png,,red", "green/0.png,,keep", "green/1.png,,"]
    file = table(tmp_path, *rows, "'-x.png,,", "red/-x.png,,remove")
    with pytest.raises(DataError, match=r"Line 6 of .*'-x\.png' is no image of"):
        transfer.prepare(folder, tmp_path / "copy", fixes=file)
    assert not (tmp_path / "copy").exists()
    file = table(tmp_path, *rows, "red/-x.png,,remove")
    copy = transfer.prepare(folder, tmp_path / "copy", fixes=file)
    assert copy.counts() == {"": {"blue": 1, "green": 3, "red": 4}}
    assert (tmp_path / "copy" / "red" / "1-2.png").is_file() or len(copy) == 8
    assert len(ImageFolder.index(folder)) == 10  # the source is as it was


def test_the_list_of_check_is_taken(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(per_class=4)
    (folder / "red" / "bad.jpg").touch()
    (folder / "red" / "copy.png").write_bytes((folder / "red" / "0.png").read_bytes())
    transfer.check(folder).write_fixes(tmp_path / "fixes.csv")
    copy = transfer.prepare(folder, tmp_path / "better", fixes=tmp_path / "fixes.csv")
    assert len(copy) == 12
    assert not transfer.check(tmp_path / "better").fixes


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("blue/99.png,,remove", r"'blue/99\.png' is no image of"),
        ("blue/0.png,,reed", "expected keep, remove or the name of a class.*Did you mean 'red'"),
        ("blue/0.png,,red\nblue/0.png,,remove", "is there twice"),
    ],
)
def test_what_cannot_be_done_is_named_with_its_line(
    make_folder: MakeFolder, tmp_path: Path, row: str, words: str
) -> None:
    with pytest.raises(DataError, match=rf"Line [23] of .*fixes\.csv.*{words}"):
        transfer.prepare(make_folder(), tmp_path / "copy", fixes=table(tmp_path, row))
    assert not (tmp_path / "copy").exists()


def test_other_tables_and_sources_are_refused(make_folder: MakeFolder, tmp_path: Path) -> None:
    file = table(tmp_path, "a,b", header="path,todo")
    with pytest.raises(DataError, match=r"the columns path and action in .* Received: path, todo"):
        transfer.prepare(make_folder(), tmp_path / "copy", fixes=file)
    with pytest.raises(UsageError, match="Expected a folder with fixes="):
        transfer.prepare("sample:shapes", tmp_path / "copy", fixes=file)
