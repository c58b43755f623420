"""One training per directory, and only in an empty one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from transfer.errors import RunError
from transfer.runs.directory import check_output, locked, make_run_directory
from transfer.system.lock import HOLDER, LOCK


@pytest.mark.case("T14")
def test_a_directory_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / ".activations-1").mkdir()
        words = f"in use: process {os.getpid()} on this machine has been training in it since 20"
        for attempt in (lambda: locked(tmp_path).__enter__(), lambda: check_output(tmp_path)):
            with pytest.raises(RunError, match=f"{words}.*another output="):
                attempt()
        (tmp_path / HOLDER).unlink()
        with pytest.raises(RunError, match="in use: another process holds it"):
            check_output(tmp_path)
        assert (tmp_path / ".activations-1").is_dir()


def test_what_a_kill_leaves_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".tmpabc-model.keras").touch()
    (tmp_path / "tmp0123abcd").touch()
    for name in (".activations-1", ".fold-1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.npy").touch()
    (tmp_path / "model.keras").touch()
    with locked(tmp_path):
        assert {item.name for item in tmp_path.iterdir()} == {LOCK, HOLDER, "model.keras"}
    assert [item.name for item in tmp_path.iterdir()] == ["model.keras"]


def test_a_directory_with_nothing_but_a_dead_lock_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    (tmp_path / HOLDER).write_text(json.dumps({"pid": 7, "host": "elsewhere", "since": "2026"}))
    assert make_run_directory(tmp_path, "x") == tmp_path
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(RunError, match=r"not empty; nothing was changed.*output=$"):
        check_output(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match=r"not empty.*output=, or continue with: transfer\.resume\("):
        check_output(tmp_path)


def test_runs_are_numbered_and_never_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [make_run_directory(None, "my dogs/vgg16").name for _ in range(2)]
    assert names == ["my-dogs-vgg16-001", "my-dogs-vgg16-002"]


@pytest.mark.case("T04")
@pytest.mark.parametrize("where", ["file", "file/below", "/proc/nowhere"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("mine")
    for attempt in (
        lambda: make_run_directory(tmp_path / where, "x"),
        lambda: check_output(tmp_path / where),
        lambda: locked(tmp_path / where).__enter__(),
    ):
        with pytest.raises(RunError, match=r"Cannot write a run to .*output=") as caught:
            attempt()
        assert caught.value.exit_code == 2
    assert (tmp_path / "file").read_text() == "mine"


def test_the_lock_is_freed_where_leftovers_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / ".activations-1").mkdir()
    monkeypatch.setattr("transfer.runs.directory.shutil.rmtree", refuse)
    with pytest.raises(RunError, match="Permission denied"):
        locked(tmp_path).__enter__()
    assert [item.name for item in tmp_path.iterdir()] == [".activations-1"]
