"""Downloads of pretrained weights: once, completely, and checked against the expected hash."""

from __future__ import annotations

from pathlib import Path

from transfer.errors import WeightsError, either, option
from transfer.networks.backbones import Backbone
from transfer.system.digests import digest_once
from transfer.system.download import download
from transfer.system.files import atomic
from transfer.system.progress import say, warn

_HDF5 = b"\x89HDF\r\n\x1a\n"
_MOST = 3_000_000_000  # bytes; the largest of keras.applications has 1.4 billion


def fetch(backbone: Backbone, folder: Path) -> Path:
    """Return the backbone's ImageNet file in `folder`, after downloading it where needed.

    A file that is there but has another hash than expected is replaced.

    Args:
        backbone: With `weights_url` and `weights_file`.
        folder: The cache; made if missing.

    Raises:
        WeightsError: The download failed. Nothing of it is left behind.
    """
    from http.client import HTTPException  # takes 30 ms with urllib.request, and is rarely needed

    path, url = folder / str(backbone.weights_file), str(backbone.weights_url)
    if path.is_file():
        try:
            defect = _defect(backbone, path)
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
        if defect is None:
            return path
        warn(f"{path} is not used: {defect}. Downloading it again.")
    say(f"Downloading {path.name} from {url}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic(path) as temporary:
            # At most 8 bytes per parameter; the default where their number is not stated.
            download(url, temporary, path.name, most=max(_MOST, 8 * backbone.parameters))
            defect = _defect(backbone, temporary)
            if defect is not None:
                raise ValueError(f"the file received is wrong: {defect}")
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsError(
            f"Cannot download {path.name} from {url}: {' '.join(str(error).split())}."
            f" Put that file at {path} by hand, use {option('weights', 'PATH')}, or choose a"
            f" backbone whose weights are on this machine{either('', ' (transfer weights)')}."
        ) from error
    return path


def _defect(backbone: Backbone, path: Path) -> str | None:
    """Return how the file differs from the expected one, or None if it does not."""
    expected = backbone.weights_md5
    if expected is None:
        with path.open("rb") as file:
            return None if file.read(len(_HDF5)) == _HDF5 else "it is not an HDF5 file"
    algorithm = "md5" if len(expected) == 32 else "sha256"
    actual = digest_once(path, algorithm)
    return None if actual == expected else f"its {algorithm} is {actual} instead of {expected}"
