"""Engines: a frozen Keras model as a fast function from images to arrays.

This file imports neither TensorFlow nor Keras at its top: a network that is already converted for
OpenVINO runs without them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from transfer.errors import TransferError, UsageError, option
from transfer.features.converted import convert, graph_of, has_openvino, import_openvino
from transfer.features.quantised import Photos, has_nncf, quantise
from transfer.features.requests import Requests
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
        precision: ``auto``, ``f32``, or what only OpenVINO computes: ``bf16`` or ``int8``.

    Raises:
        UsageError: OpenVINO, or what quantises for it, is requested but not installed.
    """
    narrow = precision in ("bf16", "int8")
    if name == "auto" and not narrow:
        return "openvino" if has_openvino() and not _has_gpu() else "keras"
    if name == "keras" and narrow:
        raise UsageError(
            f"{option('precision', precision)} needs OpenVINO. Use {option('engine', 'openvino')}"
            f" or {option('precision', 'f32')}."
        )
    if name != "keras" and not has_openvino():
        raise UsageError(
            "OpenVINO is not installed. Install it with: pip install 'openvino>=2025.0'"
        )
    if precision == "int8" and not has_nncf():
        raise UsageError(
            f"{option('precision', 'int8')} needs NNCF, which is not installed. Install it with:"
            " pip install 'nncf>=3.0'"
        )
    return "keras" if name == "keras" else "openvino"


def can_compute(precision: str) -> bool:
    """Return whether the packages for a precision are installed; ``auto`` finds one."""
    return precision in ("auto", "f32") or (has_openvino() and (precision != "int8" or has_nncf()))


def low_precisions() -> tuple[str, ...]:
    """Return the precisions below f32 that this machine has units and packages for."""
    if not has_openvino():
        return ()
    able = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("bf16",) * ("BF16" in able) + ("int8",) * has_nncf()


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def make_engine(
    model: keras.Model,
    name: str,
    precision: str = "f32",
    cache: FeatureCache | None = None,
    auto: bool = False,
    photos: Photos | None = None,
) -> tuple[Engine, str]:
    """Return an engine for `model`, and the name of the engine that runs it.

    Not every network can be converted for OpenVINO. Where the engine was chosen automatically,
    Keras takes over with a warning; `cache`, which belongs to the other engine, then stores no more
    features.

    Args:
        model: Takes float32 images (b, h, w, 3), RGB 0..255; has one output or several.
        name: ``keras`` or ``openvino``, from `choose_engine`.
        precision: ``f32``, ``bf16`` or ``int8``.
        cache: Where the converted network is kept; None to convert it for this call alone.
        auto: Whether Keras may take over.
        photos: Reads those that int8 is calibrated on.

    Raises:
        TransferError: OpenVINO was requested explicitly and cannot run the network.
    """
    if name == "keras":
        return keras_engine(model), "keras"
    try:
        return openvino_engine(_network(model, precision, cache, photos), precision), "openvino"
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


def _network(
    model: keras.Model, precision: str, cache: FeatureCache | None, photos: Photos | None
) -> Any:
    """Return a model for OpenVINO, from the cache where it is there."""
    where = (None, ()) if cache is None else (cache.converted(), cache.in_use)
    if precision != "int8":
        return convert(lambda: model, *where)
    if photos is None:
        raise ValueError("int8 takes photos to calibrate on")
    return quantise(lambda: convert(lambda: model), photos, *where)


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
    costs one image. So does a network in int8. bf16 runs eight at a time, the last of them padded.

    The engine may be called from several threads at once.

    Args:
        network: From `transfer.features.converted.convert`.
        precision: ``f32``; ``int8`` for a quantised network; or ``bf16`` for processors that
            support it: faster, with three significant digits.

    Returns:
        A function from float32 images (b, h, w, 3) to the list of the outputs, float32.
    """
    at_once = BF16_AT_ONCE if precision == "bf16" else 1
    network = network.clone()
    network.reshape([at_once, *list(network.inputs[0].partial_shape)[1:]])
    compiled = (
        import_openvino()
        .Core()
        .compile_model(
            network,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": max(1, (os.cpu_count() or 1) // CORES_PER_STREAM),
            },
        )
    )
    return Requests(compiled, at_once)
