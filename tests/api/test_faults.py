"""Full disks, little memory, signals and diverging rates, in real processes."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

import transfer
from transfer.system.csv import read_csv
from transfer.training.keep.state import load_state

MakeFolder = Callable[..., Path]
Start = Callable[..., Any]
LONG = {"epochs": 5000, "patience": 5000}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            return


@pytest.mark.case("T03")
@pytest.mark.parametrize(
    "knobs",
    [
        {"monitor": "val_accuracy", "learning_rate": 1e-9},  # history.csv does not fit
        pytest.param({"monitor": "loss"}, marks=pytest.mark.slow),  # or model.keras
    ],
)
def test_a_full_disk_leaves_the_best_model(
    start: Start, make_folder: MakeFolder, small_disk: Path, knobs: dict[str, object]
) -> None:
    path = small_disk / "run"
    toy = start("finetune", make_folder(per_class=4), "-o", path, knobs=LONG | knobs)
    assert toy.wait_for("Epoch 2/")
    fill(small_disk)
    assert toy.end() == 1
    last = toy.said.strip().splitlines()[-1]
    assert last.startswith(f"Error: The disk is full: {path}")
    assert "MB are free" in last
    assert last.endswith(f"--resume {path}")
    assert keras.models.load_model(path / "model.keras", compile=False)
    saved = load_state(path)
    assert saved is not None
    assert saved.epoch >= 1
    assert not list(path.glob(".*"))


LITTLE_MEMORY = """
import resource, tensorflow
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 600_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""


@pytest.mark.slow
@pytest.mark.case("T22")
def test_little_memory_gives_advice_and_spoils_nothing(
    start: Start, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, path = make_folder(per_class=10), tmp_path / "run"
    knobs = LONG | {"image_size": 1024, "batch_size": 30, "views": 0, "trunk_cache": "0"}
    toy = start("finetune", folder, "-o", path, knobs=knobs)
    assert toy.wait_for("Epoch 1/"), toy.said
    toy.end(signal.SIGKILL)
    before = {file.name: file.read_bytes() for file in path.glob("*[sz]") if file.is_file()}
    assert "model.keras" in before
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")  # each thread's own takes 64 MB of the limit
    toy = start("finetune", "--resume", path, before=LITTLE_MEMORY)
    assert toy.end() == 1, toy.said
    assert "Error: Out of memory. Try a smaller --batch-size" in toy.said.splitlines()[-1]
    assert {file.name: file.read_bytes() for file in path.glob("*[sz]")} == before


@pytest.mark.slow
@pytest.mark.case("T06")
@pytest.mark.parametrize("moment", ["Writing to", "Head fitted", "Epoch 1/", "Epoch 2/"])
def test_sigterm_ends_it_soon_and_resume_goes_on(
    start: Start, make_folder: MakeFolder, tmp_path: Path, moment: str
) -> None:
    path = tmp_path / "run"
    toy = start("finetune", make_folder(per_class=4), "-o", path, knobs=LONG)
    assert toy.wait_for(moment), toy.said
    assert toy.end(signal.SIGTERM) == 143, toy.said
    assert toy.seconds < 20  # 1 to 3 on an idle machine
    assert "Traceback" not in toy.said
    assert not list(path.glob(".*"))
    assert not (path / "lock.json").exists()
    epochs = int(moment[6]) if moment.startswith("Epoch") else 0
    saved = load_state(path)
    assert (0 if saved is None else saved.epoch) >= epochs


@pytest.mark.case("T08")
@pytest.mark.case("T10")
def test_a_rate_that_explodes_ends_the_epoch_that_it_is_in(
    toy: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder, path = make_folder(per_class=8), tmp_path / "run"
    with pytest.raises(transfer.TransferError, match=r"epoch 1 of .*'finetune'.*learning_rate="):
        transfer.finetune(
            folder, output=path, backbone=toy, head_epochs=2, batch_size=2, learning_rate=1e38
        )
    rows = read_csv(path / "history.csv")
    assert {row["phase"] for row in rows} == {"head"}  # not even the validation was run
    saved = load_state(path)
    assert saved is not None
    assert saved.epoch == 0


BOUNDED = """
import os, threading, time
from pathlib import Path
def look():
    while True:
        time.sleep(0.5)
        rss = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        files = len(os.listdir("/proc/self/fd"))
        with open(os.environ["LOOK"], "a") as log:
            print(rss // 1_000_000, files, len(os.listdir(os.environ["TMPDIR"])), file=log)
threading.Thread(target=look, daemon=True).start()
"""


@pytest.mark.slow
@pytest.mark.case("T20")
def test_500_epochs_stay_bounded(
    start: Start, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("LOOK", str(tmp_path / "look"))
    path = tmp_path / "run"
    knobs = {"epochs": 500, "patience": 500, "monitor": "loss"}  # which improves again and again
    toy = start("finetune", make_folder(per_class=4), "-o", path, knobs=knobs, before=BOUNDED)
    assert toy.wait_for("Epoch 50/"), toy.said
    early = len((tmp_path / "look").read_text().splitlines())
    assert toy.wait_for("Epoch 500/"), toy.said
    late = len((tmp_path / "look").read_text().splitlines())
    assert toy.end() == 0, toy.said
    rows = [[int(n) for n in row.split()] for row in (tmp_path / "look").read_text().splitlines()]
    rss, files, temporary = zip(*rows[early - 1 : late], strict=True)
    print(f"RSS {rss[0]} to {rss[-1]} MB, files {files[0]} to {max(files)}")
    assert rss[-1] < rss[0] + 100
    assert max(files) <= files[0] + 10
    assert max(temporary) <= temporary[0] + 2  # TensorFlow keeps some for as long as it runs
    assert not list(path.glob(".*"))
