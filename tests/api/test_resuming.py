"""Runs that are really killed, and resumed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import transfer
from transfer.errors import DataError, RunError, UsageError
from transfer.runs.directory import locked
from transfer.runs.info import FeatureInfo
from transfer.runs.run import Run
from transfer.system.csv import read_csv
from transfer.training.keep.state import load_state

MakeFolder = Callable[..., Path]
Start = Callable[..., Any]
DETERMINISTIC = {"deterministic": True}
AVERAGES_IN_HALF = {"ema": 0.8, "accumulate": 2, "mixed_precision": "on", "optimizer": "adamw"}


def outcome(path: Path) -> dict[str, object]:
    """Return all that two runs of the same recipe must have in common, bit by bit."""
    weights = keras.models.load_model(path / "model.keras", compile=False).weights
    history = [{**row, "seconds": ""} for row in read_csv(path / "history.csv")]
    return {
        "weights": [np.asarray(weight).tobytes() for weight in weights],
        "history": history,
        "predictions": (path / "predictions.csv").read_bytes(),
        "kept": Run(path).info.phase_kept,
        "choice": Run(path).info.choice,
    }


@pytest.fixture
def half(stopped: Path, toy: str, tmp_path: Path) -> Path:
    """A copy of the stopped run."""
    return Path(shutil.copytree(stopped / "run", tmp_path / "run"))


@pytest.fixture(autouse=True)
def all_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="transfer")


@pytest.mark.case("T05")
def test_ctrl_c_leaves_all_that_is_needed(stopped: Path, half: Path) -> None:
    said = (stopped / "said").read_text()
    assert f"To resume: transfer finetune --resume {stopped / 'run'}" in said
    assert "Traceback" not in said
    assert Run(half).info.status == "interrupted"
    assert keras.models.load_model(half / "model.keras", compile=False)
    saved = load_state(half)
    assert saved is not None
    assert saved.epoch == len(saved.progress["history"]) - 2 >= 3
    assert not list(half.glob(".*"))
    assert not (half / "lock.json").exists()


@pytest.mark.slow
@pytest.mark.case("T11")
@pytest.mark.case("T13")
@pytest.mark.case("T19")
def test_patience_goes_on_from_the_older_state_where_the_newer_is_spoiled(
    half: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved = load_state(half)
    assert saved is not None
    saved.file.write_bytes(saved.file.read_bytes()[:1000])
    weights = keras.models.load_model(half / "model.keras", compile=False).get_weights()
    run = transfer.resume(half)
    assert f"resuming from the other, saved after epoch {saved.epoch - 1}" in caplog.text
    assert f"Resuming fine-tuning after epoch {saved.epoch - 1} of at most 500" in caplog.text
    rows = [row for row in read_csv(half / "history.csv") if row["phase"] == "finetune"]
    assert [int(row["epoch"]) for row in rows] == list(range(1, 82))  # the first and 80 no better
    assert run.info.status == "done"
    assert run.info.phase_kept == "head"
    kept = keras.models.load_model(half / "model.keras", compile=False).get_weights()
    for one, other in zip(weights[:-2], kept[:-2], strict=True):  # not replaced by anything worse
        np.testing.assert_array_equal(one, other)
    assert run.info.calibration is not None
    for one, other in zip(weights[-2:], kept[-2:], strict=True):  # the last layer is calibrated
        np.testing.assert_allclose(one / run.info.calibration.temperature, other, rtol=1e-5)
    assert not list(half.glob("state*"))
    files = {file.name: file.stat().st_mtime_ns for file in half.iterdir()}
    transfer.resume(half)
    assert "is finished: there is nothing to resume" in caplog.text
    assert {file.name: file.stat().st_mtime_ns for file in half.iterdir()} == files


@pytest.mark.case("T13")
def test_no_valid_state_is_no_silent_restart(
    half: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (half / "state-1.npz").write_bytes(b"")
    (half / "state-2.json").write_bytes(b"{")
    files = {file.name: file.read_bytes() for file in half.iterdir()}
    with pytest.raises(RunError, match=r"state-1\.npz is damaged.*Train again with"):
        transfer.resume(half)
    assert {file.name: file.read_bytes() for file in half.iterdir()} == files
    for file in half.glob("state*"):
        file.unlink()
    monkeypatch.setattr("transfer.api.resuming.run_training", lambda *arguments: None)
    transfer.resume(half)
    assert "No state was saved before the interruption: the training starts over" in caplog.text


@pytest.mark.case("T12")
@pytest.mark.parametrize(
    ("name", "change", "hint"),
    [
        ("recipe.json", ('"backbone": "toy"', '"backbone": "vgg16"'), "backbone was 'toy'"),
        (
            "recipe.json",
            ('"image_size": null', '"image_size": 64'),
            "image_size was None",
        ),
        ("classes.json", ("red", "rouge"), "changed after its training began: classes"),
        ("split.csv", (",val,", ",test,"), "split.csv"),
    ],
)
def test_a_run_that_was_changed_is_refused(
    half: Path, name: str, change: tuple[str, str], hint: str
) -> None:
    file = half / name
    assert change[0] in file.read_text()
    file.write_text(file.read_text().replace(*change))
    files = {file.name: file.read_bytes() for file in half.iterdir()}
    with pytest.raises(RunError, match=hint) as caught:
        transfer.resume(half)
    assert caught.value.exit_code == 2
    assert {file.name: file.read_bytes() for file in half.iterdir()} == files


@pytest.mark.case("T12")
def test_classes_in_another_order_are_refused(half: Path) -> None:
    names = json.loads((half / "classes.json").read_text())
    (half / "classes.json").write_text(json.dumps(names[::-1]))
    with pytest.raises(RunError, match="was changed after its training began: classes"):
        transfer.resume(half)


@pytest.mark.case("T12")
def test_changed_photos_are_refused_and_moved_ones_found(
    stopped: Path, half: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Path(shutil.copytree(stopped / "photos", tmp_path / "moved"))
    (moved / "red" / "0.png").unlink()
    shutil.copy(moved / "red" / "1.png", moved / "blue" / "2.png")
    words = r"2 of its 30 images in .*moved.*blue/2\.png \(has changed\), red/0\.png \(is missing\)"
    with pytest.raises(DataError, match=words) as caught:
        transfer.resume(half, moved)
    assert caught.value.exit_code == 2
    with pytest.raises(DataError, match=r"not in .*nowhere.*transfer\.resume\('.*', DATA\)"):
        transfer.resume(half, tmp_path / "nowhere")
    monkeypatch.setattr("transfer.api.resuming.run_training", lambda *arguments: None)
    shutil.rmtree(moved)
    shutil.copytree(stopped / "photos", moved)
    assert transfer.resume(half, moved).info.data == str(moved)


def test_another_engine_and_other_versions_are_told(
    half: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer.api.resuming.run_training", lambda *arguments: None)
    transfer.resume(half)
    assert "may differ" not in caplog.text
    Run(half).update(features=FeatureInfo(0, 9, "another", "f32"), versions={"keras": "3.0"})
    transfer.resume(half)
    assert "The features were computed by another, and from now on by" in caplog.text
    assert "Versions have changed (keras 3.0 -> " in caplog.text


def test_a_precision_that_is_gone_is_told(
    half: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer.api.resuming.run_training", lambda *arguments: None)
    settings = Run(half).info.settings
    Run(half).update(settings=replace(settings, precision="int8"))
    monkeypatch.setattr("transfer.api.resuming.can_compute", lambda precision: False)
    transfer.resume(half)
    assert "The features were computed by int8, and from now on by f32" in caplog.text
    assert Run(half).info.settings.precision == "f32"


@pytest.mark.case("T12")
def test_other_options_are_refused(half: Path) -> None:
    hint = r"backbone= is 'toy' in the run, not 'vgg16'; epochs= is .*, not 3"
    with pytest.raises(UsageError, match=hint):
        transfer.resume(half, backbone="vgg16", epochs=3, batch_size=8)


@pytest.mark.case("T14")
def test_a_run_in_use_is_refused(half: Path) -> None:
    with locked(half):
        with pytest.raises(RunError, match=f"process {os.getpid()} on this machine"):
            transfer.resume(half)
        with pytest.raises(RunError, match=f"process {os.getpid()} on this machine"):
            transfer.finetune("sample:shapes", output=half)


def kill_until_done(start: Start, folder: Path, path: Path, kills: int, seed: int) -> int:
    """Train with kills at random moments of fine-tuning; return how many there were."""
    rng = np.random.default_rng(seed)
    toy = start("finetune", folder, "-o", path, knobs=DETERMINISTIC)
    done = 0
    while done < kills and toy.wait_for("Resuming fine-tuning" if done else "Head fitted"):
        time.sleep(rng.uniform(0, 3))
        if toy.end(signal.SIGKILL) != -signal.SIGKILL:
            break
        done += 1
        assert keras.models.load_model(path / "model.keras", compile=False)
        toy = start("finetune", "--resume", path)
    assert toy.end() == 0, toy.said
    return done


@pytest.mark.case("T01")
@pytest.mark.case("T18")
@pytest.mark.parametrize("more", [{}, pytest.param(AVERAGES_IN_HALF, marks=pytest.mark.slow)])
def test_killed_and_resumed_is_as_if_never_killed(
    start: Start, make_folder: MakeFolder, tmp_path: Path, more: dict[str, Any]
) -> None:
    folder, knobs = make_folder(per_class=8), DETERMINISTIC | more
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    toy = start("finetune", folder, "-o", whole, knobs=knobs)
    assert toy.end() == 0, toy.said
    toy = start("finetune", folder, "-o", killed, knobs=knobs)
    assert toy.wait_for("Epoch 4/")
    assert toy.end(signal.SIGKILL) == -signal.SIGKILL
    assert (killed / "lock.json").exists()
    (killed / ".tmpx-model.keras").write_text("what a kill leaves")
    toy = start("finetune", "--resume", killed)
    assert toy.end() == 0, toy.said
    assert "Resuming fine-tuning after epoch" in toy.said
    assert outcome(killed) == outcome(whole)
    assert {item.name for item in killed.iterdir()} == {item.name for item in whole.iterdir()}
    assert Run(killed).info.resumed == 1


KILL_AT = """
import os, signal
from transfer.experiments import cross_validation
from transfer.training import train
def kill_me(*arguments): os.kill(os.getpid(), signal.SIGKILL)
train.keep_the_best, cross_validation.cross_validate_run = {}
"""


@pytest.mark.slow
@pytest.mark.case("T01")
@pytest.mark.case("T18")
@pytest.mark.parametrize("more", [{}, AVERAGES_IN_HALF])
def test_killed_around_the_choice_it_is_made_as_if_never_killed(
    start: Start, make_folder: MakeFolder, tmp_path: Path, more: dict[str, Any]
) -> None:
    folder, knobs = make_folder(per_class=8), DETERMINISTIC | {"epochs": 4} | more
    toy = start("finetune", folder, "-o", tmp_path / "whole", knobs=knobs)
    assert toy.end() == 0, toy.said
    moments = {  # the choice, and what follows it
        "before": "kill_me, cross_validation.cross_validate_run",
        "after": "train.keep_the_best, kill_me",
    }
    for moment, code in moments.items():
        path = tmp_path / moment
        toy = start("finetune", folder, "-o", path, knobs=knobs, before=KILL_AT.format(code))
        assert toy.end() == -signal.SIGKILL, toy.said
        assert (Run(path).info.choice is not None) is (moment == "after")
        toy = start("finetune", "--resume", path)
        assert toy.end() == 0, toy.said
        assert "Resuming fine-tuning after epoch 4 of at most 4" in toy.said
        assert outcome(path) == outcome(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.case("T01")
def test_twenty_kills_at_random_moments(
    start: Start, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder(per_class=8)
    toy = start("finetune", folder, "-o", tmp_path / "whole", knobs=DETERMINISTIC)
    assert toy.end() == 0, toy.said
    kills, number = 0, 0
    while kills < 20:
        path = tmp_path / str(number)
        kills += kill_until_done(start, folder, path, min(7, 20 - kills), seed=number)
        assert outcome(path) == outcome(tmp_path / "whole")
        number += 1
    assert number <= 10  # otherwise hardly any was killed in time


def test_a_state_of_an_epoch_that_the_run_does_not_have_is_refused(half: Path) -> None:
    run = Run(half)
    run.update(settings=dataclasses.replace(run.info.settings, epochs=1))
    with pytest.raises(RunError, match=r"saved after epoch \d+, and its run\.json sets 1 epochs"):
        transfer.resume(half)


def test_a_missing_split_is_refused(half: Path) -> None:
    (half / "split.csv").unlink()
    with pytest.raises(RunError, match=r"changed after its training began: split\.csv"):
        transfer.resume(half)
