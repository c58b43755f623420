"""One holder per directory, no matter how the last one ended."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from transfer.system.lock import HOLDER, LOCK, HeldError, Holder, hold, refuse_if_held

HOLD = """
import socket, sys, time
from pathlib import Path
if sys.argv[2]:
    socket.gethostname = lambda: sys.argv[2]
from transfer.system.lock import HeldError, hold
try:
    with hold(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
except HeldError as error:
    print("refused", error.holder, flush=True)
"""


def start(directory: Path, host: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(directory), host]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def first_word(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().partition(" ")[0].strip()


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(params=["", "elsewhere"])
def holder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process, of this host or under the name of another one, that holds `tmp_path`."""
    process = start(tmp_path, request.param)
    assert first_word(process) == "held"
    yield process
    finish(process)


@pytest.mark.case("T14")
def test_a_directory_is_free_once_its_holder_is_killed(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    """A killed container has another host name than the one that comes after it."""
    for attempt in (lambda: hold(tmp_path).__enter__(), lambda: refuse_if_held(tmp_path)):
        with pytest.raises(HeldError) as caught:
            attempt()
        assert caught.value.holder is not None
        assert caught.value.holder.pid == holder.pid
    assert {item.name for item in tmp_path.iterdir()} == {LOCK, HOLDER}
    holder.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet reaped
    refuse_if_held(tmp_path)
    with hold(tmp_path):
        assert json.loads((tmp_path / HOLDER).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_the_holder_is_named_with_its_host() -> None:
    assert str(Holder(7, "elsewhere", "")) == "process 7 on elsewhere"
    assert str(Holder(7, socket.gethostname(), "")) == "process 7 on this machine"


@pytest.mark.parametrize(
    "text",
    [
        '{"pid": 7, "host": "elsewhere", "since": "2026-01-01 10:00:00"}',
        f'{{"pid": {os.getpid()}, "host": "{socket.gethostname()}", "since": "2026-01-01"}}',
        "{",
    ],
    ids=["elsewhere", "this process", "broken"],
)
def test_a_record_without_a_lock_means_nothing(tmp_path: Path, text: str) -> None:
    """As in runs of earlier versions, whose lock was that file."""
    (tmp_path / HOLDER).write_text(text)
    refuse_if_held(tmp_path)
    with hold(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def record(**changes: object) -> str:
    return json.dumps({"pid": 7, "host": "elsewhere", "since": "2026"} | changes)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        None,
        "[" * 100_000,
        *(record(pid=pid) for pid in (0, -1, 10**20, float("inf"), "7", 7.5, True)),
        record(host=5),
    ],
)
def test_a_holder_that_nothing_is_known_of_still_holds(tmp_path: Path, text: str | None) -> None:
    with hold(tmp_path):
        (tmp_path / HOLDER).unlink()
        if text is not None:
            (tmp_path / HOLDER).write_text(text)
        with pytest.raises(HeldError) as caught:
            refuse_if_held(tmp_path)
    assert caught.value.holder is None


def test_a_long_name_of_a_host_is_cut() -> None:
    assert len(str(Holder(7, 100_000 * "x", ""))) < 300


def test_of_processes_at_once_one_holds(tmp_path: Path) -> None:
    processes = [start(tmp_path) for _ in range(3)]
    try:
        words = sorted(map(first_word, processes))
    finally:
        finish(*processes)
    assert words == ["held", "refused", "refused"]


def test_of_threads_at_once_one_holds(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()  # as a kill leaves it
    barrier, done = threading.Barrier(8), threading.Event()
    held: list[int] = []
    refused: list[int] = []

    def attempt() -> None:
        barrier.wait()
        try:
            with hold(tmp_path):
                held.append(1)
                done.wait(20)
        except HeldError:
            refused.append(1)
            if len(refused) == 7:
                done.set()

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(held), len(refused)) == (1, 7)


def test_looking_never_refuses_a_holder(tmp_path: Path) -> None:
    """A check takes the lock for an instant, and a training waits for its end."""
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            with suppress(HeldError):
                refuse_if_held(tmp_path)

    thread = threading.Thread(target=look)
    (tmp_path / LOCK).touch()
    thread.start()
    try:
        for _ in range(50):
            with hold(tmp_path):
                pass
    finally:
        stop.set()
        thread.join()


def test_looking_writes_nothing(tmp_path: Path) -> None:
    refuse_if_held(tmp_path)
    refuse_if_held(tmp_path / "nowhere")
    refuse_if_held(Path("/proc"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["nowhere", "file"])
def test_where_nothing_can_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=place):
        hold(tmp_path / place).__enter__()
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_warned_of(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: int,
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / LOCK).touch()  # as a kill leaves it: it must not block for ever
    refuse_if_held(tmp_path)
    with hold(tmp_path):
        assert (tmp_path / HOLDER).is_file()
    assert "no file locks. Make sure that no other training writes there" in caplog.text
    assert list(tmp_path.iterdir()) == []
