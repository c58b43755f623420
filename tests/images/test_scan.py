from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

# A locale of ASCII, and a Python that keeps to it.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are always UTF-8")
def test_names_that_the_locale_cannot_read_are_refused(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog", "löwe", "äffchen")):
        (tmp_path / name).mkdir()
        Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / name / "1.png")
    words = [sys.executable, "-m", "transfer", "check", str(tmp_path)]
    done = subprocess.run(words, env=os.environ | ASCII, capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert "The name 'löwe' cannot be read" in line
    assert "PYTHONUTF8=1" in line
    done = subprocess.run(
        words, env=os.environ | ASCII | {"PYTHONUTF8": "1"}, capture_output=True, encoding="utf-8"
    )
    assert "4 images of 4 classes" in done.stdout
