"""Networks in OpenVINO's format: converted once, kept in the cache, read without Keras.

::

    <cache dir>/features/<hash>/network.xml     the graph
                                network.bin     its weights
                                network.json    SHA-256 of both; written last
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.features.store import Space, features_dir, make_room
from transfer.system.cachedir import cache_limit
from transfer.system.files import atomic, open_regular, write_json
from transfer.system.memory import TIGHT, memory_limit
from transfer.system.progress import warn

if TYPE_CHECKING:
    import keras


def has_openvino() -> bool:
    """Return whether OpenVINO is installed."""
    return find_spec("openvino") is not None


def openvino_version() -> str:
    """Return the version of OpenVINO, without importing it where that is possible."""
    try:
        return version("openvino")
    except PackageNotFoundError:  # a custom build, or a distribution of another name
        return str(import_openvino().__version__)


def place_for(about: Mapping[str, Any]) -> Path | None:
    """Return the file in the cache for a converted network, which need not exist.

    Args:
        about: What identifies the network; JSON.

    Returns:
        A path ending in ``.xml``; None if the cache is off or cannot be written.
    """
    if cache_limit() == 0:
        return None
    kind = {"what": "converted network", "openvino": openvino_version()}
    space = Space(features_dir(), kind | dict(about))
    try:
        space.open()
    except OSError:
        return None
    return space.path / "network.xml"


def convert(
    make_model: Callable[[], keras.Model],
    kept: Path | None = None,
    in_use: Iterable[Path] = (),
) -> Any:
    """Return a model in inference mode as an ``openvino.Model``.

    Args:
        make_model: Makes the model, which takes float32 images (b, h, w, 3), RGB 0..255, and has
            one output or several. Not called if `kept` holds the converted one, or if a
            limit on memory forbids to convert: that is a RuntimeError.
        kept: File (``.xml``) that the converted model is read from, or written to if it fits.
        in_use: Spaces of the cache that must not be evicted for it.
    """
    network = None if kept is None else read_network(kept)
    if network is None:
        _check_memory()
        model = make_model()  # named, because the graph does not keep its variables alive
        graph = graph_of(model)
        openvino = import_openvino()
        with warnings.catch_warnings(), _root_logger_kept():
            warnings.simplefilter("ignore")
            # A copy of the weights: shared ones are freed with the model.
            network = openvino.convert_model(graph, share_weights=False)
        # Activations with a custom gradient (swish) become additional outputs.
        results = [network.output(each.name).get_node() for each in graph.outputs]
        network = openvino.Model(results, network.get_parameters())
        if kept is not None:
            write_network(network, kept, in_use)
    return network


def _check_memory() -> None:
    """Refuse to convert where memory is short: the converter may then never end, nor be stopped."""
    limit = memory_limit()
    if limit is not None and limit < TIGHT:
        raise RuntimeError(
            f"this process may use {limit / 1e9:.1f} GB of memory (ulimit -v), and converting needs"
            f" a limit of {TIGHT / 1e9:.0f} GB or none"
        )


def graph_of(model: keras.Model) -> Any:
    """Return `model` in inference mode as a concrete function of one batch of any size."""
    import tensorflow as tf

    def forward(images: tf.Tensor) -> list[tf.Tensor]:
        return [tf.identity(output) for output in tf.nest.flatten(model(images, training=False))]

    # XLA is many times slower than no XLA on a CPU.
    signature = tf.TensorSpec(model.input.shape, tf.float32)
    return tf.function(forward, jit_compile=False).get_concrete_function(signature)


def import_openvino() -> Any:
    """Import OpenVINO with its telemetry disabled."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openvino
    return openvino


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Restore the root logger, which OpenVINO's converter silences and leaves so if it fails."""
    root = logging.getLogger()
    level, filters, handlers = root.level, root.filters[:], root.handlers[:]
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters, root.handlers = filters, handlers


def read_network(path: Path) -> Any:
    """Return the network in a file of the cache; None if there is none or it is damaged."""
    try:
        with open_regular(path.with_suffix(".json")) as stream:
            digests = json.loads(stream.read())
        files = [_read_bytes(path), _read_bytes(path.with_suffix(".bin"))]
        if digests != _digests(path, files):
            raise ValueError("its checksums are wrong")
        return import_openvino().Core().read_model(*files)
    except OSError:  # there is none, or it was removed just now
        return None
    except (ValueError, RuntimeError) as error:
        warn(f"{path} is damaged and is made again: {error}")
        return None


def _read_bytes(path: Path) -> bytes:
    with open_regular(path) as stream:
        return stream.read()


def _digests(path: Path, files: Iterable[bytes]) -> dict[str, str]:
    """Return what network.json holds: two digests, and the space to notice swapped files."""
    xml, weights = (hashlib.sha256(content).hexdigest() for content in files)
    return {"space": path.parent.name, "xml": xml, "bin": weights}


def write_network(network: Any, path: Path, in_use: Iterable[Path]) -> None:
    """Keep a network if it fits; the .json is written last and makes it valid.

    Args:
        network: An ``openvino.Model``.
        path: From `place_for`.
        in_use: Spaces of the cache that must not be evicted for it.
    """
    with suppress(OSError, RuntimeError), tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / path.name
        import_openvino().save_model(network, saved, compress_to_fp16=False)
        files = (saved, saved.with_suffix(".bin"))
        digests = _digests(path, map(Path.read_bytes, files))
        if make_room(sum(file.stat().st_size for file in files), {path.parent, *in_use}):
            for name in (".json", ".bin", ".xml"):  # which may be links or pipes
                path.with_suffix(name).unlink(missing_ok=True)
            for file in files:
                with atomic(path.with_name(file.name)) as temporary:
                    shutil.copyfile(file, temporary)
            write_json(path.with_suffix(".json"), digests)
