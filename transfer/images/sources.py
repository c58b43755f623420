"""From what the user names as data to a plain image folder."""

from __future__ import annotations

import os
from pathlib import Path

from transfer.errors import DataError, UsageError, did_you_mean
from transfer.images.samples import prepare_sample, sample_names

_PREFIX = "sample:"
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")


def resolve(data: str | os.PathLike[str]) -> tuple[Path, str]:
    """Return the image folder that `data` means, and a short name for run directories.

    Args:
        data: A folder, or ``"sample:digits"`` and the like, which is made on first use.

    Raises:
        UsageError: There is no sample of that name.
        DataError: `data` is an archive, or a sample cannot be written.
    """
    text = os.fspath(data)
    if text.startswith(_PREFIX):
        name = text.removeprefix(_PREFIX)
        if name not in sample_names():
            raise UsageError(
                f"Unknown sample {name!r}.{did_you_mean(name, sample_names())}"
                f" Expected one of: {', '.join(_PREFIX + each for each in sample_names())}."
            )
        return prepare_sample(name), name
    if not text:
        raise DataError("Expected a folder of images. Received an empty path.")
    path = Path(text).expanduser()
    if path.is_file() and path.name.lower().endswith(_ARCHIVES):
        raise DataError(
            f"Expected a folder of images. Received: {text!r} (an archive). Unpack it first."
        )
    return path, path.name or path.absolute().name or "images"
