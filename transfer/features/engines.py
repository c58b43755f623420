"""Engines: a frozen Keras model as a fast function from images to arrays.

This file imports neither TensorFlow nor Keras at its top: a network that is already converted for
OpenVINO runs without them.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from transfer.errors import TransferError, UsageError, option
from transfer.features.converted import convert, graph_of, has_openvino, import_openvino
from transfer.system.progress import warn
from transfer.system.quiet import refuse_after_fork

if TYPE_CHECKING:
    import keras

    from transfer.features.cache import FeatureCache

Batch = Any  # a NumPy array or a tensor
Engine = Callable[[Batch], list[np.ndarray]]

# Images per call of an engine, whatever the batch size of training: in Keras another number
# selects other kernels, which changes the last digits.
BATCH_SIZE = 32
BF16_AT_ONCE = 8  # images per call of OpenVINO in bf16
# More cores than that hardly speed up a single image; further images run at the same time.
CORES_PER_STREAM = 4

# A graph with its constants must stay under protobuf's 2 GiB.
MAX_FROZEN_BYTES = 1_500_000_000


def choose_engine(name: str, precision: str) -> str:
    """Return the engine to use: ``"keras"`` or ``"openvino"``.

    ``auto`` is OpenVINO where it is installed and there is no GPU.

    Args:
        name: ``auto``, ``keras`` or ``openvino``.
        precision: ``f32`` or ``bf16``, which only OpenVINO supports.

    Raises:
        UsageError: OpenVINO is requested but not installed.
    """
    if name == "auto" and precision == "f32":
        return "openvino" if has_openvino() and not _has_gpu() else "keras"
    if name == "keras" and precision == "bf16":
        raise UsageError(
            f"{option('precision', 'bf16')} needs OpenVINO. Use {option('engine', 'openvino')} or"
            f" {option('precision', 'f32')}."
        )
    if name != "keras" and not has_openvino():
        raise UsageError(
            "OpenVINO is not installed. Install it with: pip install 'openvino>=2025.0'"
        )
    return "keras" if name == "keras" else "openvino"


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def make_engine(
    model: keras.Model,
    name: str,
    precision: str = "f32",
    cache: FeatureCache | None = None,
    auto: bool = False,
) -> tuple[Engine, str]:
    """Return an engine for `model`, and the name of the engine that runs it.

    Not every network can be converted for OpenVINO. Where the engine was chosen automatically,
    Keras takes over with a warning; `cache`, which belongs to the other engine, then stores no more
    features.

    Args:
        model: Takes float32 images (b, h, w, 3), RGB 0..255; has one output or several.
        name: ``keras`` or ``openvino``, from `choose_engine`.
        precision: ``f32`` or ``bf16``.
        cache: Where the converted network is kept; None to convert it for this call alone.
        auto: Whether Keras may take over.

    Raises:
        TransferError: OpenVINO was requested explicitly and cannot run the network.
    """
    if name == "keras":
        return keras_engine(model), "keras"
    try:
        if cache is None:
            network = convert(lambda: model)
        else:
            network = convert(lambda: model, cache.converted(), cache.in_use)
        return openvino_engine(network, precision), "openvino"
    except Exception as error:  # OpenVINO raises nearly everything
        if not auto:
            raise TransferError(
                f"OpenVINO cannot run {model.name!r}: {reason_of(error)}."
                f" Use {option('engine', 'keras')}."
            ) from error
        warn_of_fallback(model.name, error)
        if cache is not None:
            cache.stop()
        return keras_engine(model), "keras"


def warn_of_fallback(name: str, error: Exception) -> None:
    """Warn that Keras runs a network because OpenVINO cannot."""
    warn(
        f"OpenVINO cannot run {name!r}: {reason_of(error)}. Keras runs it instead, which may take"
        f" longer. To choose it from the start, use {option('engine', 'keras')}."
    )


def reason_of(error: Exception) -> str:
    """Return an error of OpenVINO as one short line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    summary = [line for line in lines if line.startswith("-- ")] or lines
    name = type(error).__name__
    return f"{name}: {summary[0].lstrip('- ')[:200]}" if summary else name


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

    def engine(images: np.ndarray) -> list[np.ndarray]:
        refuse_after_fork()
        return [np.asarray(output) for output in run(tf.convert_to_tensor(images))]

    return engine


def openvino_engine(network: Any, precision: str = "f32") -> Engine:
    """Return a converted network run by OpenVINO, which is much faster than Keras for small ones.

    In float32 every image runs alone. The number of images in a call therefore never changes a
    bit of the result: on processors without AVX-512 OpenVINO picks other kernels for eight images
    than for one, and their last digits differ. It is as fast as eight at a time, and one image
    costs one image. bf16 runs eight at a time, the last of them padded.

    The engine may be called from several threads at once.

    Args:
        network: From `transfer.features.converted.convert`.
        precision: ``f32``, or ``bf16`` for processors that support it: faster, with three
            significant digits.

    Returns:
        A function from float32 images (b, h, w, 3) to the list of the outputs, float32.
    """
    at_once = 1 if precision == "f32" else BF16_AT_ONCE
    network = network.clone()
    network.reshape([at_once, *list(network.inputs[0].partial_shape)[1:]])
    compiled = (
        import_openvino()
        .Core()
        .compile_model(
            network,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": precision,
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": max(1, (os.cpu_count() or 1) // CORES_PER_STREAM),
            },
        )
    )
    return _Requests(compiled, at_once)


class _Requests:
    """A compiled network and its idle inference requests.

    A request belongs to one thread while it runs: `compiled(images)` itself has a single one, and
    fails or mixes up results when two threads call it. Requests are reused, since each holds the
    memory of all activations.

    Args:
        compiled: An ``openvino.CompiledModel`` of static shape.
        at_once: Images that one request takes.
    """

    def __init__(self, compiled: Any, at_once: int) -> None:
        self._compiled, self._at_once = compiled, at_once
        self._shapes = [tuple(output.shape)[1:] for output in compiled.outputs]
        self._parallel = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._idle: deque[Any] = deque()  # append and pop are atomic

    def __call__(self, images: Batch) -> list[np.ndarray]:
        images = np.asarray(images, np.float32)
        count = len(images)
        padding = -count % self._at_once
        if padding:
            images = np.pad(images, [(0, padding)] + [(0, 0)] * (images.ndim - 1))
        outputs = [np.empty((len(images), *shape), np.float32) for shape in self._shapes]
        running: deque[tuple[int, Any]] = deque()
        for start in range(0, len(images), self._at_once):
            if len(running) == self._parallel:
                self._finish(*running.popleft(), outputs)
            request = self._take()
            request.get_input_tensor(0).data[:] = images[start : start + self._at_once]
            request.start_async()
            running.append((start, request))
        while running:
            self._finish(*running.popleft(), outputs)
        return [output[:count] for output in outputs]

    def _take(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self._compiled.create_infer_request()

    def _finish(self, start: int, request: Any, outputs: list[np.ndarray]) -> None:
        """Wait for a request, copy its results and make it available again."""
        request.wait()
        for number, output in enumerate(outputs):
            output[start : start + self._at_once] = request.get_output_tensor(number).data
        self._idle.append(request)
