"""Runs of a folder: evaluated, unfinished and damaged ones. Nothing here trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from toys import evaluated_run

from transfer.errors import RunError
from transfer.recipe import Recipe
from transfer.runs.listing import _letter, list_runs
from transfer.runs.run import Run
from transfer.statistics.intervals import wilson_interval
from transfer.system.files import write_json


def make(tmp_path: Path, name: str, right: int, n: int = 10, photo: str = "p") -> Run:
    rows = {f"{photo}{i}.png": ("ant", "ant" if i < right else "bee") for i in range(n)}
    seconds = {"total": 12.5}
    return evaluated_run(tmp_path / "runs" / name, tmp_path / "photos", rows, seconds=seconds)


def test_the_best_run_comes_first(tmp_path: Path) -> None:
    for name, right in (("a", 7), ("b/deeper", 9), ("c", 8)):
        make(tmp_path, name, right)
    found = list_runs(tmp_path / "runs")
    assert [each.path for each in found] == ["b/deeper", "c", "a"]
    assert {each.photos for each in found} == {"A"}
    best = found[0]
    assert (best.accuracy, best.split, best.n, best.seconds) == (0.9, "val", 10, 12.5)
    assert best.accuracy_ci95 == pytest.approx(wilson_interval(9, 10))
    files = (tmp_path / "runs/b/deeper").rglob("*")
    assert best.bytes == sum(each.stat().st_size for each in files)
    assert (best.status, best.backbone) == ("done", Recipe().backbone)


def test_runs_on_other_photos_or_classes_have_another_letter(tmp_path: Path) -> None:
    make(tmp_path, "a", 9)
    make(tmp_path, "b", 8)
    make(tmp_path, "other", 7, photo="q")
    make(tmp_path, "fewer", 6, n=9)
    rows = {f"p{i}.png": ("ant", "ant" if i < 5 else "bee") for i in range(10)}
    evaluated_run(tmp_path / "runs/classes", tmp_path / "photos", rows, ("ant", "bee"))
    letters = {each.path: each.photos for each in list_runs(tmp_path / "runs")}
    assert letters["a"] == letters["b"] == "A"
    assert sorted(letters.values()) == ["A", "A", "B", "C", "D"]
    (tmp_path / "runs/b/split.csv").unlink()
    assert {each.path: each.photos for each in list_runs(tmp_path / "runs")}["b"] == ""


def test_unfinished_and_damaged_runs_have_a_row(tmp_path: Path) -> None:
    make(tmp_path, "good", 5)
    for name in ("begun", "cut", "newer", "failed", "no-recipe", "interrupted"):
        make(tmp_path, name, 9)
    folder = tmp_path / "runs"
    for name in ("run.json", "metrics.json"):
        (folder / "begun" / name).unlink()
    (folder / "cut/metrics.json").write_text('{"split":')
    (folder / "newer/run.json").write_text('{"schema": 99}')
    (folder / "no-recipe/recipe.json").unlink()
    for name in ("failed", "interrupted"):
        Run(folder / name).update(status=name, error="The disk is full.")
        (folder / name / "metrics.json").unlink()
    found = {each.path: each for each in list_runs(folder)}
    assert next(iter(found)) == "good"
    status = {name: each.status for name, each in found.items()}
    assert status == {
        "good": "done",
        "begun": "begun",
        "cut": "damaged",
        "newer": "damaged",
        "no-recipe": "damaged",
        "failed": "failed",
        "interrupted": "interrupted",
    }
    assert all(each.accuracy is None for name, each in found.items() if name != "good")
    assert "newer version" in found["newer"].error
    assert "metrics.json" in found["cut"].error
    assert found["failed"].error == "The disk is full."


def test_a_folder_without_runs(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_json(tmp_path / "empty/run.json", {})
    assert list_runs(tmp_path / "empty") == []
    with pytest.raises(RunError, match=r"Cannot list .*nowhere.*No such file"):
        list_runs(tmp_path / "nowhere")


def test_a_run_itself_may_be_named(tmp_path: Path) -> None:
    run = make(tmp_path, "a", 5)
    assert [each.path for each in list_runs(run.path)] == [str(run.path)]


def test_letters_go_on_after_z() -> None:
    assert [_letter(number) for number in (0, 25, 26, 27, 701, 702)] == [
        *("A", "Z", "AA", "AB", "ZZ", "AAA")
    ]
