"""Where pretrained weights come from, and how they get into a network.

    >>> vgg16 = get_backbone("vgg16")
    >>> weights = resolve_weights(vgg16, "imagenet")     # downloads once, into the Keras cache
    >>> model = vgg16.build()
    >>> load_weights(model, vgg16, weights)

A *spec* is one of

- ``auto``: the backbone's file in the folder that the variable TRANSFER_WEIGHTS names; else the
  file that comes with this package; else the ImageNet file. A model of your own for which none of
  these is known keeps what its constructor made. Connectivity is not checked.
- ``bundled``: the file that comes with this package.
- ``imagenet``: Keras' own file, from the Keras cache or downloaded into it.
- ``none``: random weights: the network is trained from scratch.
- a path: a ``.weights.h5`` file, a legacy ``.h5`` file like Keras' own, or a folder with either.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transfer.errors import UsageError, WeightsError, did_you_mean
from transfer.networks.backbones import Backbone, list_backbones
from transfer.networks.download import fetch
from transfer.system.digests import digest_once

if TYPE_CHECKING:
    import keras

_WORDS = ("auto", "bundled", "imagenet", "none")
# keras/src/applications/efficientnet.py, see _fold_efficientnet
_IMAGENET_STDDEV = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Weights:
    """Where the weights of a backbone come from.

    Attributes:
        origin: ``"bundled"``, ``"imagenet"`` or ``"file"``; ``"own"`` for a backbone of the user's
            whose constructor brings its weights; ``"none"`` for random weights.
        path: The file; None for ``"own"``, ``"none"`` and an ImageNet file yet to be downloaded.
    """

    origin: str
    path: Path | None = None

    @property
    def needs_download(self) -> bool:
        """Whether the file is not on this machine yet."""
        return self.origin == "imagenet" and self.path is None

    @property
    def sha256(self) -> str | None:
        """Hash of the file as 64 hex digits; None where there is no file."""
        if self.path is None:
            return None
        try:
            return digest_once(self.path, "sha256")
        except OSError as error:
            raise WeightsError(f"{self.path} cannot be read: {error.strerror}.") from error


def locate(backbone: Backbone, spec: str = "auto") -> Weights:
    """Return where the weights would come from: no network is asked and no file is read.

        >>> locate(get_backbone("mobilenetv2")).origin
        'bundled'

    Args:
        backbone: Record of the registry.
        spec: ``auto``, ``bundled``, ``imagenet``, ``none`` or a path.

    Returns:
        The place. Origin ``"imagenet"`` without a path means that a download is needed.

    Raises:
        UsageError: `spec` is no word, file or folder, or this backbone has no such weights.
    """
    if spec == "auto":
        return _locate_auto(backbone)
    if spec == "none":
        return Weights("none")
    if spec == "bundled":
        return _locate_bundled(backbone)
    if spec == "imagenet":
        return _locate_cached(backbone)
    return Weights("file", _find_file(backbone, spec))


def list_weights(pattern: str = "*") -> list[tuple[Backbone, Weights]]:
    """Return the backbones that fit a glob, each with what ``auto`` stands for on this machine."""
    return [(backbone, locate(backbone)) for backbone in list_backbones(pattern)]


def resolve_weights(backbone: Backbone, spec: str = "auto") -> Weights:
    """Return where the weights are, after downloading them where that is needed.

    Args:
        backbone: Record of the registry.
        spec: ``auto``, ``bundled``, ``imagenet``, ``none`` or a path.

    Raises:
        UsageError: `spec` is no word, file or folder, or this backbone has no such weights.
        WeightsError: The download failed. Nothing of it is left behind.
    """
    weights = locate(backbone, spec)
    if weights.origin == "imagenet":
        return Weights("imagenet", fetch(backbone, keras_cache()))
    return weights


def load_weights(model: keras.Model, backbone: Backbone, weights: Weights) -> None:
    """Put weights into a network that ``backbone.build()`` made.

    Args:
        model: The network; its weights are replaced, float16 files become float32.
        backbone: The record that built it.
        weights: What `resolve_weights` returned. Origins ``"own"`` and ``"none"`` change nothing.

    Raises:
        WeightsError: The file is damaged, holds other layers or numbers that are not finite.
            The network is of no use then.
    """
    if weights.origin in ("own", "none"):
        return
    if weights.path is None:
        raise WeightsError(
            f"The {weights.origin} weights of {backbone.name!r} are not here yet."
            " Fetch them with resolve_weights()."
        )
    name = str(weights.path)
    _empty(model)
    try:
        with warnings.catch_warnings():
            # "Affected layers will retain their freshly-initialized weights": not unseen, here
            warnings.filterwarnings("ignore", "Skipping nested container")
            model.load_weights(name)
    except Exception as error:  # Keras and h5py raise nearly everything for a file they dislike
        reason = " ".join(str(error).split())[:200].rstrip(". ")
        raise WeightsError(
            f"{name} does not fit {backbone.name!r}: {reason}."
            " Expected weights of this network without its top, whole and as Keras writes them."
        ) from error
    _check_full(model, name)
    if backbone.family == "EfficientNet":
        _fold_efficientnet(model)


def keras_cache() -> Path:
    """Return the folder in which Keras keeps downloaded weights; it need not exist."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def _locate_auto(backbone: Backbone) -> Weights:
    folder = os.environ.get("TRANSFER_WEIGHTS")
    if folder:
        if not Path(folder).expanduser().is_dir():
            raise UsageError(
                f"Expected a folder in the variable TRANSFER_WEIGHTS. Received: {folder!r}"
            )
        found = _in_folder(backbone, Path(folder).expanduser())
        if found is not None:
            return Weights("file", found)
    if backbone.bundled:
        return _locate_bundled(backbone)
    if backbone.weights_url:
        return _locate_cached(backbone)
    return Weights("none" if backbone.scratch else "own")


def _locate_bundled(backbone: Backbone) -> Weights:
    if not backbone.bundled:
        names = ", ".join(other.name for other in list_backbones() if other.bundled)
        raise UsageError(
            f"No weights of {backbone.name!r} come with this package, only of: {names}."
            " Use --weights imagenet, a path or none."
        )
    path = Path(__file__).parents[1] / "bundled" / backbone.bundled
    if not path.is_file():
        raise WeightsError(f"{path} is missing: install the package anew, or use --weights PATH.")
    return Weights("bundled", path)


def _locate_cached(backbone: Backbone) -> Weights:
    if not backbone.weights_url or not backbone.weights_file:
        raise UsageError(
            f"No ImageNet weights of {backbone.name!r} are known. Use --weights PATH or none."
        )
    path = keras_cache() / backbone.weights_file
    return Weights("imagenet", path if path.is_file() else None)


def _find_file(backbone: Backbone, spec: str) -> Path:
    path = Path(spec).expanduser()
    if path.is_dir():
        found = _in_folder(backbone, path)
        if found is None:
            wanted = " or ".join(filter(None, [_pattern(backbone), backbone.weights_file]))
            raise UsageError(
                f"No weights of {backbone.name!r} in the folder {spec!r}. Expected {wanted}."
            )
        return found
    if not path.is_file():
        raise UsageError(
            f"Weights {spec!r} do not exist.{did_you_mean(spec, _WORDS)}"
            f" Expected {', '.join(_WORDS)}, or the path of a file or folder."
        )
    if path.suffix not in (".h5", ".hdf5"):
        raise UsageError(f"Expected weights in a .weights.h5 or .h5 file. Received: {spec!r}")
    return path


def _pattern(backbone: Backbone) -> str:
    return f"{backbone.name}_notop*.weights.h5"


def _in_folder(backbone: Backbone, folder: Path) -> Path | None:
    files = sorted(folder.glob(_pattern(backbone)))
    if backbone.weights_file:
        files.append(folder / backbone.weights_file)
    return next((file for file in files if file.is_file()), None)


def _empty(model: keras.Model) -> None:
    """Fill the network with NaN, so that what a file does not hold cannot pass for loaded."""
    import keras

    for variable in model.weights:
        if keras.backend.is_float_dtype(variable.dtype):
            variable.assign(keras.ops.full(variable.shape, float("nan"), variable.dtype))


def _check_full(model: keras.Model, name: str) -> None:
    import numpy as np

    for variable in model.weights:
        if not np.isfinite(np.asarray(variable)).all():
            raise WeightsError(
                f"{name} holds no finite numbers for {variable.path}."
                " Expected the weights of a trained network, whole."
            )


def _fold_efficientnet(model: keras.Model) -> None:
    """Make the network compute what its weights were trained for.

    With ``weights="imagenet"`` Keras adds Rescaling(1/sqrt(stddev)) behind the Normalization of
    EfficientNet B0..B7, with anything else it does not (tensorflow/tensorflow#62193). We build
    without, and (x - mean) / sqrt(var) / sqrt(stddev) == (x - mean) / sqrt(var * stddev). Files
    are taken to be as Keras writes them: saved before the fold.
    """
    import keras
    import numpy as np

    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            variance = np.asarray(layer.adapt_variance)
            layer.adapt_variance.assign(variance * np.array(_IMAGENET_STDDEV))
            layer.finalize_state()
