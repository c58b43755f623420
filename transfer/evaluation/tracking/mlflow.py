"""A finished run in MLflow: its recipe as parameters, its figures as metrics, its files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transfer.errors import TransferError, UsageError, option
from transfer.evaluation.tracking.curves import begun_at, end_figures, points
from transfer.runs.run import Run
from transfer.system.text import cut

TAG = "transfer.digest"
_FILES = (
    *("run.json", "recipe.json", "classes.json", "metrics.json", "history.csv", "split.csv"),
    *("predictions.csv", "confusion_matrix.csv", "confusion_matrix.png", "confusion_matrix.svg"),
    *("co_occurrence.csv", "co_occurrence.png", "co_occurrence.svg"),
    *("report.html", "model.keras"),
)
_FOLDERS = "MLFLOW_ALLOW_FILE_STORE"
_LONGEST = 500  # characters of a parameter


def log_run(run: Run, address: str, experiment: str) -> str:
    """Log a run to MLflow, once: a run that is there already is not logged again.

    Args:
        run: A finished run.
        address: Of the tracking server, or a folder.
        experiment: Name of the experiment; made where it is missing.

    Returns:
        The id of the run in MLflow.

    Raises:
        RunError: The run is not finished.
        UsageError: MLflow is not installed.
        TransferError: MLflow refuses or cannot be reached.
    """
    final = end_figures(run)
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise UsageError(
            f"{option('mlflow')} needs MLflow, which is not installed. Install it with: pip install"
            ' "transfer-classifier[mlflow]"'
        ) from error
    try:
        with _folders_allowed():
            return _log(MlflowClient(tracking_uri=_uri(address)), run, experiment, final)
    except (MlflowException, OSError) as error:
        raise TransferError(f"MLflow at {address!r}: {cut(error)}") from error


@contextmanager
def _folders_allowed() -> Iterator[None]:
    """Let MLflow write into a folder, which newer versions refuse unless asked to."""
    before = os.environ.get(_FOLDERS)
    os.environ.setdefault(_FOLDERS, "true")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_FOLDERS, None)


def _uri(address: str) -> str:
    return address if "://" in address else Path(address).absolute().as_uri()


def _log(client: Any, run: Run, experiment: str, final: dict[str, float]) -> str:
    from mlflow.entities import Metric, Param

    known = client.get_experiment_by_name(experiment)
    place = client.create_experiment(experiment) if known is None else known.experiment_id
    digest = hashlib.sha256((run.path / "metrics.json").read_bytes())
    digest.update((run.path / "run.json").read_bytes())
    there = client.search_runs([place], f"tags.`{TAG}` = '{digest.hexdigest()}'")
    finished = [each for each in there if each.info.status == "FINISHED"]
    if finished:
        return str(finished[0].info.run_id)
    begun = begun_at(run)
    tags = {TAG: digest.hexdigest(), "mlflow.runName": run.path.name}
    identity = client.create_run(place, start_time=int(1000 * begun), tags=tags).info.run_id
    parameters = {**run.recipe.to_dict(), "split": run.info.split, "classes": len(run.classes)}
    curves = [
        Metric(each.name, each.value, int(1000 * (begun + each.seconds)), each.step)
        for each in points(run)
    ]
    end = int(1000 * (begun + run.info.seconds.get("total", 0.0)))
    last = [Metric(f"final_{name}", value, end, 0) for name, value in final.items()]
    client.log_batch(
        identity, [], [Param(name, str(value)[:_LONGEST]) for name, value in parameters.items()]
    )
    for start in range(0, len(curves), 500):
        client.log_batch(identity, curves[start : start + 500])
    client.log_batch(identity, last)
    for name in _FILES:
        if (run.path / name).is_file():
            client.log_artifact(identity, str(run.path / name))
    client.set_terminated(identity, "FINISHED", end)
    return str(identity)
