from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from toys import make_info

from transfer.errors import RunError
from transfer.recipe import Recipe
from transfer.runs.directory import make_run_directory
from transfer.runs.info import versions
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run


def make(path: Path) -> Run:
    return Run.create(make_run_directory(path, ""), Recipe(), ["a", "b"], make_info())


def test_a_finished_run_that_lacks_its_metrics_is_evaluated_and_not_trained_again(
    tmp_path: Path,
) -> None:
    run = make(tmp_path / "r")
    (run.path / "model.keras").write_bytes(b"")
    with pytest.raises(
        RunError, match=r"metrics\.json is missing.*Write it again with: transfer\.ev"
    ):
        _ = run.metrics
    with pytest.raises(RunError, match=r"other\.json is missing.*Train again with"):
        run.read_json("other.json")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run directory.*transfer\.finetune\(DATA"):
        Run(tmp_path)


@pytest.mark.parametrize(
    ("info", "hint"),
    [
        (None, r"ended before its training began\. Train with: .*Recipe\.load\(.*recipe\.json"),
        ({"status": "failed"}, "did not get that far. Finish it with: transfer\\.resume\\('"),
        ({"status": "done"}, r"though the run is finished\. Train again with: .*Recipe\.load"),
    ],
)
def test_what_is_missing_is_named_with_the_way_out(
    tmp_path: Path, info: dict[str, str] | None, hint: str
) -> None:
    run = make(tmp_path / "r")
    if info is None:
        (run.path / "run.json").unlink()
    else:
        run.update(**info)
    with pytest.raises(RunError, match=r"metrics\.json is missing.*" + hint):
        _ = run.metrics


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    run = make(tmp_path / "r")
    with pytest.raises(RunError, match=r"metrics\.json is missing"):
        _ = run.metrics
    (run.path / "metrics.json").write_text("{")
    with pytest.raises(RunError, match=r"metrics\.json cannot be read"):
        _ = run.metrics


def test_predictions_survive_the_file_bit_by_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.dirichlet([1, 1], 5).astype(np.float32)
    classes = ("=cmd()", "'quoted")
    written = Predictions(("a,b.jpg", '"', "é\n", "-\rx", "'y"), np.arange(5) % 2, rows, classes)
    written.write(tmp_path / "p.csv")
    read = Predictions.read(tmp_path / "p.csv", classes)
    assert read.paths == written.paths
    np.testing.assert_array_equal(read.true, written.true)
    np.testing.assert_array_equal(read.probabilities, written.probabilities)


@pytest.mark.parametrize("content", ["[]", "5", "null"])
def test_json_of_another_kind_is_named(tmp_path: Path, content: str) -> None:
    run = make(tmp_path / "r")
    for name in ("recipe.json", "run.json", "metrics.json"):
        (run.path / name).write_text(content)
    with pytest.raises(RunError, match=r"JSON object in .*recipe\.json"):
        _ = run.recipe
    with pytest.raises(RunError, match=r"JSON object in .*run\.json"):
        _ = run.info
    with pytest.raises(RunError, match=r"JSON object in .*metrics\.json"):
        _ = run.metrics
    (run.path / "classes.json").write_text('{"a": 1}')
    with pytest.raises(RunError, match=r"list of class names in .*classes\.json"):
        _ = run.classes


def test_the_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make(Path("~/r"))
    assert Run("~/r").path == tmp_path / "r"


def test_damaged_predictions_say_how_to_make_them_anew(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("path,true\nx")
    with pytest.raises(RunError, match=r"Write it again with: transfer\.evaluate\(RUN\)"):
        Predictions.read(tmp_path / "p.csv", ["a", "b"])


def test_versions_tell_openvino_where_it_is_installed() -> None:
    assert ("openvino" in versions()) == (find_spec("openvino") is not None)
