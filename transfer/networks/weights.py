"""Where pretrained weights come from; `transfer.networks.loading` puts them into a network.

    >>> vgg16 = get_backbone("vgg16")
    >>> resolve_weights(vgg16, "imagenet").origin    # downloads once, into the Keras cache
    'imagenet'

A *spec* is one of

- ``auto``: the backbone's file in the folder that the variable TRANSFER_WEIGHTS names; else the
  file that comes with this package; else the ImageNet file. A model of your own for which none of
  these is known keeps the weights that its constructor made. Connectivity is not checked.
- ``bundled``: the file that comes with this package.
- ``imagenet``: Keras' own file, from the Keras cache or downloaded into it.
- ``none``: random weights: the network is trained from scratch.
- a path: a ``.weights.h5`` file, a legacy ``.h5`` file like Keras' own, or a folder with either.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from transfer.errors import UsageError, WeightsError, did_you_mean, option
from transfer.networks.backbones import Backbone, list_backbones
from transfer.networks.download import fetch
from transfer.system.digests import digest_once

_WORDS = ("auto", "bundled", "imagenet", "none")


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
    def pretrained(self) -> bool:
        """Whether the weights come from training; False only for random weights.

        A constructor of the user's (``"own"``) is assumed to load some.
        """
        return self.origin != "none"

    @property
    def needs_download(self) -> bool:
        """Whether the file is not on this machine yet."""
        return self.origin == "imagenet" and self.path is None

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the file as 64 hex digits; None if there is no file."""
        if self.path is None:
            return None
        try:
            return digest_once(self.path, "sha256")
        except OSError as error:
            raise WeightsError(f"{self.path} cannot be read: {error.strerror}.") from error


def locate(backbone: Backbone, spec: str = "auto") -> Weights:
    """Return where the weights would come from, without downloading or reading any file.

        >>> locate(get_backbone("mobilenetv2")).origin
        'bundled'

    Args:
        backbone: Record of the registry.
        spec: ``auto``, ``bundled``, ``imagenet``, ``none`` or a path.

    Returns:
        The origin and file. ``"imagenet"`` without a path means that a download is needed.

    Raises:
        UsageError: `spec` is neither one of these words nor a file or folder, or this backbone has
            no such weights.
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
    """Return the backbones that match a glob, each with its ``auto`` weights on this machine."""
    return [(backbone, locate(backbone)) for backbone in list_backbones(pattern)]


def resolve_weights(backbone: Backbone, spec: str = "auto") -> Weights:
    """Return where the weights are, after downloading them if needed.

    Args:
        backbone: Record of the registry.
        spec: ``auto``, ``bundled``, ``imagenet``, ``none`` or a path.

    Raises:
        UsageError: See `locate`.
        WeightsError: The download failed. Nothing of it is left behind.
    """
    weights = locate(backbone, spec)
    if weights.origin == "imagenet":
        return Weights("imagenet", fetch(backbone, keras_cache()))
    return weights


def keras_cache() -> Path:
    """Return the folder of Keras' downloaded weights; it need not exist."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def _locate_auto(backbone: Backbone) -> Weights:
    folder = os.environ.get("TRANSFER_WEIGHTS")
    if folder:
        if not Path(folder).expanduser().is_dir():
            raise UsageError(
                f"Expected a folder in the variable TRANSFER_WEIGHTS. Received: {folder!r}"
            )
        file = _in_folder(backbone, Path(folder).expanduser())
        if file is not None:
            return Weights("file", file)
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
            f" Use {option('weights', 'imagenet')} or {option('weights', 'PATH')}."
        )
    path = Path(__file__).parents[1] / "bundled" / backbone.bundled
    if not path.is_file():
        raise WeightsError(
            f"{path} is missing. Reinstall the package, or use {option('weights', 'PATH')}."
        )
    return Weights("bundled", path)


def _locate_cached(backbone: Backbone) -> Weights:
    if not backbone.weights_url or not backbone.weights_file:
        raise UsageError(
            f"No ImageNet weights of {backbone.name!r} are known. Use {option('weights', 'PATH')}"
            " or auto."
        )
    path = keras_cache() / backbone.weights_file
    return Weights("imagenet", path if path.is_file() else None)


def _find_file(backbone: Backbone, spec: str) -> Path:
    path = Path(spec).expanduser()
    if path.is_dir():
        file = _in_folder(backbone, path)
        if file is None:
            wanted = " or ".join(filter(None, [_pattern(backbone), backbone.weights_file]))
            raise UsageError(
                f"No weights of {backbone.name!r} in the folder {spec!r}. Expected {wanted}."
            )
        return file
    if not path.is_file():
        raise UsageError(
            f"{option('weights', spec)} does not exist.{did_you_mean(spec, _WORDS)}"
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
