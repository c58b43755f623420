"""Signals in a separate process, since they affect all of it: see check_signals.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.case("T05")
def test_signals() -> None:
    checks = Path(__file__).with_name("check_signals.py")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(checks)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=checks.parents[2])
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
