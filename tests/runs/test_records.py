"""metrics.json and evaluation.json: typed, or a RunError that names the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import make_info

from transfer.errors import RunError
from transfer.evaluation.metrics import compute_metrics
from transfer.recipe import Recipe
from transfer.runs.directory import make_run_directory
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run

SHARES = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)
FOUND = Predictions(("a/1", "b/2", "b/3"), np.array([0, 1, 1]), SHARES, ("a", "b"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(make_run_directory(tmp_path / "run", ""), Recipe(), ["a", "b"], make_info())


def test_metrics_come_back_as_they_were_computed(run: Run) -> None:
    metrics = compute_metrics(FOUND, "val", {"a/1"})
    (run.path / "metrics.json").write_text(json.dumps(metrics | {"newer": 1}))
    assert run.metrics == metrics


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"accuracy": "0.9"}, r"Expected `float`, got `str` - at `\$\.accuracy`"),
        ({"accuracy": 1.5}, r"Expected `float` <= .* at `\$\.accuracy`"),
        ({"n": 0}, r"Expected `int` >= 1 - at `\$\.n`"),
        ({"n": 10**400}, r"at `\$\.n`|out of range"),
        ({"per_class": [7]}, r"at `\$\.per_class\[0\]`"),
        ({"confusion_matrix": [[1, None]]}, r"at `\$\.confusion_matrix\[0\]\[1\]`"),
        ({"accuracy_ci95": [0.5]}, r"at `\$\.accuracy_ci95`"),
        ({"leaked": True}, r"at `\$\.leaked`"),
        ({"prior": {"name": "even"}}, r"at `\$\.prior`"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(run: Run, change: dict[str, Any], place: str) -> None:
    metrics = compute_metrics(FOUND, "val") | change
    (run.path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(RunError, match=rf"metrics\.json is damaged: .*({place}).*transfer\.eval"):
        _ = run.metrics


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", "[" * 100_000, "1" * 5000, "\xff"])
@pytest.mark.parametrize("name", ["metrics.json", "run.json", "recipe.json", "classes.json"])
def test_what_is_not_json_is_told_in_a_short_line(run: Run, name: str, text: str) -> None:
    (run.path / name).write_bytes(b'{"accuracy": ' + text.encode("latin1") + b"}")
    fresh = Run(run.path)
    for read in ("metrics", "info", "recipe", "classes"):
        if name.startswith({"info": "run"}.get(read, read)):
            with pytest.raises(RunError, match="cannot be read") as caught:
                getattr(fresh, read)
            assert name in str(caught.value)
            assert len(str(caught.value)) < 600


@pytest.mark.parametrize("knob", ["x" * 100_000, "val", "backbone", "seed"])
def test_a_recipe_that_was_changed_is_named(run: Run, knob: str) -> None:
    recipe = Recipe().to_dict() | {knob: ["y" * 100_000]}
    (run.path / "recipe.json").write_text(json.dumps(recipe))
    with pytest.raises(RunError, match=r"recipe\.json is damaged") as caught:
        _ = Run(run.path).recipe
    assert len(str(caught.value)) < 600


def test_a_huge_number_in_a_recipe_is_named(run: Run) -> None:
    (run.path / "recipe.json").write_text(json.dumps(Recipe().to_dict() | {"val": 10**400}))
    with pytest.raises(RunError, match=r"recipe\.json is damaged: Expected val= as a number"):
        _ = Run(run.path).recipe


@pytest.mark.parametrize("key", ["\ud800", "accuracy\ud800"])
def test_a_key_that_is_no_unicode_is_named(run: Run, key: str) -> None:
    metrics = compute_metrics(FOUND, "val") | {key: 1}
    (run.path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(RunError, match=r"metrics\.json is damaged"):
        _ = run.metrics


@pytest.mark.parametrize("names", [[], ["a", "a"], ["a", 1], {}])
def test_classes_are_names_each_once(run: Run, names: Any) -> None:
    (run.path / "classes.json").write_text(json.dumps(names))
    with pytest.raises(RunError, match=r"list of class names in .*classes\.json, each once"):
        _ = Run(run.path).classes


def test_evaluations_are_records(run: Run) -> None:
    assert run.read_evaluation(run.path) is None
    (run.path / "evaluation.json").write_text('{"data": "/photos", "split": "all"}')
    found = run.read_evaluation(run.path)
    assert found is not None
    assert found["data"] == "/photos"
    (run.path / "evaluation.json").write_text('{"data": 5, "split": "all"}')
    with pytest.raises(RunError, match=r"evaluation\.json is damaged: .*`\$\.data`"):
        run.read_evaluation(run.path)


@pytest.mark.parametrize(
    "row",
    [
        "../a.jpg,a,a,0.9,0.9,0.1",
        "/etc/a.jpg,a,a,0.9,0.9,0.1",
        "x/../../a.jpg,a,a,0.9,0.9,0.1",
        ",a,a,0.9,0.9,0.1",
        "a.jpg,c,a,0.9,0.9,0.1",
        "a.jpg,a,a,0.9,nan,0.1",
        "a.jpg,a,a,0.9,inf,0.1",
        "a.jpg,a,a,0.9,9,0.1",
        "a.jpg,a,a,0.9,-1,2",
        "a.jpg,a,a,0.9,0.9",
        "a.jpg,a,a,0.9,x" + 100_000 * "9" + ",0.1",
        "a.jpg,a,a,0.9,0.9,0.1\na.jpg,a,a,0.9,0.9,0.1",
    ],
)
def test_predictions_that_cannot_be_are_refused(tmp_path: Path, row: str) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text(f"path,true,predicted,confidence,p_a,p_b\nb.jpg,a,a,0.9,0.9,0.1\n{row}\n")
    with pytest.raises(RunError, match=r"predictions\.csv is damaged: .*Write it again") as caught:
        Predictions.read(file, ["a", "b"])
    assert len(str(caught.value)) < 600
