from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

import transfer
from transfer.cli.finetune import _describe_label_errors, _describe_negatives
from transfer.cli.main import main
from transfer.runs.info import LabelErrors, NegativesInfo

MakeFolder = Callable[..., Path]


def finetune(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["finetune", *map(str, arguments)])
    return int(stopped.value.code or 0)


def test_folds_are_said_and_stand_in_json_and_report(
    toy: str, make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, path = make_folder(), tmp_path / "run"
    knobs = ["--backbone", toy, "--unfreeze", "none", "--folds", 3, "-o", path]
    assert finetune(folder, *knobs, "--json") == 0
    out, err = capsys.readouterr()
    assert "Fold 3 of 3: accuracy 1.0000 on 10 images; about 0 s left" in err
    folds = json.loads(out)["folds"]
    assert (folds["k"], folds["n"], folds["accuracy"]) == (3, 30, 1.0)
    known = asdict(transfer.Run(path).info.folds)
    assert folds == json.loads(json.dumps(known))
    assert "Cross-validation" in (path / "report.html").read_text(encoding="utf-8")
    assert finetune("--resume", path) == 0
    assert "\nFolds:  accuracy 1.000 on 30 images" in capsys.readouterr().out


def test_a_network_from_scratch_ends_in_a_summary(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    knobs = ["--backbone", "dnn", "--image-size", 32, "--epochs", 2, "-o", path]
    for arguments in ([make_folder(per_class=4), *knobs], ["--resume", path]):
        assert finetune(*arguments) == 0
        out = capsys.readouterr().out
        assert "Accuracy" in out
        assert "Labels:" not in out
        assert f"Report: {path / 'report.html'}" in out


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--folds", "1"], "--folds between 2 and 20, or 0. Received: 1"),
        (["--folds", "-5"], "Received: -5"),
        (["--folds", "21"], "Received: 21"),
        (["--folds", "five"], "'five' is not a valid integer"),
        (["--folds-finetune"], "--folds between 2 and 20 with --folds-finetune. Received: 0"),
        (["--time", "10"], "Expected --time such as 10m, 90s or 1h30m. Received: '10'"),
        (["--time", "0m"], "Received: '0m'"),
        (["--time", "abc"], "Received: 'abc'"),
        (["--time", "-1m"], "Received: '-1m'"),
        (["--folds", "3", "--backbone", "dnn"], "add --folds-finetune, or leave --folds out"),
    ],
)
def test_folds_and_times_that_make_no_sense(
    make_folder: MakeFolder,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    hint: str,
) -> None:
    assert finetune(make_folder(per_class=1), *options) == 2
    assert hint in capsys.readouterr().err


def test_options_without_effect_are_named_before_the_work(
    make_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune("nowhere", "--unfreeze", "none", "--epochs", 3) == 2
    err = capsys.readouterr().err
    assert err.startswith("Warning: --epochs has no effect with --unfreeze none.\n")
    folder = make_folder(per_class=1, splits=("train", "val"))
    assert finetune(folder, "--val", 0.3, "--test", 0.3) == 2
    err = capsys.readouterr().err
    assert "Warning: --val has no effect where DATA has folders for it.\n" in err
    assert "--test has no effect" not in err


def test_labels_that_look_wrong_are_counted_where_that_means_something(tmp_path: Path) -> None:
    told = _describe_label_errors(LabelErrors(4, 100, 1, 9), tmp_path)
    assert told == [f"Labels: about 4 look wrong (1 to 9): {tmp_path / 'suspects.csv'}"]
    (tmp_path / "label_errors.csv").touch()
    told = _describe_label_errors(LabelErrors(4, 100), tmp_path)
    assert told == [f"Labels: about 4 look wrong: {tmp_path / 'label_errors.csv'}"]
    for found in (None, LabelErrors(0, 100), LabelErrors(62, 100, 0, 90, 0.3, reliable=False)):
        assert _describe_label_errors(found, tmp_path) == []


def test_the_summary_says_what_is_refused() -> None:
    found = NegativesInfo("/data", 50, (), 0.8125, 45, 97, 100)
    [line] = _describe_negatives(found)
    assert line == (
        "Predictions below a confidence of 0.812 are refused: 45 of 50 negatives; 97 of 100 val"
        " images are kept."
    )
    [line] = _describe_negatives(NegativesInfo("/data", 50, (), 0.0, 0, 100, 100))
    assert "No prediction is refused: no threshold refuses any of 50 negatives and keeps 95" in line
    assert _describe_negatives(None) == _describe_negatives(NegativesInfo("/data", 50)) == []
