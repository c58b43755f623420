from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from transfer.training.checkpoint import BestCheckpoint, save_model


def tiny() -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


def feed(checkpoint: BestCheckpoint, values: list[float], name: str = "val_loss") -> list[int]:
    """Return the epochs that were saved when `name` went through `values`."""
    checkpoint.set_model(tiny())
    saved = []
    for epoch, value in enumerate(values):
        before = checkpoint.best_epoch
        checkpoint.on_epoch_begin(epoch)
        checkpoint.on_epoch_end(epoch, {name: value})
        if checkpoint.best_epoch != before:
            saved.append(epoch)
    return saved


@pytest.mark.case("T09")
def test_a_nan_is_never_the_best(tmp_path: Path) -> None:
    checkpoint = BestCheckpoint(tmp_path / "m.keras", "val_loss", "min")
    assert feed(checkpoint, [float("nan"), 0.9, float("-inf"), 0.5, 0.7]) == [1, 3]


def test_a_value_that_is_not_there_saves_nothing(tmp_path: Path) -> None:
    checkpoint = BestCheckpoint(tmp_path / "m.keras", "val_acuracy", "max")
    assert feed(checkpoint, [0.5, 0.6]) == []
    assert list(tmp_path.iterdir()) == []


def test_only_what_beats_the_threshold_is_saved(tmp_path: Path) -> None:
    checkpoint = BestCheckpoint(tmp_path / "m.keras", "val_loss", "min", 0.4)
    assert feed(checkpoint, [0.5, 0.4, 0.39]) == [2]


def test_of_equals_the_lower_val_loss_is_kept(tmp_path: Path) -> None:
    checkpoint = BestCheckpoint(tmp_path / "m.keras", "val_accuracy", "max")
    checkpoint.set_model(tiny())
    for epoch, (accuracy, loss) in enumerate([(1.0, 0.5), (1.0, 0.2), (1.0, 0.3), (0.9, 0.1)]):
        checkpoint.on_epoch_end(epoch, {"val_accuracy": accuracy, "val_loss": loss})
    assert checkpoint.best_epoch == 1


def test_a_part_can_be_trained_while_the_whole_is_saved(tmp_path: Path) -> None:
    whole = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    feed(BestCheckpoint(tmp_path / "m.keras", "val_loss", "min", whole=whole), [0.5])
    loaded = keras.models.load_model(tmp_path / "m.keras")
    x = np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(loaded.predict_on_batch(x), whole.predict_on_batch(x))


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.keras"
    save_model(tiny(), path)
    before = path.read_bytes()

    def fail(model: keras.Model, file: Path, overwrite: bool) -> None:
        file.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Sequential, "save", fail)
    with pytest.raises(OSError, match="No space"):
        save_model(tiny(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


KILL_ME = """
import sys
from pathlib import Path
import keras
from transfer.training.checkpoint import save_model
model = keras.Sequential([keras.Input((400,)), keras.layers.Dense(3000), keras.layers.Dense(400)])
path = Path(sys.argv[1])
save_model(model, path)
print("saved", flush=True)
while True:
    save_model(model, path)
"""


@pytest.mark.case("T02")
@pytest.mark.slow
def test_a_kill_during_a_save_leaves_a_valid_file(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    for delay in np.linspace(0.0, 0.3, 5):
        process = subprocess.Popen(
            [sys.executable, "-c", KILL_ME, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "saved\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert keras.models.load_model(path).input_shape == (None, 400)
