from __future__ import annotations

import os
from pathlib import Path

import pytest

from transfer.data.sources.staging import PREFIX, new_folder


def test_it_appears_at_the_end(tmp_path: Path) -> None:
    with new_folder(tmp_path / "new" / "x") as folder:
        (folder / "a").touch()
        assert not (tmp_path / "new").exists()
    assert [path.name for path in (tmp_path / "new" / "x").iterdir()] == ["a"]
    assert (tmp_path / "new" / "x").stat().st_mode & 0o777 == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_what_stands_there_stays(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine").touch()
    with pytest.raises(OSError, match="not empty"), new_folder(tmp_path / "x") as folder:
        (folder / "a").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["mine"]


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left, young = tmp_path / f"{PREFIX}abcd_123", tmp_path / f"{PREFIX}abcd_456"
    for path in (left, young):
        (path / "a").mkdir(parents=True)
    os.utime(left, (0, 0))
    with new_folder(tmp_path / "x"):
        assert not left.exists()
        assert young.exists()
        [held] = set(tmp_path.glob(f"{PREFIX}*")) - {young}
        os.utime(held, (0, 0))
        with new_folder(tmp_path / "y"):
            assert held.exists()  # its process lives


def test_what_others_have_made_stays(tmp_path: Path) -> None:
    names = [".transfer-cache", f"{PREFIX}mine", f"{PREFIX}abcd_1234", f"{PREFIX}ABCD_123"]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / f"{PREFIX}abcd_123").symlink_to(tmp_path / ".transfer-cache")
    os.mkfifo(tmp_path / f"{PREFIX}abcd_456")
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    before = set(tmp_path.iterdir())
    with new_folder(tmp_path / "x"):
        pass
    assert set(tmp_path.iterdir()) == before | {tmp_path / "x"}
