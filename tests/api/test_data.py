from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import transfer

Make = Callable[..., Path]


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")
    }


def test_a_folder_is_copied_without_junk(make_folder: Make, tmp_path: Path) -> None:
    source = make_folder(per_class=3)
    (source / "red" / "._0.png").write_bytes(b"\0\5\x16\7")
    (source / "red" / "notes.txt").write_text("mine")
    (source / ".git").mkdir()
    before = snapshot(source)
    index = transfer.prepare(source, tmp_path / "new" / "out")
    assert index.root == tmp_path / "new" / "out"
    assert index.counts() == {"": {"blue": 3, "green": 3, "red": 3}}
    assert sum(path.is_file() for path in index.root.rglob("*")) == 9
    assert index.file("red/0.png").read_bytes() == (source / "red/0.png").read_bytes()
    assert snapshot(source) == before
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_splits_are_kept(make_folder: Make, tmp_path: Path) -> None:
    source = make_folder(per_class=2, splits=("train", "test"))
    assert set(transfer.prepare(source, tmp_path / "out").counts()) == {"train", "test"}


def test_a_class_without_images_does_no_harm(make_folder: Make, tmp_path: Path) -> None:
    source = make_folder(per_class=2)
    (source / "void").mkdir()
    assert transfer.prepare(source, tmp_path / "out").classes == ("blue", "green", "red")


def test_links_are_not_followed(
    make_folder: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, other = make_folder(per_class=2), tmp_path / "other.png"
    shutil.copy(source / "red/0.png", other)
    (source / ".store").mkdir()
    (source / ".store" / "x.png").write_bytes(other.read_bytes())
    (source / "red" / "x.png").symlink_to(source / ".store" / "x.png")
    assert len(transfer.prepare(source, tmp_path / "out")) == 6
    assert "Left out 1 link(s)" in caplog.text
    assert len(transfer.prepare(source, tmp_path / "with", follow_links=True)) == 7
    (source / "red" / "y.png").symlink_to(other)
    with pytest.raises(transfer.DataError, match="leads out"):
        transfer.prepare(source, tmp_path / "no")
    assert len(transfer.prepare(source, tmp_path / "all", follow_links=True)) == 8
    assert not [path for path in (tmp_path / "all").rglob("*") if path.is_symlink()]


def test_an_empty_folder_may_be_there(make_folder: Make, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert len(transfer.prepare(make_folder(per_class=1), tmp_path / "out")) == 3


def test_places_that_cannot_be_written(
    make_folder: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_folder(per_class=1)
    before = snapshot(tmp_path)
    (tmp_path / "file").write_text("mine")
    for dest, words in (
        (source, "is not empty"),
        (source / "out", "lies within"),
        (tmp_path / "file", "is a file"),
    ):
        with pytest.raises(transfer.DataError, match=words):
            transfer.prepare(source, dest)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(transfer.DataError, match="below this one"):
        transfer.prepare(source, ".")
    assert (tmp_path / "file").read_text() == "mine"
    assert snapshot(source).items() <= before.items()
    assert list((tmp_path / "here").iterdir()) == []


def test_what_no_command_could_use_is_not_written(tmp_path: Path, make_folder: Make) -> None:
    source = make_folder(per_class=1)
    shutil.make_archive(str(tmp_path / "flat"), "zip", source / "red")
    with pytest.raises(transfer.DataError, match=r"flat\.zip' holds no classes"):
        transfer.prepare(tmp_path / "flat.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("fault", "expected", "words"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (
            OSError(28, "No space left on device", "red/1.png"),
            transfer.TransferError,
            "write .*out",
        ),
        (
            FileNotFoundError(2, "No such file", "red/1.png"),
            transfer.DataError,
            r"read 'red/1\.png'",
        ),
    ],
)
def test_what_goes_wrong_in_the_middle_leaves_nothing(
    make_folder: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException,
    expected: type[BaseException],
    words: str | None,
) -> None:
    source, copy, done = make_folder(per_class=2), shutil.copyfile, []

    def copyfile(*arguments: Path) -> None:
        done.append(copy(*arguments))
        if len(done) == 3:
            raise fault

    monkeypatch.setattr("shutil.copyfile", copyfile)
    before = snapshot(tmp_path)
    with pytest.raises(expected, match=words):
        transfer.prepare(source, tmp_path / "new" / "out")
    assert snapshot(tmp_path) == before


def test_arguments_that_make_no_sense(tmp_path: Path) -> None:
    for values in (
        {"sha256": "12"},
        {"max_size": "much"},
        {"max_files": 0},
        {"max_files": "9"},
        {"max_ratio": -1},
    ):
        with pytest.raises(transfer.UsageError):
            transfer.prepare("sample:shapes", tmp_path / "out", **values)
    assert not (tmp_path / "out").exists()


def test_the_digest_of_an_archive_at_hand(make_folder: Make, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "x"), "zip", make_folder(per_class=1))
    with pytest.raises(transfer.DataError, match="instead of 0000"):
        transfer.prepare(tmp_path / "x.zip", tmp_path / "out", sha256="0" * 64)
    with pytest.raises(transfer.UsageError, match="64 hex digits"):
        transfer.prepare(tmp_path / "x.zip", tmp_path / "out", sha256="z" * 64)
    assert len(transfer.prepare(tmp_path / "x.zip", tmp_path / "out")) == 3


def test_an_archive_is_trained_on_and_evaluated(
    toy: str, make_folder: Make, tmp_path: Path
) -> None:
    shutil.make_archive(str(tmp_path / "colours"), "gztar", make_folder(), verbose=False)
    run = transfer.finetune(
        tmp_path / "colours.tar.gz",
        output=tmp_path / "run",
        backbone=toy,
        head_epochs=2,
        views=0,
        unfreeze="none",
    )
    assert set(run.info.counts["train"]) == {"blue", "green", "red"}
    assert transfer.evaluate(run, tmp_path / "colours.tar.gz")["n"] == 30
