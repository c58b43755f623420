"""Calibration goes into the saved model: same classes, another confidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import transfer
from transfer.api import training
from transfer.runs.info import Calibration
from transfer.runs.run import Run
from transfer.training import train
from transfer.training.keep.calibration import calibrate

MakeFolder = Callable[..., Path]


def model_of(kernel: np.ndarray) -> keras.Model:
    layers = [keras.Input((2,)), keras.layers.Dense(3, "softmax", name="predictions")]
    model = keras.Sequential(layers)
    model.set_weights([kernel, np.zeros(3)])
    return model


def test_the_last_layer_is_divided_by_the_temperature(said: Callable[[], str]) -> None:
    rng = np.random.default_rng(0)
    kernel, x = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=(600, 2))
    own = model_of(kernel)
    drawn = rng.random((600, 1)) < np.cumsum(own.predict(x, verbose=0), axis=1)
    targets = np.eye(3)[drawn.argmax(axis=1)]
    sharp = model_of(3 * kernel)
    probabilities = sharp.predict(x, verbose=0)
    found = calibrate(sharp, probabilities, targets, False)
    assert found.temperature == pytest.approx(3, rel=0.15)
    np.testing.assert_allclose(sharp.get_weights()[0], 3 * kernel / found.temperature, rtol=1e-5)
    assert found.ece < found.ece_before / 2
    assert found.log_loss < found.log_loss_before
    assert "Calibrated by a temperature of" in said()
    calm = sharp.predict(x, verbose=0)
    np.testing.assert_array_equal(calm.argmax(axis=1), probabilities.argmax(axis=1))


@pytest.mark.parametrize(
    "knobs",
    [
        {"unfreeze": "none"},
        {"unfreeze": "1", "epochs": 2},
        {"unfreeze": "1", "epochs": 1, "monitor": "accuracy"},
        {"weights": "none", "epochs": 2},
    ],
    ids=["head", "fine-tuned", "last epoch", "from scratch"],
)
def test_every_run_is_calibrated(
    toy: str, make_folder: MakeFolder, tmp_path: Path, knobs: dict[str, Any]
) -> None:
    folder = make_folder()
    noise = np.random.default_rng(0)
    files = sorted(folder.rglob("*.png"))
    for file in noise.choice(files, 6, replace=False):  # some labels are wrong
        file.rename(folder / "red" / f"moved-{file.parent.name}-{file.name}")
    plain = {"backbone": toy, "views": 0, "seed": 1, "batch_size": 8}
    run = transfer.finetune(folder, output=tmp_path / "run", **plain, **knobs)
    found = run.info.calibration
    assert isinstance(found, Calibration)
    assert found.images == run.metrics["n"]
    predictions = Run(run.path).predictions()
    logs = np.log(predictions.probabilities.astype(np.float64))
    before = np.exp(logs * found.temperature)
    before /= before.sum(axis=1, keepdims=True)
    given = before[np.arange(len(before)), predictions.true]
    assert -np.log(given).mean() == pytest.approx(found.log_loss_before, abs=1e-3)
    assert run.metrics["log_loss"] <= found.log_loss_before + 1e-6
    assert "temperature of" in (run.path / "report.html").read_text()


@pytest.mark.parametrize(
    ("where", "knobs"),
    [
        ("transfer.api.training.settle_thresholds", {"weights": "none"}),
        ("transfer.training.train._calibrate", {"weights": "none"}),
        ("transfer.training.train._calibrate", {"unfreeze": "1", "monitor": "accuracy"}),
    ],
    ids=["from scratch, later", "from scratch", "best training epoch"],
)
def test_a_run_that_ends_at_its_calibration_is_resumed_to_the_same(
    toy: str,
    make_folder: MakeFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    knobs: dict[str, Any],
) -> None:
    folder = make_folder()
    plain = {"backbone": toy, "views": 0, "epochs": 3, "batch_size": 8, "learning_rate": 0.05}
    whole = transfer.finetune(folder, output=tmp_path / "whole", **plain, **knobs)
    module, _, name = where.rpartition(".")
    work = getattr(train if module.endswith("train") else training, name)

    def stop(*arguments: Any) -> None:
        work(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(where, stop)
        with pytest.raises(KeyboardInterrupt):
            transfer.finetune(folder, output=tmp_path / "part", **plain, **knobs)
    part = transfer.resume(tmp_path / "part")
    assert part.info.calibration == whole.info.calibration
    kernels = [weights_of(run.path) for run in (whole, part)]
    np.testing.assert_array_equal(*kernels)


def weights_of(run: Path) -> np.ndarray:
    model = keras.models.load_model(run / "model.keras", compile=False)
    return np.concatenate([np.ravel(weight) for weight in model.get_weights()])
