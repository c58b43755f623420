from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from transfer.data.audit import clean, ledger
from transfer.data.audit import look as look_module
from transfer.data.audit.clean import audit
from transfer.data.audit.look import look_at
from transfer.images.folder import ImageFolder
from transfer.system.digests import RACY


@pytest.fixture
def reads(monkeypatch):
    """Count the files that are read."""
    read = []

    def look(file, full):
        read.append(file.name)
        return look_at(file, full)

    monkeypatch.setattr(clean, "look_at", look)
    return read


@pytest.fixture
def folder(tree):
    """Three images that were written long ago."""
    root = tree({"a": 2, "b": 1})
    for path in root.rglob("*.jpg"):
        os.utime(path, (1000, 1000))
    return ImageFolder.index(root)


def test_second_run_reads_no_file(folder, reads):
    (folder.root / "a" / "1.jpg").write_bytes(b"<html>")
    os.utime(folder.root / "a" / "1.jpg", (1000, 1000))
    first = audit(folder)
    assert len(reads) == 3
    assert audit(folder) == first
    assert len(reads) == 3
    assert first.bad[0][0] == "a/1.jpg"


def change_bytes(path):
    path.write_bytes(path.read_bytes() + b"x")
    os.utime(path, (1000, 1000))


def replace(path):
    path.with_name("new").write_bytes(path.read_bytes())
    path.with_name("new").replace(path)
    os.utime(path, (1000, 1000))


@pytest.mark.parametrize(
    "change",
    [change_bytes, replace, lambda path: os.utime(path, (1001, 1001)), lambda p: p.chmod(0o600)],
    ids=["size", "inode", "mtime", "ctime"],
)
def test_changed_file_is_read_again(folder, reads, change):
    audit(folder)
    change(folder.root / "b" / "0.jpg")
    audit(folder)
    assert len(reads) == 4


@pytest.mark.parametrize("field", ["st_size", "st_mtime_ns", "st_ino", "st_ctime_ns"])
def test_file_is_known_by_all_of_its_state(field):
    state = {"st_size": 1, "st_mtime_ns": 2, "st_ino": 3, "st_ctime_ns": 4}
    before, after = SimpleNamespace(**state), SimpleNamespace(**state | {field: 5})
    assert ledger._stamp(before) != ledger._stamp(after)


def test_file_that_was_just_written_is_not_trusted(folder, reads):
    os.utime(folder.root / "b" / "0.jpg")
    audit(folder)
    audit(folder)
    assert reads.count("0.jpg") == 3
    past = time.time() - RACY - 1
    os.utime(folder.root / "b" / "0.jpg", (past, past))
    audit(folder)
    audit(folder)
    assert reads.count("0.jpg") == 4


def test_what_lies_outside_of_the_bytes_is_not_remembered(folder, monkeypatch):
    def fail(file, full):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(clean, "look_at", fail)
        assert audit(folder).bad[0] == ("a/0.jpg", "cannot be read: Input/output error.")
    assert not audit(folder).bad


@pytest.mark.parametrize("fault", [MemoryError(), OSError(24, "Too many open files")])
def test_fault_that_passes_is_not_remembered(folder, monkeypatch, fault):
    def fail(image, full):
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(look_module, "_thumbnail", fail)
        assert len(audit(folder).bad) == 3
    assert not audit(folder).bad


def test_what_further_packages_read_is_read_again_when_they_come_and_go(folder, reads, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    colours = np.linspace(0, 1, 64 * 64 * 3, dtype=np.float32).reshape(64, 64, 3)
    tifffile.imwrite(folder.root / "a" / "1.jpg", colours, photometric="rgb")
    os.utime(folder.root / "a" / "1.jpg", (1000, 1000))
    assert not audit(folder).bad
    reads.clear()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tifffile", None)  # as if it were not installed
        for _ in range(2):
            ((path, reason),) = audit(folder).bad
            assert (path, "pip install" in reason) == ("a/1.jpg", True)
        assert reads == ["1.jpg"]
    for _ in range(2):
        assert not audit(folder).bad
    assert reads == ["1.jpg", "1.jpg"]


def test_zero_switches_it_off(folder, reads, monkeypatch):
    monkeypatch.setenv("TRANSFER_CACHE", "0")
    audit(folder)
    audit(folder)
    assert len(reads) == 6
    assert not ledger.ledger_file().exists()


def test_other_version_is_forgotten(folder, reads, monkeypatch):
    audit(folder)
    monkeypatch.setattr(ledger, "_VERSION", 999_999)
    audit(folder)
    audit(folder)
    assert len(reads) == 6


def test_it_stays_within_its_bounds(folder, monkeypatch):
    monkeypatch.setattr(ledger, "MOST_FILES", 2)
    audit(folder)
    database = sqlite3.connect(ledger.ledger_file())
    assert database.execute("SELECT count(*) FROM files").fetchone() == (2,)
    database.close()


def test_the_longest_unused_goes_first(folder, monkeypatch):
    audit(folder)
    database = sqlite3.connect(ledger.ledger_file())
    with database:
        database.execute("UPDATE files SET used = 0")
    audit(folder.keep([True, True, False]))
    monkeypatch.setattr(ledger, "MOST_FILES", 2)
    os.utime(folder.root / "a" / "1.jpg", (1001, 1001))
    audit(folder.keep([True, True, False]))
    left = [os.fsdecode(path) for (path,) in database.execute("SELECT path FROM files")]
    database.close()
    assert [path[-7:] for path in sorted(left)] == ["a/0.jpg", "a/1.jpg"]


def test_damaged_database_is_made_anew(folder, reads):
    audit(folder)
    ledger.ledger_file().write_bytes(b"no database" * 1000)
    audit(folder)
    audit(folder)
    assert len(reads) == 6


def test_damaged_row_is_read_again(folder, reads):
    audit(folder)
    database = sqlite3.connect(ledger.ledger_file())
    with database:
        database.execute("UPDATE files SET look = '{}'")
    database.close()
    assert not audit(folder).bad
    assert len(reads) == 6


def test_place_that_cannot_be_written_is_done_without(folder, reads, said):
    ledger.ledger_file().parent.parent.mkdir()
    ledger.ledger_file().parent.write_text("a file")
    assert len(audit(folder).sha256) == 3
    assert "Files are read again in every run" in said()


def test_interrupt_keeps_what_was_done(folder, monkeypatch, reads):
    def stop(file, full):
        if file.parent.name == "b":
            raise KeyboardInterrupt
        return look_at(file, full)

    with monkeypatch.context() as patch:
        patch.setattr(clean, "look_at", stop)
        with pytest.raises(KeyboardInterrupt):
            audit(folder)
    audit(folder)
    assert reads == ["0.jpg"]


def test_interrupt_does_not_wait_for_the_other_files(tree, monkeypatch):
    folder = ImageFolder.index(tree({"a": 60, "b": 60}))
    read = []

    def stop(file, full):
        read.append(file)
        time.sleep(0.01)
        if len(read) > 3:
            raise KeyboardInterrupt
        return look_at(file, full)

    monkeypatch.setattr(clean, "look_at", stop)
    with pytest.raises(KeyboardInterrupt):
        audit(folder)
    assert len(read) < 60


def test_two_processes_at_once(tree):
    root = tree({"a": 30, "b": 30})
    for path in root.rglob("*.jpg"):
        os.utime(path, (1000, 1000))
    code = "import sys; from transfer.data.audit import ledger; ledger._BATCH = 2\n"
    code += "from transfer.data.audit.clean import audit; from transfer.images.folder import *\n"
    code += "print(len(audit(ImageFolder.index(sys.argv[1])).sha256))"
    command = [sys.executable, "-W", "error", "-c", code, str(root)]
    said = "Read as: 2 classes: a, b\n"
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate() for process in both] == [("60\n", said)] * 2
    database = sqlite3.connect(ledger.ledger_file())
    assert database.execute("SELECT count(*) FROM files").fetchone() == (60,)
    database.close()


def test_results_of_the_earlier_version_are_completed_from_the_header(
    folder, reads, encoded, picture
):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    (folder.root / "a" / "0.jpg").write_bytes(encoded(picture(), icc_profile=profile))
    (folder.root / "b" / "0.jpg").write_bytes(encoded(Image.fromarray(ramp), "PNG"))
    for path in folder.root.rglob("*.jpg"):
        os.utime(path, (1000, 1000))
    first = audit(folder)
    with closing(sqlite3.connect(ledger.ledger_file())) as database, database:
        rows = database.execute("SELECT path, look FROM files").fetchall()
        for path, text in rows:
            look = json.loads(text)
            del look["version"], look["span"], look["header"]["profile"], look["header"]["bits"]
            database.execute("UPDATE files SET look = ? WHERE path = ?", (json.dumps(look), path))
    reads.clear()
    assert audit(folder) == first
    assert reads == ["0.jpg"]  # the one of 16 bits
    assert first.looks["a/0.jpg"].header.profile == "unusable"
    reads.clear()
    assert audit(folder) == first
    assert reads == []


def test_marked_colours_are_seen_in_results_of_the_version_before(folder, reads, picture):
    for path in folder.root.rglob("*.jpg"):
        info = PngInfo()
        info.add(b"gAMA", (100_000).to_bytes(4, "big"))  # linear
        picture().save(path, "PNG", pnginfo=info)
        os.utime(path, (1000, 1000))
    first = audit(folder)
    assert first.unusual == set(folder.paths)
    with closing(sqlite3.connect(ledger.ledger_file())) as database, database:
        for path, text in database.execute("SELECT path, look FROM files").fetchall():
            look = json.loads(text) | {"version": 4}
            look["header"]["profile"] = ""
            database.execute("UPDATE files SET look = ? WHERE path = ?", (json.dumps(look), path))
    reads.clear()
    assert audit(folder) == first
    assert reads == []  # the header says all
