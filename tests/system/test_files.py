from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from transfer.errors import UsageError
from transfer.system.files import (
    atomic,
    check_writable,
    is_file,
    unwritable,
    write_json,
    write_text,
)


def test_atomic_leaves_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail_half_way() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_files_have_ordinary_permissions(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {})
    (tmp_path / "b.json").write_text("")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.json", "b.json")]
    assert modes[0] == modes[1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_what_is_no_regular_file_is_written_to_and_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # and not a device: root could do harm to it
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(tmp_path / "pipe", "some text")
        assert os.read(reader, 100) == b"some text"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_what_a_link_leads_to_is_replaced_and_not_the_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(Path("there", "a.txt"))
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "there" / "a.txt").read_text() == "new"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files have no names here")
def test_the_name_of_an_open_file_is_written_to_and_stays(tmp_path: Path) -> None:
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")  # as /dev/stdout, which root could replace
    code = "import sys; from pathlib import Path; from transfer.system.files import write_text;"
    code += "[write_text(Path(name), 'some text') for name in sys.argv[1:]]"
    for name in (str(tmp_path / "stdout"), "/dev/fd/1"):
        with (tmp_path / "out.txt").open("w") as out:
            subprocess.run([sys.executable, "-c", code, name], stdout=out, check=True)
        assert (tmp_path / "out.txt").read_text() == "some text"
    assert (tmp_path / "stdout").is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"stdout", "out.txt"}


def test_a_path_that_is_not_utf8_comes_back(tmp_path: Path) -> None:
    path = os.fsdecode(b"/data/M\xfcnchen")
    write_json(tmp_path / "a.json", {"data": path})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"data": path}
    write_text(tmp_path / "a.html", path)
    assert (tmp_path / "a.html").read_text() == "/data/M\\udcfcnchen"


def test_what_cannot_be_looked_at_is_no_file(tmp_path: Path) -> None:
    assert not is_file(tmp_path / ("a" * 300))
    assert is_file(Path(__file__))


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_umask_decides_who_may_read_a_file(tmp_path: Path, umask: int) -> None:
    code = f"import os, sys; os.umask({umask}); from pathlib import Path\n"
    code += "from transfer.system.files import write_text; write_text(Path(sys.argv[1]), 'x')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], check=True)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~umask


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the umask cannot be read here")
def test_writing_never_changes_the_umask_of_other_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def umask() -> str:
        return next(line for line in status.read_text().splitlines() if line.startswith("Umask"))

    def write(number: int) -> None:
        while not stop.is_set():
            write_text(tmp_path / f"{number}.txt", "x")
            written.add(number)

    def refuse(mask: int) -> int:
        raise AssertionError("it is the umask of all threads")

    monkeypatch.setattr(os, "umask", refuse)
    status, stop = Path("/proc/self/status"), threading.Event()
    written: set[int] = set()
    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        seen = {umask() for _ in range(3000)}
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len(seen) == 1
    assert written == {0, 1, 2}


def test_what_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    for name in ("new.txt", "old.txt"):
        assert unwritable(tmp_path / name) is None
        check_writable(tmp_path / name)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("old.txt", "old")]
    reasons = {
        tmp_path: "Is a directory",
        tmp_path / "no" / "new.txt": "No such file or directory",
        tmp_path / "old.txt" / "new.txt": "Not a directory",
        tmp_path / ("a" * 300): "File name too long",
    }
    for path, reason in reasons.items():
        assert unwritable(path) == reason
        with pytest.raises(UsageError, match=f"Cannot write '{re.escape(str(path))}': {reason}."):
            check_writable(path)


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="no file system refuses root here")
def test_a_file_system_that_takes_no_files() -> None:
    assert unwritable(Path("/sys/new.txt")) in ("Permission denied", "Read-only file system")
    with pytest.raises(OSError, match=r"'/sys/new\.txt'$"):
        write_text(Path("/sys/new.txt"), "x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_to_full_disk() -> None:
        with atomic(path), Path("/dev/full").open("w") as file:
            file.write("x")

    with pytest.raises(OSError, match=f"No space left on device: '{re.escape(str(path))}'"):
        write_to_full_disk()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_text(Path("/dev/full"), "x")
