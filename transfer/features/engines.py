"""Engines: a frozen Keras model as a fast function from images to arrays.

This file imports neither TensorFlow nor Keras at its top: a network that OpenVINO has converted
before runs without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from transfer.errors import UsageError
from transfer.features.converted import has_openvino, import_openvino

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Batch = Any  # a NumPy array or a tensor
Engine = Callable[[Batch], list[np.ndarray]]

# Images that are run at once without gradients, whatever the batches of training are. All of one
# number: another one has other kernels, and other last digits.
BATCH_SIZE = 32

# A graph with its constants must stay under protobuf's 2 GiB.
MAX_FROZEN_BYTES = 1_500_000_000


def choose_engine(name: str, precision: str) -> str:
    """Return which engine is meant: ``"keras"`` or ``"openvino"``.

    ``auto`` is OpenVINO where it is installed and there is no GPU.

    Args:
        name: ``auto``, ``keras`` or ``openvino``.
        precision: ``f32`` or ``bf16``, which OpenVINO alone has.

    Raises:
        UsageError: OpenVINO is asked for and not installed.
    """
    if name == "auto" and precision == "f32":
        return "openvino" if has_openvino() and not _has_gpu() else "keras"
    if name == "keras" and precision == "bf16":
        raise UsageError("Precision bf16 needs OpenVINO. Use --engine openvino or --precision f32.")
    if name != "keras" and not has_openvino():
        raise UsageError(
            "OpenVINO is not installed. Install it with: pip install 'transfer-classifier[fast]'"
        )
    return "keras" if name == "keras" else "openvino"


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


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
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants as constants

    run = graph_of(model)
    if 4 * model.count_params() <= MAX_FROZEN_BYTES:
        run = constants.convert_variables_to_constants_v2(run)
    return lambda images: [np.asarray(output) for output in run(tf.convert_to_tensor(images))]


def openvino_engine(network: Any, batch_size: int, precision: str = "f32") -> Engine:
    """Return a converted network, run by OpenVINO: for small ones on a CPU much faster than Keras.

    Args:
        network: From `transfer.features.converted.convert`.
        batch_size: Images in every batch.
        precision: ``f32``, or ``bf16`` for processors that have it: faster again, with three
            significant digits.

    Returns:
        A function from float32 images (batch_size, h, w, 3) to the list of the outputs.
    """
    network = network.clone()
    network.reshape([batch_size, *list(network.inputs[0].partial_shape)[1:]])
    options = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    compiled = import_openvino().Core().compile_model(network, "CPU", options)

    def run(images: Batch) -> list[np.ndarray]:
        results = compiled(np.asarray(images))
        return [np.array(results[i]) for i in range(len(compiled.outputs))]

    return run


def run_engine(
    engine: Engine, batches: Iterable[Batch], batch_size: int
) -> Iterator[list[np.ndarray]]:
    """Yield the engine's outputs batch by batch.

    A batch that is smaller than the others is padded and its surplus dropped: every batch has
    the same shape, so that the same kernels run for every image.
    """
    for images in batches:
        images = np.asarray(images)
        count = len(images)
        if count < batch_size:
            images = np.pad(images, [(0, batch_size - count)] + [(0, 0)] * (images.ndim - 1))
        yield [output[:count] for output in engine(images)]


def graph_of(model: keras.Model) -> Any:
    """Return `model` in inference mode as a concrete function of one batch of any size."""
    import tensorflow as tf

    def forward(images: tf.Tensor) -> list[tf.Tensor]:
        return [tf.identity(output) for output in tf.nest.flatten(model(images, training=False))]

    # XLA is many times slower than no XLA on a CPU.
    signature = tf.TensorSpec(model.input.shape, tf.float32)
    return tf.function(forward, jit_compile=False).get_concrete_function(signature)
