"""Averages of the weights against averages that are worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import PROGRESS, make_settings

import transfer
from transfer.system.csv import read_csv
from transfer.training.keep.checkpoint import BestCheckpoint, Patience, StateKeeper
from transfer.training.keep.state import State, load_state
from transfer.training.optim.averages import AveragedWeights
from transfer.training.optim.optimizers import LayerwiseAdamW, LayerwiseSGD, make_optimizer
from transfer.training.tuning.history import History

IDENTITY = {key: PROGRESS[key] for key in ("recipe", "classes", "split.csv", "weights")}
RATE, MOMENTUM = 0.5, 0.3  # reached after the third update
GRADIENTS = [4.0, -2.0, 6.0, 8.0, 1.0, 3.0]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "tf.function"])
@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_steps_by_hand(accumulate: int, compiled: bool) -> None:
    variable = keras.Variable(10.0)
    steps = accumulate if accumulate > 1 else None
    optimizer = LayerwiseSGD(
        learning_rate=RATE,
        factors=[0.5],
        use_ema=True,
        ema_momentum=MOMENTUM,
        gradient_accumulation_steps=steps,
    )

    def apply(gradient: tf.Tensor) -> None:
        optimizer.apply([gradient], [variable])  # the first call builds it

    step = tf.function(apply) if compiled else apply
    weight = average = 10.0
    for count, gradient in enumerate(GRADIENTS, start=1):
        step(tf.constant(gradient))
        if count % accumulate == 0:  # unchanged in between
            weight -= RATE * 0.5 * np.mean(GRADIENTS[count - accumulate : count])
            updates = count // accumulate
            momentum = min(MOMENTUM, (1 + updates) / (10 + updates))
            average = momentum * average + (1 - momentum) * weight
        assert float(variable) == pytest.approx(weight, abs=1e-5)
        assert float(optimizer._averages[0]) == pytest.approx(average, abs=1e-5)
    optimizer.finalize_variable_values([variable])
    assert float(variable) == pytest.approx(average, abs=1e-5)


def test_the_knob_arrives() -> None:
    config = make_optimizer(make_settings(ema=0.99), 100).get_config()
    assert (config["use_ema"], config["ema_momentum"]) == (True, 0.99)
    assert make_optimizer(make_settings(), 100).get_config()["use_ema"] is False


def noted(model: keras.Model, into: list[list[np.ndarray]]) -> keras.callbacks.Callback:
    """Return a callback that records the weights at the end of each epoch."""
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: into.append([np.array(v) for v in model.weights])
    )


def fit(
    directory: Path, epochs: int = 6, saved: State | None = None, ema: bool = True
) -> tuple[keras.Model, list[list[np.ndarray]], list[list[np.ndarray]], History]:
    """Train a small model; return it, the evaluated and the trained weights, and the history."""
    keras.utils.set_random_seed(0)
    stack = [
        keras.layers.Dense(5, "tanh"),
        keras.layers.Dropout(0.2, seed=1),
        keras.layers.Dense(2),
    ]
    model = keras.Sequential([keras.Input((3,)), *stack])
    options: dict[str, Any] = {"use_ema": True, "ema_momentum": MOMENTUM} if ema else {}
    optimizer = LayerwiseAdamW(learning_rate=0.1, gradient_accumulation_steps=2, **options)
    model.compile(optimizer, "mse", jit_compile=False)
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    history = History(directory / "history.csv", saved.progress["history"] if saved else ())
    best = BestCheckpoint(directory / "m.keras", "val_loss", "min")
    patience = Patience("val_loss", mode="min", patience=99)
    judged: list[list[np.ndarray]] = []
    trained: list[list[np.ndarray]] = []
    model.fit(
        x,
        x[:, :2] ** 2,
        batch_size=4,
        shuffle=False,
        verbose=0,
        epochs=epochs,
        initial_epoch=saved.epoch if saved else 0,
        validation_data=(x, x[:, :2] ** 2),
        callbacks=[
            best,
            noted(model, judged),
            *([AveragedWeights()] if ema else []),
            patience,
            history.recorder("finetune"),
            StateKeeper(directory, best, patience, history, IDENTITY, saved),
            noted(model, trained),
        ],
    )
    return model, judged, trained, history


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_averages_are_judged_and_kept_and_the_training_is_that_without_them(tmp_path: Path) -> None:
    for name in ("plain", "averaged"):
        (tmp_path / name).mkdir()
    _, _, plain, _ = fit(tmp_path / "plain", ema=False)
    model, judged, trained, history = fit(tmp_path / "averaged")
    for one, other, third in zip(plain, trained, judged, strict=True):
        assert same(one, other)
        assert not same(other, third)
    assert same([np.array(weight) for weight in model.weights], judged[-1])
    losses = [row["val_loss"] for row in history.rows]
    kept = keras.models.load_model(tmp_path / "averaged" / "m.keras")
    best = int(np.argmin(losses))
    assert same([np.array(weight) for weight in kept.weights], judged[best])
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    loss = np.mean((kept.predict(x, verbose=0) - x[:, :2] ** 2) ** 2)
    assert loss == pytest.approx(losses[best], rel=1e-5)


@pytest.mark.slow
def test_a_run_is_judged_by_its_averages(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    def figures(ema: float) -> dict[str, list[float]]:
        run = transfer.finetune(
            make_folder(f"with {ema}"),
            output=tmp_path / f"run {ema}",
            backbone=toy,
            ema=ema,
            head="avg,8",
            head_epochs=1,
            epochs=3,
            batch_size=4,
            views=0,
            unfreeze="2",
            learning_rate=0.01,
        )
        rows = [r for r in read_csv(run.path / "history.csv") if r["phase"] == "finetune"]
        return {name: [float(row[name]) for row in rows] for name in ("loss", "val_loss")}

    plain, averaged = figures(0.0), figures(0.99)
    np.testing.assert_allclose(averaged["loss"], plain["loss"], rtol=1e-4)
    apart = np.subtract(averaged["val_loss"], plain["val_loss"])
    assert (abs(apart) > 1e-3).all()


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_fit_that_is_taken_up_again_has_weights_and_averages(tmp_path: Path, stop: int) -> None:
    for name in ("whole", "halves"):
        (tmp_path / name).mkdir()
    _, judged, trained, whole = fit(tmp_path / "whole")
    fit(tmp_path / "halves", stop)
    _, later, going_on, halves = fit(tmp_path / "halves", 6, load_state(tmp_path / "halves"))
    assert same(judged[-1], later[-1])
    assert same(trained[-1], going_on[-1])
    assert [row["val_loss"] for row in whole.rows] == [row["val_loss"] for row in halves.rows]
