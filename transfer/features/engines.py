"""Engines: a frozen Keras model as a fast function from images to arrays.

This file imports neither TensorFlow nor Keras at its top: a network that OpenVINO has converted
before runs without them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from transfer.errors import UsageError
from transfer.features.converted import graph_of, has_openvino, import_openvino

if TYPE_CHECKING:
    import keras

Batch = Any  # a NumPy array or a tensor
Engine = Callable[[Batch], list[np.ndarray]]

# Images that are run at once without gradients, whatever the batches of training are. All of one
# number: another one has other kernels, and other last digits.
BATCH_SIZE = 32
AT_ONCE = 8  # images that OpenVINO is given at once

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
            "OpenVINO is not installed. Install it with: pip install 'openvino>=2025.0'"
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


def openvino_engine(network: Any, precision: str = "f32") -> Engine:
    """Return a converted network, run by OpenVINO: for small ones on a CPU much faster than Keras.

    A batch is run 8 images at a time, the last of them padded: every image goes through the same
    kernels, nothing is compiled again, and small networks stay in the processor's cache (a fifth
    faster for MobileNetV2 than 32 at a time).

    Args:
        network: From `transfer.features.converted.convert`.
        precision: ``f32``, or ``bf16`` for processors that have it: faster again, with three
            significant digits.

    Returns:
        A function from float32 images (b, h, w, 3) to the list of the outputs.
    """
    network = network.clone()
    network.reshape([AT_ONCE, *list(network.inputs[0].partial_shape)[1:]])
    options = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    compiled = import_openvino().Core().compile_model(network, "CPU", options)
    shapes = [tuple(output.shape)[1:] for output in compiled.outputs]

    def run(images: Batch) -> list[np.ndarray]:
        images = np.asarray(images)
        padding = -len(images) % AT_ONCE
        if padding:
            images = np.pad(images, [(0, padding)] + [(0, 0)] * (images.ndim - 1))
        found = [np.empty((len(images), *shape), np.float32) for shape in shapes]
        for start in range(0, len(images), AT_ONCE):
            results = compiled(images[start : start + AT_ONCE])
            for number, output in enumerate(found):
                output[start : start + AT_ONCE] = results[number]
        return [output[: len(images) - padding] for output in found]

    return run
