from __future__ import annotations

from pathlib import Path

import pytest
from toys import make_info

from transfer.errors import RunError
from transfer.recipe import Recipe
from transfer.runs.directory import make_run_directory
from transfer.runs.info import NegativesInfo
from transfer.runs.negatives import NAME, Negative, read_negatives, write_negatives
from transfer.runs.run import Run

ROWS = [Negative("no/1.png", "ab"), Negative("=no/2.png", "cd", "b", 0.123456791, True)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    info = make_info(negatives=NegativesInfo("/data", 2, (("x", "is empty."),), 0.5, 1, 3, 4))
    return Run.create(make_run_directory(tmp_path / "run", ""), Recipe(), ["a", "b"], info)


def test_what_was_written_comes_back(run: Run) -> None:
    write_negatives(run.path, ROWS)
    assert read_negatives(run) == ROWS
    assert run.info.negatives == NegativesInfo("/data", 2, (("x", "is empty."),), 0.5, 1, 3, 4)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("no/1.png", "../../etc/passwd", "passwd"),
        ("no/1.png", "/etc/passwd", "passwd"),
        (",b,", ",c,", "'c' is no class"),
        (",1\n", ",yes\n", "'yes' is neither 0 nor 1"),
        ("0.123456791", "nan", "Expected a finite number"),
        ("sha256", "sha", "lacks the column 'sha256'"),
        ("=no/2.png", "no/1.png", "twice"),
    ],
)
def test_a_damaged_list_is_named(run: Run, old: str, new: str, words: str) -> None:
    write_negatives(run.path, ROWS)
    text = (run.path / NAME).read_text().replace("'=", "=")
    assert old in text
    (run.path / NAME).write_text(text.replace(old, new))
    with pytest.raises(RunError, match=words) as raised:
        read_negatives(run)
    assert NAME in str(raised.value)


def test_a_missing_or_empty_list(run: Run) -> None:
    with pytest.raises(RunError, match=r"negatives\.csv is missing"):
        read_negatives(run)
    write_negatives(run.path, [])
    with pytest.raises(RunError, match="It lists no image"):
        read_negatives(run)
