"""One training per directory."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from transfer.errors import RunError
from transfer.runs.directory import check_output, make_run_directory
from transfer.system.lock import HOLDER, locked

HOLD = """
import sys, time
from pathlib import Path
from transfer.system.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(directory: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.stdout.close()
    return process


@pytest.mark.case("T14")
def test_a_directory_in_use_is_refused_until_its_holder_is_dead(tmp_path: Path) -> None:
    process = hold(tmp_path)
    try:
        for attempt in (lambda: locked(tmp_path).__enter__(), lambda: check_output(tmp_path)):
            with pytest.raises(RunError, match=f"in use by process {process.pid} on "):
                attempt()
        (tmp_path / ".tmpabc-model.keras").write_text("")
        (tmp_path / ".activations-1").mkdir()
        (tmp_path / ".fold-1").mkdir()
        (tmp_path / ".activations-1" / "train.npy").write_text("")
        assert len(list(tmp_path.iterdir())) == 5  # nothing of a living one is cleared away
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet reaped
        with locked(tmp_path):
            assert {item.name for item in tmp_path.iterdir()} == {".lock", HOLDER}
    finally:
        process.kill()
        process.wait()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case("T14")
@pytest.mark.parametrize(
    "left",
    [
        '{"pid": 7, "host": "a-container-that-is-gone", "since": "2026-01-01 10:00:00"}',
        json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": "2026-01-01"}),
        "{",
    ],
    ids=["container", "pid used again", "broken"],
)
def test_what_a_dead_holder_left_stops_nobody(tmp_path: Path, left: str) -> None:
    (tmp_path / HOLDER).write_text(left)
    (tmp_path / ".lock").touch()
    assert check_output(tmp_path) == tmp_path
    with locked(tmp_path):
        assert json.loads((tmp_path / HOLDER).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_only_one_of_many_holds_a_directory(tmp_path: Path) -> None:
    barrier, done = threading.Barrier(8), threading.Event()
    got: list[int] = []
    refused: list[int] = []

    def attempt() -> None:
        barrier.wait()
        try:
            with locked(tmp_path):
                got.append(1)
                done.wait(5)
        except RunError:
            refused.append(1)
            if len(refused) == 7:
                done.set()

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(got), len(refused)) == (1, 7)


def test_a_directory_with_files_in_it_is_refused(tmp_path: Path) -> None:
    assert make_run_directory(tmp_path, "x") == tmp_path
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(RunError, match=r"not empty.*--output; nothing was changed"):
        check_output(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match=r"not empty.*--output, or go on with --resume"):
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
    with pytest.raises(RunError, match=r"Cannot write a run to .*--output") as caught:
        make_run_directory(tmp_path / where, "x")
    assert caught.value.exit_code == 2
    assert (tmp_path / "file").read_text() == "mine"


def test_a_lock_goes_where_the_leftovers_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / ".activations-1").mkdir()
    monkeypatch.setattr("transfer.system.lock.shutil.rmtree", refuse)
    with pytest.raises(RunError, match="Permission denied"):
        locked(tmp_path).__enter__()
    assert [item.name for item in tmp_path.iterdir()] == [".activations-1"]
