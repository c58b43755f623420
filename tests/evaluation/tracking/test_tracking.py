"""Event files read back by TensorFlow, and MLflow's folder read back by MLflow."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
from toys import evaluated_run

import transfer
from transfer.errors import RunError, UsageError
from transfer.evaluation.tracking.events import FILE
from transfer.runs.run import Run

HISTORY = """phase,epoch,loss,accuracy,val_loss,val_accuracy,seconds
head,1,1.5,0.40,1.2,0.55,2.0
finetune,1,0.5,0.85,nan,0.80,1.5
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    rows = {f"{i}.png": ("ant", "ant" if i < 3 else "bee") for i in range(4)}
    found = evaluated_run(
        tmp_path / "toy-001",
        tmp_path / "photos",
        rows,
        created="2026-01-02T03:04:05+00:00",
        seconds={"total": 10.0},
    )
    (found.path / "history.csv").write_text(HISTORY)
    return found


def read(file: Path) -> list[Any]:
    import tensorflow as tf

    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    return [tf.compat.v1.Event.FromString(record) for record in records]


def scalars(file: Path) -> dict[tuple[str, int], float]:
    return {
        (value.tag, event.step): value.simple_value
        for event in read(file)
        for value in event.summary.value
        if value.HasField("simple_value")
    }


def test_the_event_files_hold_the_curves_and_the_metrics(run: Run, tmp_path: Path) -> None:
    transfer.track(run, tensorboard=tmp_path / "logs")
    place = tmp_path / "logs/toy-001"
    assert scalars(place / "train" / FILE) == pytest.approx(
        {("loss", 1): 1.5, ("accuracy", 1): 0.4, ("loss", 2): 0.5, ("accuracy", 2): 0.85}
    )
    assert scalars(place / "validation" / FILE) == pytest.approx(
        {("loss", 1): 1.2, ("accuracy", 1): 0.55, ("accuracy", 2): 0.8}
    )
    final = scalars(place / "evaluation" / FILE)
    assert final["accuracy", 2] == 0.75
    assert final["macro_f1", 2] == pytest.approx(run.metrics["macro_f1"])
    first, second, *_ = read(place / "train" / FILE)
    assert first.file_version == "brain.Event:2"
    assert (first.wall_time, second.wall_time) == (1767323045, 1767323047)
    [picture] = [
        value.image
        for event in read(place / "evaluation" / FILE)
        for value in event.summary.value
        if value.tag == "confusion_matrix"
    ]
    assert picture.encoded_image_string == (run.path / "confusion_matrix.png").read_bytes()
    before = (place / "train" / FILE).read_bytes()
    transfer.track(run, tensorboard=tmp_path / "logs")
    assert (place / "train" / FILE).read_bytes() == before


def test_runs_of_the_same_name_do_not_replace_each_other(run: Run, tmp_path: Path) -> None:
    rows = {f"{i}.png": ("ant", "bee") for i in range(4)}
    when = "2026-01-03T00:00:00+00:00"
    other = evaluated_run(tmp_path / "other/toy-001", tmp_path / "photos", rows, created=when)
    places = transfer.track(run, other, tensorboard=tmp_path / "logs")
    assert len(set(places)) == 2
    for _ in range(2):  # in any order
        assert transfer.track(other, run, tensorboard=tmp_path / "logs") == places[::-1]
    finals = [
        {tag: value for (tag, _), value in scalars(Path(place) / "evaluation" / FILE).items()}
        for place in places
    ]
    assert [each["accuracy"] for each in finals] == [0.75, 0.0]


def test_what_cannot_be_tracked_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Expected tensorboard=, mlflow= or both"):
        transfer.track(run)
    run.update(status="interrupted")
    with pytest.raises(RunError, match=r"toy-001 is not finished \(status: interrupted\)"):
        transfer.track(run, tensorboard=tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is not None, reason="MLflow is installed")
def test_mlflow_that_is_missing_is_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'pip install "transfer-classifier\[mlflow\]"'):
        transfer.track(run, mlflow=str(tmp_path / "store"))


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="MLflow is not installed")
@pytest.mark.filterwarnings("ignore::FutureWarning:mlflow")
def test_mlflow_holds_parameters_metrics_and_files(run: Run, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    for _ in range(2):
        transfer.track(run, mlflow=str(tmp_path / "store"), experiment="flowers")
    client = MlflowClient((tmp_path / "store").as_uri())
    experiment = client.get_experiment_by_name("flowers")
    [logged] = client.search_runs([experiment.experiment_id])
    assert logged.info.status == "FINISHED"
    assert logged.info.run_name == "toy-001"
    assert logged.data.params["backbone"] == run.recipe.backbone
    assert logged.data.metrics["final_accuracy"] == 0.75
    curve = client.get_metric_history(logged.info.run_id, "loss")
    assert [(each.step, each.value) for each in curve] == [(1, 1.5), (2, 0.5)]
    assert not any(math.isnan(value) for value in logged.data.metrics.values())
    files = {each.path for each in client.list_artifacts(logged.info.run_id)}
    assert {"metrics.json", "predictions.csv", "recipe.json", "history.csv"} <= files
