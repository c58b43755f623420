"""TensorFlow's import, the sessions in which the package does not run, and forked processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from transfer.errors import UsageError
from transfer.runs.run import Run
from transfer.system import quiet
from transfer.system.quiet import import_tensorflow

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")

CODE = """
import multiprocessing, sys
import transfer
from transfer.system.quiet import import_tensorflow
run, photo, engine, method = sys.argv[1:]

def child():
    try:
        print(transfer.predict(run, photo)[0].label, flush=True)
    except transfer.UsageError as error:
        print(f"UsageError: {error}", flush=True)

if __name__ == "__main__":
    import_tensorflow()
    if engine != "imported":
        transfer.predict(run, photo)
    process = multiprocessing.get_context(method).Process(target=child)
    process.start()
    process.join(60)
    print("hangs" if process.is_alive() else process.exitcode)
    process.kill()
"""


def test_graphs_and_strategies_are_refused() -> None:
    with tf.Graph().as_default(), pytest.raises(UsageError, match="eager execution"):
        import_tensorflow()
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope(), pytest.raises(UsageError, match="scope of a OneDeviceStrategy"):
        import_tensorflow()
    import_tensorflow()


@pytest.mark.parametrize(
    ("user", "expected"), [({}, ["GPU:0", "GPU:1"]), ({"TF_FORCE_GPU_ALLOW_GROWTH": "false"}, [])]
)
def test_gpus_are_not_filled_unless_the_user_wants_it(
    user: dict[str, str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machines that run the tests have no GPU: what TensorFlow is told is recorded."""
    grown: list[Any] = []
    gpus = ["GPU:0", "GPU:1", "GPU:2"]
    limits = {"GPU:2": ["a limit of the user"]}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config, "get_logical_device_configuration", limits.get)
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda gpu, on: grown.append((gpu, on))
    )
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    for name, value in user.items():
        monkeypatch.setenv(name, value)
    quiet._grow_gpu_memory()
    assert grown == [(gpu, True) for gpu in expected]


def predict_in_child(run: Run, tmp_path: Path, engine: str, method: str = "fork") -> list[str]:
    (tmp_path / "main.py").write_text(CODE)
    photo = next(Path(run.info.data).glob("red/*.png"))
    done = subprocess.run(
        [sys.executable, tmp_path / "main.py", run.path, photo, engine, method],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def with_engine(run: Run, engine: str) -> Run:
    features = run.info.features
    assert features is not None
    run.update(features=replace(features, engine=engine))
    return run


@forks
def test_a_fork_after_use_is_refused_instead_of_hanging(run: Run, tmp_path: Path) -> None:
    first, second = predict_in_child(with_engine(run, "keras"), tmp_path, "keras")
    assert first.startswith("UsageError: TensorFlow was used before this process was forked")
    assert "multiprocessing.get_context('spawn')" in first
    assert second == "0"


@forks
@pytest.mark.parametrize(
    ("engine", "method"), [("imported", "fork"), ("openvino", "fork"), ("keras", "spawn")]
)
def test_other_children_predict(run: Run, tmp_path: Path, engine: str, method: str) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino")
    with_engine(run, "openvino" if engine == "openvino" else "keras")
    assert predict_in_child(run, tmp_path, engine, method) == ["red", "0"]


@pytest.mark.parametrize(
    ("user", "expected"), [({}, "True"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "False")]
)
def test_onednn_is_on_unless_the_user_wants_it_off(user: dict[str, str], expected: str) -> None:
    code = (
        "from transfer.system.quiet import import_tensorflow; import_tensorflow()\n"
        "from tensorflow.python.util import _pywrap_util_port as port; print(port.IsMklEnabled())"
    )
    others = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=others | user, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected
