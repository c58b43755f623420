"""Engines: a frozen Keras model as a fast function from images to arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

Engine = Callable[[tf.Tensor], list[np.ndarray]]

# A graph with its constants must stay under protobuf's 2 GiB.
MAX_FROZEN_BYTES = 1_500_000_000


def keras_engine(model: keras.Model) -> Engine:
    """Return `model` in inference mode as a function of one batch.

    Variables become constants where the graph can hold them, which lets TensorFlow fold
    BatchNormalization into the convolutions (a third faster for MobileNetV2 on a CPU). The
    engine is a snapshot: later changes of the weights do not reach it.

    Args:
        model: Takes float32 images (b, h, w, 3), RGB 0..255; has one output or several.

    Returns:
        A function from float32 images (b, h, w, 3) to the list of the outputs, float32.
    """

    def forward(images: tf.Tensor) -> list[tf.Tensor]:
        return [tf.identity(output) for output in tf.nest.flatten(model(images, training=False))]

    # XLA is many times slower than no XLA on a CPU.
    signature = tf.TensorSpec((None, *model.input.shape[1:]), tf.float32)
    run = tf.function(forward, jit_compile=False).get_concrete_function(signature)
    if 4 * model.count_params() <= MAX_FROZEN_BYTES:
        run = convert_variables_to_constants_v2(run)
    return lambda images: [np.asarray(output) for output in run(images)]


def run_engine(
    engine: Engine, batches: Iterable[tf.Tensor], batch_size: int
) -> Iterator[list[np.ndarray]]:
    """Yield the engine's outputs batch by batch.

    A batch that is smaller than the others is padded and its surplus dropped: every batch has
    the same shape, so that the same kernels run for every image.
    """
    for images in batches:
        count = images.shape[0]
        if count < batch_size:
            images = tf.pad(images, [[0, batch_size - count], [0, 0], [0, 0], [0, 0]])
        yield [output[:count] for output in engine(images)]
