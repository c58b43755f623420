"""track: finished runs for TensorBoard and MLflow."""

from __future__ import annotations

import os
from pathlib import Path

from transfer.errors import UsageError, option
from transfer.evaluation.tracking.events import write_events
from transfer.evaluation.tracking.mlflow import log_run
from transfer.runs.run import RunLike, as_run
from transfer.system.progress import say

__all__ = ["track"]

EXPERIMENT = "transfer"


def track(
    *runs: RunLike,
    tensorboard: str | os.PathLike[str] | None = None,
    mlflow: str | None = None,
    experiment: str = EXPERIMENT,
) -> list[str]:
    """Write finished runs for TensorBoard, or log them to MLflow.

    A call may be repeated: TensorBoard's files are replaced, and a run that MLflow has is not
    logged again.

    Args:
        runs: Runs or their paths.
        tensorboard: Folder for ``tensorboard --logdir``; None for none.
        mlflow: Address of a tracking server, or a folder; None for none. Needs the extra
            ``mlflow``.
        experiment: Name of the experiment in MLflow.

    Returns:
        For each run, its folder for TensorBoard, then its id in MLflow, as far as asked for.

    Raises:
        RunError: One is no finished run.
        UsageError: There is nothing to do, or MLflow is not installed.
        TransferError: MLflow refuses or cannot be reached.

    Example:
        >>> track("runs/dogs-vgg16-001", tensorboard="logs")
    """
    if tensorboard is None and mlflow is None:
        raise UsageError(f"Expected {option('tensorboard')}, {option('mlflow')} or both.")
    places = []
    for run in map(as_run, runs):
        if tensorboard is not None:
            places.append(str(write_events(run, Path(tensorboard).expanduser())))
            say(f"TensorBoard: {places[-1]}")
        if mlflow is not None:
            places.append(log_run(run, mlflow, experiment))
            say(f"MLflow: run {places[-1]} of {run.path.name}")
    return places
