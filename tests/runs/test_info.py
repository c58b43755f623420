"""run.json: typed, versioned, and readable if an older version wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import make_info

from transfer.errors import RunError
from transfer.recipe import Recipe
from transfer.runs.directory import make_run_directory
from transfer.runs.info import SCHEMA, Choice, FeatureInfo, FoldsInfo, LabelErrors, RunInfo
from transfer.runs.run import Run

# As the version before schema 2 wrote it.
BEFORE: dict[str, Any] = {
    "data": "/photos",
    "split": "val",
    "counts": {"train": {"ants": 4, "bees": 4}, "val": {"ants": 1, "bees": 1}},
    "skipped": {"not an image": 2},
    "bad": [["ants/1.jpg", "is empty."]],
    "notes": {"tiny (under 32 px)": 1},
    "weights": {"origin": "bundled", "file": "m.weights.h5", "sha256": "ab"},
    "status": "done",
    "error": None,
    "versions": {"keras": "3.15.1"},
    "monitor": "val_accuracy",
    "learning_rate": 0.0005,
    "label_smoothing": 0.1,
    "image_size": 224,
    "mixed_precision": "off",
    "class_weights": [1.0, 1.0],
    "features": {"cached": 0, "computed": 10, "engine": "openvino", "precision": "f32"},
    "phase_kept": "finetune",
    "seconds": {"features": 1.5, "total": 9},
    "phases": {"head": {"val_loss": 0.2, "seconds": 1.0}, "finetune": {"val_loss": None}},
    "plan": {"views": 8, "epochs": 13},
    "choice": {"kept": "epoch 7", "why": "it is", "monitor": "val_accuracy", "candidates": {}},
    "suspects": {"likely": 3, "images": 10},
    "folds": {"phase": "head", "seconds": 1.0, "k": 2, "n": 10, "accuracy": 0.9},
    "resumed": 1,
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    directory = make_run_directory(tmp_path / "r", "")
    return Run.create(directory, Recipe(), ["ants", "bees"], make_info())


def write(run: Run, raw: dict[str, Any]) -> None:
    (run.path / "run.json").write_text(json.dumps(raw))


def test_what_is_written_is_read(run: Run) -> None:
    info = make_info(
        bad=(("a", "b"),),
        features=FeatureInfo(1, 2, "keras", "f32"),
        phases={"head": {"val_loss": None}},
        choice=Choice("head", "why", "val_loss", {"head": 0.1}, 1, 2),
        label_errors=LabelErrors(1, 9),
        folds=FoldsInfo("head", 1.0),
        seconds={"total": 3.5},
    )
    run.write_info(info)
    assert run.info == info
    run.update(status="failed", error="why")
    assert (run.info.status, run.info.error, run.info.folds) == ("failed", "why", info.folds)
    assert json.loads((run.path / "run.json").read_text())["schema"] == SCHEMA
    with pytest.raises(TypeError):
        run.update(statuss="done")


def test_an_older_run_is_read_and_said(run: Run, said: Callable[[], str]) -> None:
    write(run, BEFORE)
    assert not run.records_settings
    info = run.info
    assert "made by an older version" in said()
    assert run.info == info
    assert said().count("older version") == 1
    settings = info.settings
    assert (settings.views, settings.epochs, settings.engine) == (8, 13, "openvino")
    assert (settings.monitor, settings.class_weights) == ("val_accuracy", (1.0, 1.0))
    assert settings.learning_rate == 0.0005
    assert settings.pretrained
    assert info.label_errors == LabelErrors(3, 10)
    assert info.choice is not None
    assert info.choice.kept == "epoch 7"
    assert (info.error, info.bad) == ("", (("ants/1.jpg", "is empty."),))
    run.update(resumed=2)  # writes the current schema
    assert run.records_settings
    assert run.info.settings == settings


def test_an_older_run_that_hardly_began(run: Run) -> None:
    write(
        run, {"status": "interrupted", "error": "KeyboardInterrupt", "weights": {"origin": "none"}}
    )
    assert run.info.status == "interrupted"
    assert not run.info.settings.pretrained
    assert run.info.settings.unfreeze == "all"


def test_a_newer_run_is_refused(run: Run) -> None:
    write(run, {"schema": SCHEMA + 1})
    with pytest.raises(
        RunError, match=r"run\.json was written by a newer version.*Update the package"
    ):
        _ = run.info


WRONG: list[Any] = [None, 7, -1, "x", [], {}, [1], {"a": []}, True, 1e99]


@pytest.mark.parametrize("schema", ["today", "before"])
def test_wrong_types_are_told_in_one_line(run: Run, schema: str) -> None:
    """2,000 draws over all fields, at any depth: the record, or a RunError."""
    rng = np.random.default_rng(0)
    whole = BEFORE if schema == "before" else json.loads(json.dumps(asdict(make_info())))
    for _ in range(1000):
        raw = json.loads(json.dumps(whole))
        place: Any = raw
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = keys[rng.integers(len(keys))]
            if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.6:
                place = place[key]
                continue
            place[key] = WRONG[rng.integers(len(WRONG))]
            break
        write(run, raw)
        said = ""
        try:
            asdict(run.info)
        except RunError as error:
            said = str(error)
        assert not said or ("run.json" in said and "\n" not in said and len(said) < 600)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer", "nadam"),
        ("image_size", 10**6),
        ("batch_size", -1),
        ("epochs", 10**12),
        ("learning_rate", 1e300),
        ("label_smoothing", 2.0),
        ("class_weights", [1.0, -1.0]),
        ("decoding", {"profiles": "keep"}),
        ("decoding", {"integers": [255, 0]}),
        ("decoding", {"floats": [0, 1e300]}),
    ],
)
def test_a_setting_that_no_recipe_allows_is_named(run: Run, name: str, value: Any) -> None:
    raw = json.loads(json.dumps(asdict(make_info())))
    raw["settings"][name] = value
    write(run, raw)
    with pytest.raises(RunError, match=rf"run\.json is damaged: The setting {name} is"):
        _ = run.info


def test_every_field_is_documented() -> None:
    assert RunInfo.__doc__ is not None
    assert [f.name for f in fields(RunInfo) if f"{f.name}: " not in RunInfo.__doc__] == []
