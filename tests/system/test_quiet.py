"""TensorFlow in processes that were forked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from transfer.runs.run import Run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")

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
    from dataclasses import replace

    features = run.info.features
    assert features is not None
    run.update(features=replace(features, engine=engine))
    return run


def test_a_fork_after_use_is_refused_instead_of_hanging(run: Run, tmp_path: Path) -> None:
    first, second = predict_in_child(with_engine(run, "keras"), tmp_path, "keras")
    assert first.startswith("UsageError: TensorFlow was used before this process was forked")
    assert "multiprocessing.get_context('spawn')" in first
    assert second == "0"


@pytest.mark.parametrize(
    ("engine", "method"), [("imported", "fork"), ("openvino", "fork"), ("keras", "spawn")]
)
def test_other_children_predict(run: Run, tmp_path: Path, engine: str, method: str) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino")
    with_engine(run, "openvino" if engine == "openvino" else "keras")
    assert predict_in_child(run, tmp_path, engine, method) == ["red", "0"]
