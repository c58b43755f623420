"""What is kept, with weights whose predictions are known by hand, and in runs of the toy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import make_settings

import transfer
from transfer.experiments import cross_validation
from transfer.runs.info import Choice, Figures
from transfer.runs.run import Run
from transfer.training import train
from transfer.training.keep.checkpoint import save_model, variables_that_train
from transfer.training.keep.selection import keep_the_best
from transfer.training.setup import Tunable
from transfer.training.tuning.fit import Tuned

# Recognised where w @ x > 0: A by (1, 0), B by (0, 1), both by (0.5, 0.5), but neither by the
# points a quarter of the way from one to the other, which lose B or A. C by none of these.
A, B, C = (2.5, -1.0), (-1.0, 2.5), (-1.0, -1.0)
START, LAST = (1.0, 0.0), (0.0, 1.0)
NAN = (float("nan"), 0.0)
LOGS = {"val_accuracy": 0.9, "val_loss": 0.1, "val_macro_f1": 0.9}


def kernel(w: tuple[float, float]) -> np.ndarray:
    return np.stack([np.zeros(2), w], axis=1).astype(np.float32)


def build(w: tuple[float, float]) -> keras.Model:
    """Return a model that says 1, which is right, where w @ x > 0."""
    layers = [keras.Input((2,)), keras.layers.Dense(2, "softmax", use_bias=False)]
    model = keras.Sequential(layers)
    model.set_weights([kernel(w)])
    return model


def tunable(model: keras.Model) -> Tunable:
    nothing: Any = None
    return Tunable(model, model, nothing, nothing)


def choose(
    path: Path,
    images: list[tuple[float, float]],
    *,
    start: tuple[float, float] = START,
    best: tuple[float, float] | None = LAST,
    last: tuple[float, float] = LAST,
    **knobs: Any,
) -> tuple[Choice, Figures, np.ndarray]:
    """Choose between models; return the record, the metrics, and the weights kept."""
    save_model(build(start if best is None else best), path)
    x, targets = np.array(images, np.float32), np.tile([0.0, 1.0], (len(images), 1))
    val = tf.data.Dataset.from_tensor_slices((x, targets)).batch(4)
    epoch, logs = (None, {}) if best is None else (2, LOGS)
    settings = make_settings(**knobs)
    model = build(last)
    tuned = Tuned(epoch, logs, [kernel(start)], val)
    choice, figures = keep_the_best(tunable(model), tuned, settings, path)
    kept = keras.models.load_model(path, compile=False)
    np.testing.assert_array_equal(kept.get_weights()[0], model.get_weights()[0])
    if figures and settings.monitor.startswith("val_"):  # those of what is in the file
        right = kept.predict(x, verbose=0).argmax(axis=1) == 1
        assert figures["val_accuracy"] == pytest.approx(right.mean())
    return choice, figures, kept.get_weights()[0]


def test_a_point_between_is_kept_where_it_is_best(tmp_path: Path, said: Callable[[], str]) -> None:
    info, figures, weights = choose(tmp_path / "m.keras", [A, A, A, B, B, C])
    np.testing.assert_array_equal(weights, kernel((0.5, 0.5)))
    assert info == Choice(
        kept="50% of fine-tuning",
        why="val_accuracy 0.8333, against 0.5000 for the head alone; of 6 validation images, 2 are"
        " now right and 0 no longer (McNemar's test: p = 0.5, optimistic because the choice was"
        " made on the same images)",  # 2 of 2, two-sided
        monitor="val_accuracy",
        candidates={
            "head": 3 / 6,
            "epoch 3": pytest.approx(2 / 6),
            "25% of fine-tuning": 3 / 6,
            "50% of fine-tuning": pytest.approx(5 / 6),
            "75% of fine-tuning": pytest.approx(2 / 6),
        },
        gained=2,
        lost=0,
    )
    # A and B: log(1 + exp(-0.75)) = 0.3869; C: log(1 + exp(1)) = 1.3133
    assert figures["val_loss"] == pytest.approx((5 * 0.3869 + 1.3133) / 6, abs=1e-4)
    assert figures["val_macro_f1"] == pytest.approx(10 / 11)
    assert "Kept: 50% of fine-tuning: val_accuracy 0.8333, against" in said()


def test_gained_lost_and_mcnemar_by_hand(tmp_path: Path) -> None:
    images = [A, B, B, B, B, B, C]
    info, _, weights = choose(tmp_path / "m.keras", images, interpolate=False)
    np.testing.assert_array_equal(weights, kernel(LAST))
    assert (info.kept, info.gained, info.lost) == ("epoch 3", 5, 1)
    assert list(info.candidates) == ["head", "epoch 3"]
    assert "p = 0.22, optimistic" in info.why  # 2 x (1 + 6) / 2^6


def test_what_is_only_as_good_does_not_take_the_place_of_the_head(tmp_path: Path) -> None:
    """LAST loses less by B than START by A, and is no more often right."""
    images = [A, (-1.0, 9.0)]
    info, figures, weights = choose(tmp_path / "m.keras", images, interpolate=False)
    np.testing.assert_array_equal(weights, kernel(START))
    assert info.kept == "head"
    assert info.why == "no other candidate had a better val_accuracy than its 0.5000"
    assert (info.gained, info.lost, figures) == (0, 0, {})


def test_of_equals_the_surer_takes_the_place_of_the_head(tmp_path: Path) -> None:
    scales = {"start": (-1.0, -1.0), "best": (0.5, 0.5), "last": (3.0, 3.0)}
    info, _, weights = choose(tmp_path / "m.keras", [A, B], **scales)
    assert info.kept == "75% of fine-tuning"  # (2, 2): as right as (0.5, 0.5), and surer
    np.testing.assert_array_equal(weights, kernel((2.0, 2.0)))


@pytest.mark.parametrize("monitor", ["val_accuracy", "val_macro_f1", "val_loss"])
def test_where_nothing_is_better_the_head_is_kept(tmp_path: Path, monitor: str) -> None:
    """Also if the file holds an epoch in which a run was stopped before its state was saved."""
    save_model(build((0.3, 0.4)), tmp_path / "m.keras")
    knobs: dict[str, Any] = {"start": (9.0, 0.0), "best": None, "monitor": monitor}
    info, figures, weights = choose(tmp_path / "m.keras", [A, A, A], **knobs)
    assert (info.kept, figures) == ("head", {})
    np.testing.assert_array_equal(weights, kernel((9.0, 0.0)))


def test_the_lowest_loss_is_best_where_it_is_the_monitor(tmp_path: Path) -> None:
    info, _, _ = choose(tmp_path / "m.keras", [A, A, B, B], monitor="val_loss")
    assert info.kept == "50% of fine-tuning"
    assert min(info.candidates.values()) == info.candidates["50% of fine-tuning"]


@pytest.mark.parametrize("monitor", ["val_accuracy", "val_loss"])
@pytest.mark.parametrize("best", [None, LAST])
def test_weights_that_are_no_numbers_are_never_kept(
    tmp_path: Path, monitor: str, best: tuple[float, float] | None
) -> None:
    """The loss of the last step can be finite while the weights after it are not."""
    zero = (-1.0, -1.0)  # a model that always answers 0, as with NaN, recognises neither
    options: dict[str, Any] = {"start": zero, "best": best, "last": NAN, "monitor": monitor}
    info, _, weights = choose(tmp_path / "m.keras", [A, B, B], **options)
    assert info.kept == ("head" if best is None else "epoch 3")
    assert np.isfinite(weights).all()
    json.dumps(asdict(info), allow_nan=False)


@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
def test_a_training_figure_keeps_the_best_epoch(tmp_path: Path, monitor: str) -> None:
    path = tmp_path / "m.keras"
    save_model(build(LAST), path)
    val = tf.data.Dataset.from_tensor_slices(([A], [[0.0, 1.0]])).batch(1)
    tuned = Tuned(2, LOGS | {monitor: 0.3}, [kernel(START)], val)
    model = build((0.1, 0.9))
    info, figures = keep_the_best(tunable(model), tuned, make_settings(monitor=monitor), path)
    assert info == Choice(f"epoch with the best {monitor}")
    assert figures == LOGS | {monitor: 0.3}
    kept = keras.models.load_model(path, compile=False).get_weights()[0]
    np.testing.assert_array_equal(kept, kernel(LAST))


def test_moving_statistics_train_where_their_layer_is_not_frozen() -> None:
    """Otherwise a point between would mix statistics of one end with weights of the other."""
    layers = keras.layers
    frozen, dropout = layers.BatchNormalization(name="frozen"), layers.Dropout(0.5, seed=1)
    inner = keras.Sequential([keras.Input((2,)), layers.BatchNormalization(name="free"), dropout])
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="dense"), frozen, inner])
    frozen.trainable = False
    names = [variable.path for variable in variables_that_train(model)]
    moving = [f"free/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")]
    expected = ["dense/kernel", "dense/bias", *moving]
    assert ["/".join(name.split("/")[-2:]) for name in names] == expected


TOY: dict[str, Any] = {
    "backbone": "toy",
    "head_epochs": 2,
    "epochs": 3,
    "batch_size": 8,
    "views": 1,
    "unfreeze": "2",
    "learning_rate": 0.01,
    "monitor": "val_loss",
}


def weights_of(run: Path) -> list[bytes]:
    model = keras.models.load_model(run / "model.keras", compile=False)
    return [np.asarray(weight).tobytes() for weight in model.weights]


def keeping_copies(
    patch: pytest.MonkeyPatch, run: Path, before: Path, unnoted: Path, after: Path
) -> None:
    """Leave what a kill would: before the choice, before it is recorded, or after it."""

    def copy(target: Path) -> None:
        shutil.copytree(run, target, ignore=shutil.ignore_patterns(".*", "lock.json"))

    choose, judge = train.keep_the_best, cross_validation.cross_validate_run
    calibrate = train._calibrate

    def copy_and_choose(*arguments: Any) -> Any:
        copy(before)
        return choose(*arguments)

    def calibrate_and_copy(*arguments: Any) -> Any:
        found = calibrate(*arguments)
        copy(unnoted)
        return found

    def copy_and_judge(*arguments: Any) -> Any:
        copy(after)
        return judge(*arguments)

    patch.setattr(train, "keep_the_best", copy_and_choose)
    patch.setattr(train, "_calibrate", calibrate_and_copy)
    patch.setattr(cross_validation, "cross_validate_run", copy_and_judge)


NO_BETTER = {"epochs": 50, "patience": 1, "learning_rate": 1e-12, "monitor": "val_accuracy"}
HEAD_OF_BATCHNORM = {"head": "avg,8,batchnorm,dropout=0.2", "ema": 0.5, "mixed_precision": "on"}


@pytest.mark.slow
@pytest.mark.case("T11")
@pytest.mark.parametrize(
    ("knobs", "phase"),
    [({}, "finetune"), (HEAD_OF_BATCHNORM, "finetune"), (NO_BETTER, "head")],
    ids=["plain", "averages", "no better"],
)
def test_a_run_that_ends_around_the_choice_is_resumed_to_the_same(
    toy: str,
    make_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    knobs: dict[str, Any],
    phase: str,
) -> None:
    before, unnoted, noted, after = (tmp_path / name for name in ("1", "2", "3", "4"))
    with monkeypatch.context() as patch:
        keeping_copies(patch, tmp_path / "run", before, unnoted, after)
        run = transfer.finetune(make_folder(), output=tmp_path / "run", **TOY | knobs)
    choice = run.info.choice
    assert run.info.phase_kept == phase
    assert (choice.kept == "head") is (phase == "head")
    assert choice.monitor == run.info.settings.monitor
    last = run.info.settings.epochs
    assert len(choice.candidates) == 4 + any("epoch" in name for name in choice.candidates)
    shutil.copytree(unnoted, noted)
    shutil.copy(after / "run.json", noted)
    for path, chosen in ((before, False), (unnoted, False), (noted, True), (after, True)):
        assert (Run(path).info.choice is not None) is chosen
        with monkeypatch.context() as patch:
            patch.setattr(keras.Model, "fit", None)  # there is nothing left to train
            again = transfer.resume(path)
        assert again.info.choice == choice
        assert not (path / "chosen.keras").exists()
        assert again.info.phases == run.info.phases
        assert again.info.settings.epochs == last
        assert weights_of(path) == weights_of(run.path)
        assert (path / "history.csv").read_text() == (run.path / "history.csv").read_text()
    if phase == "head":  # before, only the head was written; then its last layer was calibrated
        assert weights_of(run.path)[:-2] == weights_of(before)[:-2]
    else:
        kept = run.info.phases["finetune"]
        assert run.info.calibration.log_loss_before == pytest.approx(kept["val_loss"], abs=1e-4)
        assert kept["val_loss"] < choice.candidates["head"]


def test_the_head_among_the_candidates_is_the_head(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """Though its moving statistics have changed in the meantime."""
    knobs = TOY | {"head": "avg,8,batchnorm", "interpolate": False, "epochs": 6}
    run = transfer.finetune(make_folder(), output=tmp_path / "run", **knobs)
    candidates = run.info.choice.candidates
    assert candidates["head"] == pytest.approx(run.info.phases["head"]["val_loss"], abs=1e-3)
    assert not any("of fine-tuning" in name for name in candidates)
