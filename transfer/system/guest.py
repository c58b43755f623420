"""Leaves the process of a caller as it was: its random state and its Keras settings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from transfer.system.python_ops import released


def numpy_defaults() -> np.errstate:
    """Return a context (or decorator) with NumPy's own rules for floating-point errors.

    Under a caller's ``np.seterr(all="raise")`` a probability that underflows would be an error.
    """
    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")


@contextmanager
def as_guest() -> Iterator[None]:
    """Run the block with Keras' defaults, and restore what it changes in the whole process.

    Training seeds Python's, NumPy's, TensorFlow's and Keras' random numbers, and may make
    TensorFlow deterministic. Networks are built in float32 and channels_last, whatever keras.json
    or the session says: their features are kept under these terms. Keras and TensorFlow have to be
    imported before, see `transfer.system.quiet.import_tensorflow`.
    """
    import keras
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR
    from keras.src.utils.rng_utils import GLOBAL_RANDOM_SEED
    from tensorflow.python.eager.context import context
    from tensorflow.python.framework import config

    python, numpy_state = random.getstate(), np.random.get_state()
    seeds = {
        name: global_state.get_global_attribute(name)
        for name in (GLOBAL_RANDOM_SEED, GLOBAL_SEED_GENERATOR)
    }
    tensorflow = context()
    seed, generator = tensorflow._seed, getattr(tensorflow, "_rng", None)
    drawn = None if generator is None else generator.getstate()
    deterministic = config.is_op_determinism_enabled()
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    data_format = keras.config.image_data_format()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")
    try:
        with released(), numpy_defaults():
            yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
        keras.config.set_image_data_format(data_format)
        if config.is_op_determinism_enabled() and not deterministic:
            config.disable_op_determinism()
        tensorflow._set_global_seed(seed)
        if drawn is not None:
            tensorflow._rng.setstate(drawn)
        for name, value in seeds.items():
            global_state.set_global_attribute(name, value)
        np.random.set_state(numpy_state)
        random.setstate(python)
