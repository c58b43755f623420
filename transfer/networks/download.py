"""Downloads: the ImageNet files of keras.applications, once and whole, and files by address."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from transfer.errors import WeightsError
from transfer.networks.backbones import Backbone
from transfer.system.digests import digest_once
from transfer.system.files import atomic
from transfer.system.progress import bar, say, warn

_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without a byte
_HDF5 = b"\x89HDF\r\n\x1a\n"


def fetch(backbone: Backbone, folder: Path) -> Path:
    """Return the backbone's ImageNet file in `folder`, after downloading it where needed.

    A file that is there but is not the one that Keras means is replaced.

    Args:
        backbone: With `weights_url` and `weights_file`.
        folder: The cache; made where it is not there.

    Raises:
        WeightsError: The download failed. Nothing of it is left behind.
    """
    from http.client import HTTPException  # with urllib.request 30 ms, for a rare need

    path, url = folder / str(backbone.weights_file), str(backbone.weights_url)
    if path.is_file():
        try:
            flaw = _flaw(backbone, path)
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
        if flaw is None:
            return path
        warn(f"{path} is not used: {flaw}. Downloading it anew.")
    say(f"Downloading {path.name} from {url}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic(path) as temporary:
            download(url, temporary, path.name)
            flaw = _flaw(backbone, temporary)
            if flaw is not None:
                raise ValueError(f"what came is wrong, {flaw}")
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsError(
            f"Cannot download {path.name} from {url}: {' '.join(str(error).split())}."
            f" Put that file at {path} by hand, use --weights PATH, or choose a backbone whose"
            " weights are on this machine (transfer weights)."
        ) from error
    return path


def _flaw(backbone: Backbone, path: Path) -> str | None:
    """Return why the file is not the one that Keras means, or None where it is."""
    expected = backbone.weights_md5
    if expected is None:
        with path.open("rb") as file:
            return None if file.read(len(_HDF5)) == _HDF5 else "it is no HDF5 file"
    algorithm = "md5" if len(expected) == 32 else "sha256"
    found = digest_once(path, algorithm)
    return None if found == expected else f"its {algorithm} is {found} instead of {expected}"


def download(url: str, path: Path, label: str) -> None:
    """Write what an address gives to `path`, with a bar named `label`.

    Raises:
        OSError, http.client.HTTPException, ValueError: It failed; a part may be at `path`.
    """
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        response = urlopen(url, timeout=_TIMEOUT)
    except HTTPError as error:
        error.close()  # it holds the connection
        raise
    with response, path.open("wb") as file:
        expected = int(response.headers.get("Content-Length") or 0)
        chunks: Iterator[bytes] = iter(partial(response.read, _CHUNK), b"")
        with bar(label, expected) as advance:
            for chunk in chunks:
                file.write(chunk)
                advance(len(chunk))
        if expected and file.tell() != expected:
            raise ValueError(f"it broke off after {file.tell():,} of {expected:,} bytes")
