from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from toys import place

import transfer
from transfer.data.sources.archives import SUFFIXES


def command(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "transfer", "prepare", *map(str, arguments)]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True)


def test_a_sample(tmp_path: Path) -> None:
    done = command("sample:shapes", "data/shapes", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == f"300 images of 3 classes in {tmp_path / 'data/shapes'}\n"
    assert len(list((tmp_path / "data/shapes/circle").iterdir())) == 100
    again = command("sample:shapes", "data/shapes", "--json", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == f"Error: {str(tmp_path / 'data/shapes')!r} is not empty." + (
        " Choose another folder.\n"
    )
    done = command("data/shapes", "copy", "--json", "-q", cwd=tmp_path)
    assert json.loads(done.stdout) == {
        "folder": str(tmp_path / "copy"),
        "classes": ["circle", "rectangle", "triangle"],
        "counts": {"": {"circle": 100, "rectangle": 100, "triangle": 100}},
    }
    assert done.stderr == ""


def test_help_names_all_kinds_of_archives(tmp_path: Path) -> None:
    words = command("--help", cwd=tmp_path).stdout.replace(",", " ").split()
    docstring = (transfer.prepare.__doc__ or "").replace(",", " ").replace("(", " ")
    for suffix in SUFFIXES:
        assert suffix in words
        assert suffix in docstring.replace(")", " ").split()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "out"], "nowhere"),
        (["nowhere.zip", "out"], "nowhere.zip"),
        (["sample:shape", "out"], "Did you mean 'shapes'"),
        (["https://x.invalid/x.zip", "out"], "sha256"),
        (["sample:shapes", "out", "--sha256", "1"], "64 hex digits"),
        (["sample:shapes", "out", "--max-size", "big"], "such as 2GB"),
        (["sample:shapes", "out", "--max-files", "0"], "--max-files"),
    ],
)
def test_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = command(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert words in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_nothing(tmp_path: Path, number: signal.Signals, code: int) -> None:
    data = Image.effect_noise((600, 600), 50)
    for name in "ab":
        (tmp_path / "in" / name).mkdir(parents=True)
        data.save(tmp_path / "in" / name / "0.bmp")
        for i in range(1, 1500):
            os.link(tmp_path / "in" / name / "0.bmp", tmp_path / "in" / name / f"{i}.bmp")
    line = [sys.executable, "-m", "transfer", "prepare", "in", "out"]
    process = subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob(".transfer-*/a/*")):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(number)
    said = process.communicate()[1]
    assert process.returncode == code, said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_what_was_prepared_is_listed_and_not_cleared(tmp_path: Path) -> None:
    assert command("sample:shapes", "shapes", cwd=tmp_path).returncode == 0
    path = shutil.make_archive(str(tmp_path / "shapes"), "zip", tmp_path / "shapes")
    folder, _ = place(path)
    for action in ("list", "clear", "list"):
        line = [sys.executable, "-m", "transfer", "cache", action]
        said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
        assert (f"MB of {path} in {folder}" in said) == (action == "list")
