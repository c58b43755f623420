"""Optimizers with layer-wise learning rates, and the one that a run uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from transfer.networks.blocks import find_blocks
from transfer.settings import Settings
from transfer.training.optim.schedules import make_schedule


class _Layerwise:
    """Keras optimizers with a factor for the learning rate of each variable.

    A factor scales the whole step of a variable, by gradient and by weight decay. (Scaling the
    gradient would do nothing under Adam, which divides it by its own size.) Weight decay is
    decoupled, except with Adam, and skips vectors: biases, and the scales and offsets of
    normalisations.

    Args:
        factors: One for each of the model's ``trainable_variables``, in their order; None for 1.
            (Not by path: Keras may change paths when it loads a model.)
        options: Those of the optimizer. With ``use_ema`` the average of each variable starts at
            its initial value and is updated whenever the variable is: average = m * average +
            (1 - m) * variable, where m after n updates is the smaller of `ema_momentum` and
            (1 + n) / (10 + n), or a short training would be judged by its first weights (as
            ``num_updates`` of tf.train.ExponentialMovingAverage). (Keras' own begins after the
            first step and moves with every batch of an accumulation.)
    """

    def __init__(self, *, factors: Sequence[float] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._factors = None if factors is None else [float(factor) for factor in factors]

    def build(self: Any, variables: Sequence[keras.Variable]) -> None:
        if self.built:
            return
        if self._factors is not None and len(self._factors) != len(variables):
            raise ValueError(
                f"Expected a factor for each of the {len(variables)} variables that are trained."
                f" Received: {len(self._factors)}"
            )
        super().build(variables)  # type: ignore[misc]
        if self.use_ema:
            with tf.init_scope():  # once, even where a traced step is the first to build
                for variable, average in zip(variables, self._averages, strict=True):
                    average.assign(variable)

    def _all_reduce_sum_gradients(self: Any, pairs: Sequence[Any]) -> Sequence[Any]:
        """Return the gradients of one replica as they are.

        Summing them, even over one, registers a function with TensorFlow that keeps the graph of
        the training step, and with it all weights, until the process ends.
        """
        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            return pairs
        return super()._all_reduce_sum_gradients(pairs)  # type: ignore[misc,no-any-return]

    @property
    def _averages(self: Any) -> Sequence[keras.Variable]:
        return self._model_variables_moving_average  # type: ignore[no-any-return]

    def _scaled(self: Any, learning_rate: Any, variable: Any) -> Any:
        if self._factors is None:
            return learning_rate
        return learning_rate * self._factors[self._get_variable_index(variable)]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = self._scaled(learning_rate, variable)
        super().update_step(gradient, variable, rate)  # type: ignore[misc]

    def _apply_weight_decay(self: Any, variables: Sequence[Any]) -> None:
        for variable in variables:
            if self.weight_decay and self._use_weight_decay(variable):
                rate = self._scaled(self.learning_rate, variable)
                self.assign_sub(variable, variable * rate * self.weight_decay)

    def _update_model_variables_moving_average(self: Any, variables: Sequence[Any]) -> None:
        batches = self._iterations + 1
        together = self.gradient_accumulation_steps or 1
        updates = tf.cast(batches // together, tf.float32)
        momentum = tf.minimum(self.ema_momentum, (1 + updates) / (10 + updates))
        share = tf.where(tf.equal(batches % together, 0), 1 - momentum, 0.0)
        for variable, average in zip(variables, self._averages, strict=True):
            self.assign_add(average, share * (variable - average))

    def _use_weight_decay(self, variable: Any) -> bool:
        return len(variable.shape) > 1 and bool(super()._use_weight_decay(variable))  # type: ignore[misc]

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return config | {"factors": None if self._factors is None else list(self._factors)}


@keras.saving.register_keras_serializable("transfer")
class LayerwiseSGD(_Layerwise, keras.optimizers.SGD):  # type: ignore[misc]
    """`keras.optimizers.SGD` with a factor for the learning rate of each variable."""


@keras.saving.register_keras_serializable("transfer")
class LayerwiseAdam(_Layerwise, keras.optimizers.Adam):  # type: ignore[misc]
    """`keras.optimizers.Adam` with a factor for the learning rate of each variable.

    Weight decay is an L2 term of the gradient, as in the original Adam. Keras decouples it here
    too, which would make it AdamW (I. Loshchilov and F. Hutter, "Decoupled Weight Decay
    Regularization", 2019).
    """

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if self.weight_decay and self._use_weight_decay(variable):
            gradient = gradient + self.weight_decay * keras.ops.cast(variable, gradient.dtype)
        super().update_step(gradient, variable, learning_rate)

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Do nothing: it is in the gradient."""


@keras.saving.register_keras_serializable("transfer")
class LayerwiseAdamW(_Layerwise, keras.optimizers.AdamW):  # type: ignore[misc]
    """`keras.optimizers.AdamW` with a factor for the learning rate of each variable."""


def make_optimizer(
    settings: Settings, steps: int, factors: Sequence[float] | None = None
) -> keras.optimizers.Optimizer:
    """Return the optimizer for fine-tuning.

    Args:
        settings: Give its kind, rate and schedule, weight decay, clipping, accumulation and the
            average of the weights.
        steps: Batches in all epochs together.
        factors: From `layer_factors`.
    """
    kinds: dict[str, Any] = {"adam": LayerwiseAdam, "adamw": LayerwiseAdamW, "sgd": LayerwiseSGD}
    accumulate = settings.accumulate
    return kinds[settings.optimizer](
        learning_rate=make_schedule(settings.schedule, settings.learning_rate, steps, accumulate),
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm or None,
        gradient_accumulation_steps=accumulate if accumulate > 1 else None,
        use_ema=settings.ema > 0,
        ema_momentum=settings.ema,
        factors=factors,
        **({"momentum": 0.9} if settings.optimizer == "sgd" else {}),
    )


def layer_factors(model: keras.Model, base: keras.Model, decay: float) -> Sequence[float] | None:
    """Return how much slower each trained variable learns than the head.

    The block at the top learns at `decay` times the rate of the head, the next one at `decay` **
    2, and so on down (J. Howard and S. Ruder, "Universal Language Model Fine-tuning for Text
    Classification", 2018; with blocks in place of layers).

    Args:
        model: What is trained: a head on the backbone, or on a part of it.
        base: The backbone.
        decay: Above 0; 1 makes no difference.

    Returns:
        One factor for each of ``model.trainable_variables``; None where all are 1.
    """
    if decay == 1:
        return None
    factors = {
        id(variable): decay**depth
        for depth, block in enumerate(find_blocks(base), start=1)
        for name in block.layers
        for variable in base.get_layer(name).trainable_variables
    }
    return [factors.get(id(variable), 1.0) for variable in model.trainable_variables]
