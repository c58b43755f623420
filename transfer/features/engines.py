"""Engines: a frozen Keras model as a fast function from images to arrays."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from transfer.errors import UsageError

Engine = Callable[[tf.Tensor], list[np.ndarray]]

# A graph with its constants must stay under protobuf's 2 GiB.
MAX_FROZEN_BYTES = 1_500_000_000
# Fewer images are done before OpenVINO has converted the network.
WORTH_CONVERTING = 500


def choose_engine(name: str, precision: str, images: int) -> str:
    """Return which engine is meant: ``"keras"`` or ``"openvino"``.

    ``auto`` is OpenVINO where it is installed, there is no GPU and there are enough images to
    make the conversion worth its while.

    Args:
        name: ``auto``, ``keras`` or ``openvino``.
        precision: ``f32`` or ``bf16``, which OpenVINO alone has.
        images: How many are to be run.

    Raises:
        UsageError: OpenVINO is asked for and not installed.
    """
    installed = find_spec("openvino") is not None
    if name == "auto" and precision == "f32":
        worth = images >= WORTH_CONVERTING and not tf.config.list_physical_devices("GPU")
        return "openvino" if installed and worth else "keras"
    if name == "keras" and precision == "bf16":
        raise UsageError("Precision bf16 needs OpenVINO. Use --engine openvino or --precision f32.")
    if name != "keras" and not installed:
        raise UsageError(
            "OpenVINO is not installed. Install it with: pip install 'transfer-classifier[fast]'"
        )
    return "keras" if name == "keras" else "openvino"


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
    run = _graph_of(model, batch_size=None)
    if 4 * model.count_params() <= MAX_FROZEN_BYTES:
        run = convert_variables_to_constants_v2(run)
    return lambda images: [np.asarray(output) for output in run(images)]


def openvino_engine(model: keras.Model, batch_size: int, precision: str = "f32") -> Engine:
    """Return `model` in inference mode, run by OpenVINO: for small networks on a CPU much faster.

    Args:
        model: Takes float32 images (b, h, w, 3), RGB 0..255; has one output or several.
        batch_size: Images in every batch.
        precision: ``f32``, or ``bf16`` for processors that have it: faster again, with three
            significant digits.

    Returns:
        A function from float32 images (batch_size, h, w, 3) to the list of the outputs.
    """
    # Without this, importing OpenVINO reports it to its maker.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openvino

        network = openvino.convert_model(_graph_of(model, batch_size))
        options = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        compiled = openvino.Core().compile_model(network, "CPU", options)

    def run(images: tf.Tensor) -> list[np.ndarray]:
        results = compiled(np.asarray(images))
        return [np.array(results[i]) for i in range(len(model.outputs))]

    return run


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


def _graph_of(model: keras.Model, batch_size: int | None) -> Any:
    def forward(images: tf.Tensor) -> list[tf.Tensor]:
        return [tf.identity(output) for output in tf.nest.flatten(model(images, training=False))]

    # XLA is many times slower than no XLA on a CPU.
    signature = tf.TensorSpec((batch_size, *model.input.shape[1:]), tf.float32)
    return tf.function(forward, jit_compile=False).get_concrete_function(signature)
