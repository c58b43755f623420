from __future__ import annotations

from dataclasses import asdict

import pytest

from transfer.cli.tables import describe_folds
from transfer.evaluation.folds import summarise_folds
from transfer.evaluation.report import write_report
from transfer.runs.info import FoldsInfo
from transfer.runs.run import Run
from transfer.statistics.intervals import wilson_interval
from transfer.system.csv import write_csv

ROWS = ["aa1", "ab1", "bb1", "bb1", "aa2", "aa2", "bb2", "bb2", "cb2"]  # label, predicted, fold


def judge(run: Run) -> None:
    rows = [[f"{i}.jpg", row[2], row[0], row[1], 0.9] for i, row in enumerate(ROWS)]
    write_csv(run.path / "folds.csv", ["path", "fold", "label", "predicted", "confidence"], rows)


def test_known_figures(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b", "c"]))
    run.update(folds=FoldsInfo("head", 1.5))
    judge(run)
    found = summarise_folds(run)
    assert (found.k, found.n) == (2, 9)
    assert found.accuracy == pytest.approx(7 / 9)
    assert found.accuracy_ci95 == wilson_interval(7, 9)
    one, two = found.per_fold
    assert (one.fold, one.n, one.accuracy) == (1, 4, 0.75)
    assert one.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)  # c has no image in it
    assert two.macro_f1 == pytest.approx((1 + 4 / 5 + 0) / 3)
    assert found.macro_f1 == pytest.approx((6 / 7 + 8 / 10 + 0) / 3)
    assert found.accuracy_mean == pytest.approx((0.75 + 0.8) / 2)
    assert found.accuracy_std == pytest.approx(0.05 / 2**0.5)


@pytest.mark.parametrize("phase", ["head", "finetune"])
def test_the_page_and_the_line_say_of_what_it_is_an_estimate(
    make_predictions, make_run, phase: str
) -> None:
    run = make_run(make_predictions(["a", "b", "c"]))
    assert "Cross-validation" not in write_report(run).read_text(encoding="utf-8")
    run.update(folds=FoldsInfo(phase, 1.5), phases={"head": {}, "finetune": {}})
    assert "Cross-validation" not in write_report(run).read_text(encoding="utf-8")  # not yet done
    judge(run)
    run.update(folds=summarise_folds(run))
    page = " ".join(write_report(run).read_text(encoding="utf-8").split())
    assert "<b>77.8 %</b> of 9 training and validation images right" in page
    assert "not of the saved model" in page
    assert ("recipe without its fine-tuning, not of" in page) is (phase == "head")
    line = describe_folds(asdict(run.info.folds))
    assert line.startswith("Folds:  accuracy 0.778 on 9 images, each predicted by a")
    assert ("head on frozen features" in line) is (phase == "head")
