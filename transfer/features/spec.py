"""The identity of features: all that they depend on besides images and augmentation."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.features.converted import openvino_version
from transfer.images.decode import DECODE_VERSION
from transfer.networks.backbones import Backbone
from transfer.settings import Settings

if TYPE_CHECKING:
    import keras

# Raise it when networks/loading.py folds the scaling of EfficientNet in another way.
EFFICIENTNET_FOLD_VERSION = 1

# Vector instructions for which OpenVINO and TensorFlow have separate kernels, best first, as Linux
# names them. Those for fewer bits matter to these alone.
_OWN_LEVELS = {
    "bf16": ("amx_bf16", "avx512_bf16"),
    "int8": ("amx_int8", "avx512_vnni", "avx_vnni"),
}
_LEVELS = ("avx512f", "avx2", "avx", "sse4_1")


@dataclass(frozen=True)
class FeatureSpec:
    """What the features of an image depend on besides the image and its augmentation.

    It holds only names and hashes: it can be compared, written as JSON and sent to other processes.

    Attributes:
        backbone: Name in the registry.
        family: Family in the registry.
        constructor: Import string of what builds the backbone.
        preprocess: Import string of what scales its images.
        graph: `fingerprint` of preprocessing and backbone.
        weights: SHA-256 of the weights file, 64 hex digits.
        image_size: Side of the square images in pixels.
        resize: How images get that size, such as ``"stretch"``.
        engine: ``keras`` or ``openvino``.
        precision: ``f32``, ``bf16`` or ``int8``.
        pooling: How the feature map becomes a vector, such as ``"avg"``.
        cut: Layer whose activations are computed too; None for vectors alone.
        versions: Names and versions of the packages that compute, from `engine_versions`.
        device: From `device_name`.
        decode: Version of the decoder.
        fold: Version of EfficientNet's fold; 0 for other families.
        calibration: Hash of the photos that int8 is calibrated on; ``""`` for the others.
    """

    backbone: str
    family: str
    constructor: str
    preprocess: str
    graph: str
    weights: str
    image_size: int
    resize: str
    engine: str
    precision: str
    pooling: str
    cut: str | None
    versions: tuple[tuple[str, str], ...]
    device: str
    decode: int = DECODE_VERSION
    fold: int = 0
    calibration: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The name of each output of the network, in order; vectors come last."""
        vectors = f"vectors ({self.pooling})"
        return (vectors,) if self.cut is None else (f"at {self.cut}", vectors)

    def identity(self) -> dict[str, Any]:
        """Return what all outputs depend on, ready for JSON.

        Pooling and cut are left out: they are part of the outputs' names, and the vectors are the
        same with and without a cut. Quantised ones are not: a network of two outputs is quantised
        in another way.
        """
        fields = asdict(self) | {"versions": dict(self.versions)}
        del fields["pooling"]
        if not self.calibration:
            del fields["calibration"], fields["cut"]
        return fields


def feature_spec(
    backbone: Backbone,
    graph: keras.Model,
    weights: str,
    settings: Settings,
    pooling: str,
    calibration: str = "",
) -> FeatureSpec:
    """Return the spec of features that this machine computes now.

    Args:
        backbone: The record in the registry; its constructor and preprocess are import strings.
        graph: Preprocessing and backbone as one model.
        weights: SHA-256 of the weights file, 64 hex digits.
        settings: The image size, the engine, its precision, and whether there is a cut.
        pooling: How the feature map becomes a vector.
        calibration: Hash of the photos that int8 is calibrated on.
    """
    return FeatureSpec(
        backbone=backbone.name,
        family=backbone.family,
        constructor=str(backbone.constructor),
        preprocess=str(backbone.preprocess),
        graph=fingerprint(graph),
        weights=weights,
        image_size=settings.image_size,
        resize=settings.resize,
        engine=settings.engine,
        precision=settings.precision,
        pooling=pooling,
        cut=settings.cut or None,
        versions=engine_versions(settings.engine, settings.precision),
        device=device_name(settings.engine, settings.precision),
        fold=EFFICIENTNET_FOLD_VERSION if backbone.family == "EfficientNet" else 0,
        calibration=calibration,
    )


def fingerprint(model: keras.Model) -> str:
    """Return a hash of a model's layers and operations with their options, without the weights.

    It changes with the code behind an import string. Numbers at the end of names are ignored:
    they count the layers of a kind that this process has built before.
    """
    text = json.dumps(model.get_config(), sort_keys=True, default=str)
    return hashlib.sha256(re.sub(r'_\d+"', '"', text).encode()).hexdigest()


def engine_versions(engine: str, precision: str = "f32") -> tuple[tuple[str, str], ...]:
    """Return (package, version) of what computes: OpenVINO, or Keras and TensorFlow.

    Keras and TensorFlow do not matter to OpenVINO: what they contribute is the graph, which has a
    fingerprint. NNCF quantises to int8.
    """
    if engine == "openvino":
        own = (("openvino", openvino_version()),)
        return (*own, ("nncf", version("nncf"))) if precision == "int8" else own
    import keras
    import tensorflow as tf

    return (("keras", keras.__version__), ("tensorflow", tf.__version__))


def device_name(engine: str, precision: str) -> str:
    """Return where features are computed, in as much detail as their bits depend on.

    On a GPU that is its name. On a CPU it is the architecture and the best vector instructions
    (``"x86_64 avx512f"``), not the model: kernels are chosen by instructions, so processors that
    share them share features, and a cache on a network drive serves a whole cluster.
    """
    if engine == "keras":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            details = tf.config.experimental.get_device_details(gpus[0])
            return str(details.get("device_name", "GPU"))
    return f"{platform.machine()} {_vector_level(_cpu_flags(), precision)}".strip()


def machine() -> dict[str, Any]:
    """Return what the speed of this machine's processor depends on, ready for JSON."""
    return {
        "cpu": _cpu_entry("model name") or platform.processor() or platform.machine(),
        "flags": " ".join(sorted(_cpu_flags())),
        "cores": os.cpu_count() or 1,
    }


def _cpu_flags() -> frozenset[str]:
    """Return the processor's instruction sets as Linux names them; empty elsewhere."""
    return frozenset(_cpu_entry("flags|Features").split())


def _cpu_entry(name: str) -> str:
    """Return an entry of Linux' list of processors for the first of them; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    match = re.search(rf"^(?:{name})\s*:(.*)$", text, re.MULTILINE)
    return match[1].strip() if match else ""


def _vector_level(flags: frozenset[str], precision: str) -> str:
    levels = _OWN_LEVELS.get(precision, ()) + _LEVELS
    return next((level for level in levels if level in flags), "")
