"""TensorFlow's import, and the sessions in which the package does not run."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from transfer.errors import UsageError
from transfer.system import quiet
from transfer.system.quiet import import_tensorflow


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
