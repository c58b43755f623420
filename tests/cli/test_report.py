from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from toys import evaluated_run

from transfer.cli.report import report
from transfer.errors import TransferError, UsageError


@pytest.fixture
def run(tmp_path: Path) -> str:
    rows = {f"{i}.png": ("ant", "ant" if i < 7 else "bee") for i in range(8)}
    rows |= {"b.png": ("bee", "bee")}
    return str(evaluated_run(tmp_path / "run", tmp_path / "photos", rows).path)


def call(*arguments: str) -> str:
    return CliRunner().invoke(report, arguments, catch_exceptions=False).output


def test_figures_that_suffice_change_nothing(run: str, tmp_path: Path) -> None:
    out = call(run, "--fail-under", "accuracy=0.8", "--fail-under", "recall[ant]=0.875")
    assert out == call(run)
    assert out.endswith("run/report.html\n")


def test_figures_that_do_not_are_named_after_all_is_written(run: str, tmp_path: Path) -> None:
    files = ["--markdown", str(tmp_path / "r.md"), "--junit", str(tmp_path / "j.xml")]
    least = [f"--fail-under={each}" for each in ("accuracy=0.9", "f1[bee]=0.5", "recall[ant]=0.9")]
    with pytest.raises(TransferError) as error:
        call(run, *files, *least)
    assert error.value.exit_code == 1
    assert str(error.value) == "accuracy is 0.889, below 0.9; recall[ant] is 0.875, below 0.9."
    assert "❌ failed" in (tmp_path / "r.md").read_text(encoding="utf-8")
    assert 'failures="2"' in (tmp_path / "j.xml").read_text(encoding="utf-8")
    assert Path(run, "report.html").is_file()


@pytest.mark.parametrize("word", ["accuracy", "=0.9", "accuracy=", "accuracy=high", "accuracy=nan"])
def test_words_that_are_no_condition(run: str, word: str) -> None:
    with pytest.raises(UsageError, match="Expected --fail-under METRIC=SHARE"):
        call(run, "--fail-under", word)


def test_what_makes_no_sense_is_refused(run: str) -> None:
    with pytest.raises(UsageError, match="--junit has a test case for each --fail-under"):
        call(run, "--junit", "j.xml")
    with pytest.raises(UsageError, match="Received twice: 'accuracy'"):
        call(run, "--fail-under", "accuracy=0.9", "--fail-under", "accuracy=0.8")
    assert not Path("j.xml").exists()
