from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from toys import evaluated_run

import transfer
from transfer.errors import UsageError

PHOTOS = {"a.png": ("ant", "bee"), "b.png": ("=cmd()", "=cmd()")}
PANDAS = importlib.util.find_spec("pandas") is not None


@pytest.fixture
def run(tmp_path: Path) -> transfer.Run:
    made = evaluated_run(tmp_path / "run", tmp_path / "photos", PHOTOS, ("ant", "bee", "=cmd()"))
    return transfer.Run(made.path)


@pytest.mark.skipif(not PANDAS, reason="pandas is not installed")
def test_the_predictions_are_a_frame(run: transfer.Run) -> None:
    frame = run.predictions_frame()
    assert list(frame.columns) == [
        *("path", "true", "predicted", "confidence", "correct", "p_ant", "p_bee", "p_=cmd()")
    ]
    assert frame["correct"].mean() == run.metrics["accuracy"]
    assert list(frame["predicted"]) == ["bee", "=cmd()"]
    assert list(frame.query("not correct")["path"]) == ["a.png"]
    assert frame["p_ant"].tolist() == pytest.approx([0.1, 0.1])


@pytest.mark.skipif(PANDAS, reason="pandas is installed")
def test_pandas_that_is_missing_is_named(run: transfer.Run) -> None:
    with pytest.raises(UsageError, match="pip install pandas"):
        run.predictions_frame()


def test_the_confusion_matrix_has_names(run: transfer.Run) -> None:
    found = run.confusion_matrix()
    assert found["bee"]["ant"] == found["=cmd()"]["=cmd()"] == 1
    assert found["ant"]["bee"] == 0


def test_a_notebook_shows_the_main_figures(run: transfer.Run) -> None:
    run.path = run.path.rename(run.path.with_name("<b>run"))
    shown = run._repr_html_()
    assert "&lt;b&gt;run" in shown
    assert "<b>run" not in shown
    assert "50.0" in shown
    (run.path / "metrics.json").unlink()
    assert "&lt;b&gt;run" in run._repr_html_()
    assert "metrics.json is missing" in run._repr_html_()
