"""A public function leaves the process of its caller as it was."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config

import transfer

KNOBS = {"backbone": "toy", "unfreeze": "1", "views": 0, "epochs": 1, "deterministic": True}
LOGGERS = (None, "transfer", "tensorflow", "absl", "matplotlib", "PIL")
USERS = {"seed": 7, "policy": "mixed_float16", "format": "channels_first", "floatx": "float64"}


def draws() -> list[float]:
    """Return what each random number generator of the process gives next."""
    return [
        random.random(),
        float(np.random.random()),
        float(tf.random.uniform(())),
        float(keras.random.uniform((), dtype="float32")),
    ]


def state() -> dict[str, Any]:
    """Return what else belongs to the whole process."""
    umask = os.umask(0o022)
    os.umask(umask)
    return {
        "policy": keras.config.dtype_policy().name,
        "floatx": keras.config.floatx(),
        "format": keras.config.image_data_format(),
        "deterministic": config.is_op_determinism_enabled(),
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "umask": umask,
        "filters": list(warnings.filters),
        "errors": np.geterr(),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "signals": {each: signal.getsignal(each) for each in signal.valid_signals()},
        "loggers": {name: _settings(logging.getLogger(name)) for name in LOGGERS},
    }


def _settings(logger: logging.Logger) -> tuple[Any, ...]:
    return logger.level, logger.disabled, logger.handlers[:], logger.filters[:]


@pytest.fixture
def user() -> Iterator[None]:
    """A session with settings of its own."""
    before = keras.config.dtype_policy()
    keras.utils.set_random_seed(USERS["seed"])
    keras.config.set_floatx(USERS["floatx"])
    keras.config.set_dtype_policy(USERS["policy"])
    keras.config.set_image_data_format(USERS["format"])
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(before)
    keras.config.set_image_data_format("channels_last")


VERBS = ["finetune", "resume", "lr_find", "compare", "evaluate", "report", "predict", "check"]
VERBS += ["preview", "prepare"]


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_of_the_process_changes(
    verb: str,
    toy: str,
    run: transfer.Run,
    user: None,
    make_folder: Callable[..., Path],
    tmp_path: Path,
) -> None:
    folder = make_folder("own", per_class=4)
    calls: dict[str, Callable[[], Any]] = {
        "finetune": lambda: transfer.finetune(folder, output=tmp_path / "new", **KNOBS),
        "lr_find": lambda: transfer.lr_find(folder, backbone="toy", unfreeze="1", views=0),
        "compare": lambda: transfer.compare(folder, ["toy"]),
        "evaluate": lambda: transfer.evaluate(run, folder),
        "predict": lambda: transfer.predict(run, folder),
        "check": lambda: transfer.check(folder),
        "resume": lambda: transfer.resume(run),
        "report": lambda: transfer.report(run),
        "preview": lambda: transfer.preview(folder, tmp_path / "preview.png"),
        "prepare": lambda: transfer.prepare(folder, tmp_path / "prepared"),
    }
    assert sorted(calls) == sorted(VERBS)
    expected = draws()
    keras.utils.set_random_seed(USERS["seed"])
    before = state()
    calls[verb]()
    assert state() == before
    assert draws() == expected


def test_nothing_of_a_training_stays_in_memory(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    def graphs() -> list[str]:
        """Return the names of the traced steps and of our objects that are still alive."""
        gc.collect()
        kinds = {"FuncGraph", "Features", "Setup"}
        kept = [each for each in gc.get_objects() if type(each).__name__ in kinds]
        return sorted(getattr(each, "name", type(each).__name__) for each in kept)

    folder = make_folder("own", per_class=6)
    before = graphs()
    for name, knobs in (
        ("tuned", {}),
        ("dense", {"head": "8", "unfreeze": "none"}),
        ("whole", {"unfreeze": "all", "views": None}),
    ):
        transfer.finetune(folder, output=tmp_path / name, **KNOBS | knobs)
    assert graphs() == before


def test_the_policy_of_the_caller_does_not_reach_the_network(
    toy: str, user: None, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder("own", per_class=4)
    mixed = transfer.finetune(folder, output=tmp_path / "mixed", **KNOBS | {"unfreeze": "none"})
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")
    plain = transfer.finetune(folder, output=tmp_path / "plain", **KNOBS | {"unfreeze": "none"})
    assert mixed.metrics == plain.metrics
    model = keras.models.load_model(mixed.path / "model.keras", compile=False)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_is_refused_before_anything_is_made(
    backend: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    words = ["finetune", str(make_folder(per_class=4)), "-o", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "transfer", *words],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert f"Expected Keras to use TensorFlow. Received: '{backend}'" in done.stderr
    assert done.stderr.strip().endswith("Start with: KERAS_BACKEND=tensorflow")
    assert not (tmp_path / "run").exists()


def test_works_where_the_session_is_strict(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder("own", per_class=6)
    knobs = KNOBS | {"views": 1, "engine": "keras"}
    tf.debugging.enable_check_numerics()
    try:
        with np.errstate(all="raise"):
            new = transfer.finetune(folder, output=tmp_path / "new", **knobs)
            transfer.evaluate(new, folder)
            transfer.predict(new, folder)
            transfer.report(new)
            transfer.check(folder)
            transfer.preview(folder, tmp_path / "preview.png")
            assert np.geterr()["under"] == "raise"
    finally:
        tf.debugging.disable_check_numerics()
    assert new.metrics["accuracy"] > 0.5
