"""What makes a training repeatable."""

from __future__ import annotations

import keras
import tensorflow as tf

from transfer.recipe import Recipe


def sow(recipe: Recipe) -> None:
    """Seed all random numbers; with ``deterministic`` TensorFlow sums in one order, too."""
    keras.utils.set_random_seed(recipe.seed)
    if recipe.deterministic:
        tf.config.experimental.enable_op_determinism()
