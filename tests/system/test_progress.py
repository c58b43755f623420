from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from transfer.system import progress


def test_lines_go_through_logging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="transfer")
    progress.say("working")
    progress.warn("look")
    assert [(r.levelno, r.message) for r in caplog.records] == [
        (logging.INFO, "working"),
        (logging.WARNING, "look"),
    ]


def test_what_a_terminal_obeys_is_escaped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="transfer")
    progress.say("one\x1b[2J\ntwo")
    progress.warn("\u202eone")
    assert [r.message for r in caplog.records] == ["one\\x1b[2J\ntwo", "\\u202eone"]


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        ("", "working\nlook\n"),
        ("logging.getLogger('transfer').setLevel('WARNING')", "look\n"),
        ("logging.getLogger('transfer').addHandler(logging.NullHandler())", ""),
        ("logging.basicConfig(level='INFO', format='%(message)s')", "working\nlook\n"),
    ],
)
def test_what_a_notebook_sees(setup: str, expected: str) -> None:
    code = f"import logging\n{setup}\nfrom transfer.system.progress import say, warn\n"
    code += "say('working'); warn('look')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == expected
    assert done.stdout == ""


def test_silenced_lines_are_not_said() -> None:
    code = "from transfer.system.progress import silenced, say, warn\n"
    code += "with silenced():\n    say('one')\n    warn('two')\nsay('three')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "three\n"


def test_bars_are_drawn_by_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[str, int, int]] = []

    @contextmanager
    def draw(label: str, total: int) -> Iterator[progress.Advance]:
        yield lambda count: steps.append((label, total, count))

    assert list(progress.track("ab", "nothing", 2)) == ["a", "b"]
    progress.set_drawer(draw)
    try:
        assert list(progress.track("ab", "letters", 2)) == ["a", "b"]
        with progress.bar("bytes\x1b", 10) as advance:
            advance(10)
    finally:
        progress.set_drawer(None)
    assert steps == [("letters", 2, 1), ("letters", 2, 1), (r"bytes\x1b", 10, 10)]
