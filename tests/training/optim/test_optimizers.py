"""Steps of the layer-wise optimizers against steps that are worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import make_settings

from transfer.networks.classifier import Classifier, layers_to_unfreeze
from transfer.networks.weights import Weights
from transfer.training.optim.optimizers import (
    LayerwiseAdam,
    LayerwiseAdamW,
    LayerwiseSGD,
    layer_factors,
    make_optimizer,
)
from transfer.training.optim.schedules import make_schedule

RATE, DECAY = 0.05, 0.1
FACTORS = (0.25, 0.25, 1.0)
GRADIENTS = [np.random.default_rng(step).normal(size=(3, 2, 2)) for step in range(2)]
START = np.random.default_rng(9).normal(size=(3, 2, 2))
Step = Callable[[np.ndarray, np.ndarray, float, int, dict[str, Any]], np.ndarray]


def by_sgd(w: np.ndarray, g: np.ndarray, rate: float, t: int, state: dict[str, Any]) -> np.ndarray:
    state["m"] = 0.9 * state.get("m", 0.0) - rate * g
    return w + state["m"]


def by_adam(w: np.ndarray, g: np.ndarray, rate: float, t: int, state: dict[str, Any]) -> np.ndarray:
    state["m"] = 0.9 * state.get("m", 0.0) + 0.1 * g
    state["v"] = 0.999 * state.get("v", 0.0) + 0.001 * g**2
    # Kingma and Ba, section 2: the order that adds epsilon before the bias of v is corrected
    alpha = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - alpha * state["m"] / (np.sqrt(state["v"]) + 1e-7)


def by_adam_with_l2(
    w: np.ndarray, g: np.ndarray, rate: float, t: int, state: dict[str, Any]
) -> np.ndarray:
    return by_adam(w, g + DECAY * w * (w.ndim == 2), rate, t, state)  # never of a bias


def variables() -> list[keras.Variable]:
    """A kernel and a bias that learn slowly, and a kernel that learns at the full rate."""
    layers = []
    for name in ("slow", "fast"):
        layers.append(keras.layers.Dense(2, name=name))
        layers[-1].build((None, 2))
    chosen = [layers[0].kernel, layers[0].bias, layers[1].kernel]
    for variable, value in zip(chosen, START, strict=True):
        variable.assign(value if len(variable.shape) == 2 else value[0])
    return chosen


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "tf.function"])
@pytest.mark.parametrize(
    ("kind", "options", "decay", "step"),
    [
        (LayerwiseSGD, {"momentum": 0.9}, 0.0, by_sgd),
        (LayerwiseSGD, {"momentum": 0.9, "weight_decay": DECAY}, DECAY, by_sgd),
        (LayerwiseAdam, {}, 0.0, by_adam),
        (LayerwiseAdam, {"weight_decay": DECAY}, 0.0, by_adam_with_l2),
        (LayerwiseAdamW, {"weight_decay": DECAY}, DECAY, by_adam),
    ],
    ids=["sgd", "sgd with decay", "adam", "adam with L2", "adamw"],
)
def test_two_steps_by_hand(
    kind: Any, options: dict[str, Any], decay: float, step: Step, compiled: bool
) -> None:
    trained = variables()
    optimizer = kind(learning_rate=RATE, factors=FACTORS, **options)
    optimizer.build(trained)
    apply = tf.function(optimizer.apply) if compiled else optimizer.apply
    for gradients in GRADIENTS:
        rows = [g if len(v.shape) == 2 else g[0] for g, v in zip(gradients, trained, strict=True)]
        apply([tf.constant(row, tf.float32) for row in rows])
    for i, (variable, factor) in enumerate(zip(trained, FACTORS, strict=True)):
        matrix = len(variable.shape) == 2
        expected = START[i] if matrix else START[i][0]
        state: dict[str, Any] = {}
        for t, gradients in enumerate(GRADIENTS, start=1):
            g = gradients[i] if matrix else gradients[i][0]
            expected = expected * (1 - RATE * factor * decay * matrix)  # never of a bias
            expected = step(expected, g, RATE * factor, t, state)
        np.testing.assert_allclose(np.array(variable), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [LayerwiseSGD, LayerwiseAdam, LayerwiseAdamW])
def test_without_factors_it_is_the_optimizer_of_keras(kind: Any) -> None:
    ours, theirs = variables(), variables()
    options = {"learning_rate": RATE, "global_clipnorm": 0.7, "gradient_accumulation_steps": 2}
    pairs = [(kind(**options), ours), (kind.__bases__[1](**options), theirs)]
    for optimizer, trained in pairs:
        if optimizer.weight_decay:
            optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build(trained)
        for _ in range(2):
            for g in GRADIENTS:
                rows = [g[0], g[1][0], g[2]]
                optimizer.apply([tf.constant(row, tf.float32) for row in rows])
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.array(one), np.array(other), rtol=0, atol=1e-7)


def test_too_few_factors_are_refused() -> None:
    with pytest.raises(ValueError, match=r"each of the 3 variables that are trained\. Received: 2"):
        LayerwiseAdam(factors=(1.0, 0.5)).build(variables())


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_saved_and_loaded_it_goes_on_as_if_nothing_had_been(tmp_path: Path, optimizer: str) -> None:
    recipe = make_settings(
        optimizer=optimizer, schedule="onecycle", weight_decay=0.1, learning_rate=0.1
    )
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile(make_optimizer(recipe, 20, (0.5, 1.0)), "mse", jit_compile=False)
    x, y = START[0].astype(np.float32), np.ones((2, 3), np.float32)
    model.train_on_batch(x, y)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for each in (model, again):
        each.train_on_batch(x, y)
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))


def test_the_knobs_arrive() -> None:
    optimizer = make_optimizer(
        make_settings(learning_rate=1e-3, clip_norm=1.5, accumulate=4, schedule="onecycle"), 100
    )
    config = optimizer.get_config()
    assert (config["global_clipnorm"], config["gradient_accumulation_steps"]) == (1.5, 4)
    assert make_optimizer(make_settings(learning_rate=1e-3, optimizer="sgd"), 100).momentum == 0.9
    plain = make_optimizer(make_settings(learning_rate=1e-3), 100).get_config()
    assert (plain["global_clipnorm"], plain["gradient_accumulation_steps"]) == (None, None)


@pytest.mark.parametrize("schedule", ["cosine", "onecycle"])
def test_updates_of_several_batches_have_the_rates_of_plain_ones(schedule: str) -> None:
    recipe = make_settings(learning_rate=1e-3, accumulate=4, schedule=schedule, optimizer="sgd")
    optimizer, plan = make_optimizer(recipe, 102), make_schedule(schedule, 1e-3, 25)
    variable, moved = keras.Variable([1.0]), 0
    for batch in range(100):
        assert float(optimizer.learning_rate) == pytest.approx(float(plan(batch // 4)), rel=1e-5)
        before = variable.numpy().item()
        optimizer.apply([keras.ops.convert_to_tensor([1.0])], [variable])
        moved += variable.numpy().item() != before
    first = schedule == "cosine"  # whose warm-up begins at 0
    assert moved == 25 - first


def test_a_single_update_has_the_whole_rate() -> None:
    optimizer = make_optimizer(make_settings(learning_rate=1e-3, accumulate=8), 8)
    again = type(optimizer).from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
    for each in (optimizer, again):
        each._iterations.assign(7)  # the batch with which the weights move
        assert float(each.learning_rate) == pytest.approx(1e-3)


def test_factors_fall_from_block_to_block(toy: str) -> None:
    parts = Classifier.build(toy, 32, "avg,8", Weights("own"))
    classifier, base = parts.join(parts.new_head(3, seed=0)), parts.base
    parts.unfreeze(classifier, layers_to_unfreeze(base, "all"), normalise=False)
    factors = layer_factors(classifier, base, 0.5)
    assert factors is not None
    paths = [variable.path for variable in classifier.trainable_variables]
    assert dict(zip(paths, factors, strict=True)) == {
        "stem/kernel": 0.0625,
        "block_1/kernel": 0.125,
        "down/kernel": 0.25,
        "block_2/kernel": 0.5,
        "head/dense_1/kernel": 1.0,
        "head/dense_1/bias": 1.0,
        "head/predictions/kernel": 1.0,
        "head/predictions/bias": 1.0,
    }
    assert layer_factors(classifier, base, 1.0) is None
