"""The confusion matrix in a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from typing import Any

import pytest
from rich.cells import cell_len

from transfer.cli.matrix import draw, fit, tell_matrix

NAMES = ["ant", "개나리", "=cmd()\n", "a very long name of a class of photos"]
COUNTS = [[9, 1, 0, 0], [0, 12, 0, 3], [0, 0, 4, 0], [2, 0, 0, 105]]
METRICS: dict[str, Any] = {
    "confusion_matrix": COUNTS,
    "per_class": [{"class": name} for name in NAMES],
}


def test_it_is_plain_text_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    tell_matrix(METRICS)
    title, header, *rows = capsys.readouterr().out.splitlines()
    assert title == "Confusion matrix: rows are the true classes, columns what is predicted"
    assert header.split() == ["true", "1", "2", "3", "4"]
    assert rows[0].split() == ["1", "ant", "9", "1", ".", "."]
    assert rows[1].split() == ["2", "개나리", ".", "12", ".", "3"]
    assert rows[2].split() == ["3", r"=cmd()\n", ".", ".", "4", "."]
    assert "…" in rows[3]
    ends = [cell_len(line) for line in (header, *rows)]
    assert len(set(ends)) == 1  # the last digits stand below each other, wide letters or not


def test_it_fits_the_terminal_or_is_left_out() -> None:
    full = draw(NAMES, COUNTS, None)
    assert max(cell_len(str(line)) for line in full[1:]) > 45
    assert max(cell_len(str(line)) for line in draw(NAMES, COUNTS, 40)[1:]) <= 40
    assert draw(NAMES, COUNTS, 25) == []


def test_many_classes_and_several_labels_have_none(capsys: pytest.CaptureFixture[str]) -> None:
    tell_matrix({"confusion_matrix": [[0] * 21] * 21, "per_class": [{"class": "x"}] * 21})
    tell_matrix({"co_occurrence": [[1]], "per_class": [{"class": "x"}]})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("name", "room"), [("ant", 6), ("개나리꽃나무", 8), ("한글 이름 길다", 7)])
def test_names_take_exactly_their_room(name: str, room: int) -> None:
    assert cell_len(fit(name, room)) == room


def in_terminal(**environment: str) -> str:
    """Return what a terminal of 100 columns receives."""
    code = f"from transfer.cli.matrix import tell_matrix\ntell_matrix({METRICS!r})"
    known = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    here, there = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=there,
        env=known | {"TERM": "xterm-256color", "COLUMNS": "100", **environment},
    )
    os.close(there)
    text = b""
    while True:
        try:
            more = os.read(here, 65536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        text += more
    os.close(here)
    assert done.wait() == 0
    return text.decode()


def test_blocks_are_coloured_in_a_terminal_but_not_against_the_users_wish() -> None:
    shown = in_terminal()
    assert re.search(r"\x1b\[[\d;]*48;[\d;]+m +9 ", shown)
    plain = in_terminal(NO_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*[34]8;", plain)
    assert "개나리" in plain
