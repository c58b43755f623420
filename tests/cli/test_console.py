from __future__ import annotations

import json

import pytest

from transfer.cli.console import tell, tell_json, watched
from transfer.system.progress import warn

NAME = "cat\x1b[2J"


def test_results_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tell(f"two\nlines: {NAME}")
    assert capsys.readouterr().out == "two\nlines: cat\\x1b[2J\n"
    tell_json({"name": NAME})
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert json.loads(out) == {"name": NAME}


def test_warnings_take_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with watched():
        warn(f"Left out: {NAME}\nof two lines, {'x' * 10_000}")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Warning: Left out: cat\\x1b[2J of two lines, xxx")
    assert len(err) < 3000
    assert err.count("\n") == 1
