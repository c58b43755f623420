from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from toys import PROGRESS

from transfer.errors import RunError, TransferError, UsageError
from transfer.training.keep.checkpoint import (
    BestCheckpoint,
    Patience,
    StateKeeper,
    save_model,
    variables_that_train,
)
from transfer.training.keep.state import State, load_state, out_of_disk, save_state
from transfer.training.tuning.history import History

IDENTITY = {key: PROGRESS[key] for key in ("recipe", "classes", "split.csv", "weights")}


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
    with pytest.raises(TransferError, match=r"The disk is full: .*m\.keras needs about") as full:
        save_model(tiny(), path)
    assert "resume(" not in str(full.value)  # only a run can say that
    told = out_of_disk(Path("runs/a"), full.value)
    assert str(told) == f"{full.value} Then resume with: transfer.resume('runs/a')"
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


KILL_ME = """
import json, os, signal, sys, time
from pathlib import Path
import keras, numpy as np
from transfer.system import signals
from transfer.runs.directory import locked
from transfer.training.keep.checkpoint import save_model
from transfer.training.keep.state import load_state, save_state

model = keras.Sequential([keras.Input((400,)), keras.layers.Dense(2000), keras.layers.Dense(400)])
arrays = [np.asarray(variable) for variable in model.variables]
run, number, progress = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
save_model(model, run / "model.keras")
save_state(run, 0, progress, arrays)

def save_for_ever():
    with signals.handled(), signals.patiently():
        for epoch in range(1, 10**9):
            save_model(model, run / "model.keras")
            save_state(run, epoch, progress, arrays)
            signals.check()

for delay in np.random.default_rng(0).uniform(0.05, 0.4, 20):
    process = os.fork()  # which spares each of them the import of TensorFlow
    if process == 0:
        try:
            save_for_ever()
        except SystemExit as stopped:
            os._exit(stopped.code)
    time.sleep(delay)
    os.kill(process, number)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert code == {signal.SIGKILL: -9, signal.SIGTERM: 143}[number], code
    assert keras.models.load_model(run / "model.keras", compile=False).input_shape == (None, 400)
    state = load_state(run)
    for array, stored in zip(arrays, state.arrays(), strict=True):
        np.testing.assert_array_equal(array, stored)
    left = sum(file.name.startswith(".tmp") for file in run.iterdir())
    print("valid; left", left, "epoch", state.epoch, flush=True)
with locked(run):
    names = sorted(file.name for file in run.iterdir())
print(*names)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGKILL, marks=pytest.mark.case("T02")),
        pytest.param(signal.SIGTERM, marks=pytest.mark.case("T07")),
    ],
)
def test_twenty_signals_during_saves_leave_valid_files(tmp_path: Path, number: int) -> None:
    (tmp_path / "run").mkdir()
    command = [sys.executable, "-c", KILL_ME, str(tmp_path / "run"), str(int(number))]
    command.append(json.dumps(PROGRESS))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("valid")]) == 20
    states = "state-1.json state-1.npz state-2.json state-2.npz"
    assert lines[-1] == f".lock lock.json model.keras {states}"
    left = [line for line in lines[:-1] if not line.startswith("valid; left 0")]
    assert bool(left) == (number == signal.SIGKILL)  # only a kill leaves anything behind


def fit(
    directory: Path, epochs: int, saved: State | None = None
) -> tuple[keras.Model, History, list[np.ndarray]]:
    """Train a small model with everything that has a state; return what it started from too."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, kernel_initializer=keras.initializers.GlorotUniform(1)),
            layers.BatchNormalization(),
            layers.Dropout(0.5, seed=1),
            layers.Dense(1, kernel_initializer="zeros"),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.1, 24)
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    x = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    history = History(directory / "history.csv", saved.progress["history"] if saved else ())
    best = BestCheckpoint(directory / "m.keras", "val_loss", "min")
    patience = Patience("val_loss", mode="min", patience=9)
    keeper = StateKeeper(directory, best, patience, history, IDENTITY, saved)
    model.fit(
        x,
        x.sum(axis=1),
        batch_size=4,
        shuffle=False,
        verbose=0,
        epochs=epochs,
        initial_epoch=saved.epoch if saved else 0,
        validation_data=(x, x.sum(axis=1)),
        callbacks=[
            best,
            patience,
            history.recorder("finetune"),
            keeper,
        ],
    )
    return model, history, keeper.start


@pytest.mark.case("T11")
def test_a_fit_that_takes_a_state_up_is_as_if_never_stopped(tmp_path: Path) -> None:
    for name in ("whole", "halves"):
        (tmp_path / name).mkdir()
    whole, rows, start = fit(tmp_path / "whole", 8)
    fit(tmp_path / "halves", 3)
    saved = load_state(tmp_path / "halves")
    assert saved is not None
    assert IDENTITY.items() <= saved.progress.items()
    halves, more, resumed = fit(tmp_path / "halves", 8, saved)
    for one, two in zip(whole.variables, halves.variables, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(two), rtol=1e-6)
    figures = [[(row["epoch"], row["val_loss"]) for row in each.rows] for each in (rows, more)]
    np.testing.assert_allclose(figures[0], figures[1], rtol=1e-6)
    states = [load_state(tmp_path / name) for name in ("whole", "halves")]
    one, two = ({key: state.progress[key] for key in ("best", "patience")} for state in states)
    assert one["best"]["best_epoch"] == two["best"]["best_epoch"]
    assert one["best"]["best"] == pytest.approx(two["best"]["best"], rel=1e-6)
    assert one["patience"]["wait"] == two["patience"]["wait"]

    for one, two, now in zip(start, resumed, variables_that_train(whole), strict=True):
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, np.asarray(now))


@pytest.mark.case("T11")
def test_a_worse_epoch_after_resume_does_not_replace_the_best(tmp_path: Path) -> None:
    fit(tmp_path, 2)
    saved = load_state(tmp_path)
    assert saved is not None
    saved.progress["best"]["best"] = 0.0  # which no later loss is below
    model = (tmp_path / "m.keras").read_bytes()
    fit(tmp_path, 4, saved)
    assert (tmp_path / "m.keras").read_bytes() == model


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    save_state(tmp_path, 3, PROGRESS, [np.zeros(3)])
    with pytest.raises(RunError, match="the state of another model"):
        fit(tmp_path, 8, load_state(tmp_path))


@pytest.mark.case("T15")
def test_a_monitor_that_the_model_does_not_have_is_refused_at_the_first_step(
    tmp_path: Path,
) -> None:
    model = tiny()
    model.compile("sgd", "mse", metrics=["mae"])
    checkpoint = BestCheckpoint(tmp_path / "m.keras", "val_maee", "min")
    x = np.ones((2, 2), np.float32)
    with pytest.raises(UsageError, match=r"Unknown monitor='val_maee'\. Did you mean 'val_mae'"):
        model.fit(x, x[:, :1], verbose=0, callbacks=[checkpoint])


@pytest.mark.case("T08")
def test_a_model_with_a_loss_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    checkpoint = BestCheckpoint(tmp_path / "m.keras", "val_accuracy", "max")
    checkpoint.set_model(tiny())
    for epoch, (accuracy, loss) in enumerate([(0.9, float("nan")), (0.5, 1.0)]):
        checkpoint.on_epoch_end(epoch, {"val_accuracy": accuracy, "val_loss": loss})
    assert checkpoint.best_epoch == 1


@pytest.mark.case("T09")
def test_patience_takes_a_nan_for_the_worst(tmp_path: Path) -> None:
    patience = Patience("val_loss", mode="min", patience=2)
    patience.set_model(tiny())
    patience.on_train_begin()
    for epoch, value in enumerate([float("nan"), 0.9, 0.8, float("nan"), 0.7]):
        patience.on_epoch_end(epoch, {"val_loss": value})
        assert not getattr(patience.model, "stop_training", False)
    assert patience.wait == 0
    assert patience.best == 0.7
