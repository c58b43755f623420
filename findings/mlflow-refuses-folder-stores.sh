#!/usr/bin/env bash
# MLflow 3.17 raises where a folder is the tracking store, the default of all its earlier versions.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need mlflow-skinny==3.17.2
"$PYTHON" - <<'PYTHON'
import os
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

warnings.simplefilter("ignore")
print("mlflow-skinny", version("mlflow-skinny"))
print("expected: a run in a folder, as file: addresses have always meant")
os.environ.pop("MLFLOW_ALLOW_FILE_STORE", None)
import mlflow


def log_into(folder):
    mlflow.set_tracking_uri(Path(folder).as_uri())
    try:
        mlflow.set_experiment("photos")
        with mlflow.start_run():
            mlflow.log_metric("accuracy", 0.9)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:160]}"
    return f"{len(list(Path(folder).rglob('metrics/accuracy')))} file with the metric"


with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
    plain = log_into(one)
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    allowed = log_into(two)
print("without a word:", plain)
print("with MLFLOW_ALLOW_FILE_STORE=true:", allowed)
raise SystemExit(not (plain.startswith("MlflowException") and allowed.startswith("1 file")))
PYTHON
