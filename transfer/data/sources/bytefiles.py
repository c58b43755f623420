"""Writes images that come as bytes with a class: from Parquet files and shards."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from transfer.data.sources.freenames import FreeNames
from transfer.data.sources.rows import label_flaw
from transfer.errors import DataError
from transfer.images.formats import HEAD, format_of
from transfer.system.names import nfc


@dataclass(frozen=True)
class Labelled:
    """An image as it is stored.

    Attributes:
        data: The bytes of its file.
        label: Its class.
        split: ``train``, ``val``, ``test`` or ``""``.
        stem: What its file is to be called, without suffix.
        where: Where it comes from, for messages.
    """

    data: bytes
    label: str
    split: str
    stem: str
    where: str


def write_labelled(images: Iterable[Labelled], target: Path) -> None:
    """Write images to ``target/[split/]class/name``, byte for byte.

    Raises:
        DataError: A class cannot name a folder, or there is no image.
    """
    names = FreeNames()
    image = None
    for image in images:
        label = nfc(image.label.strip()).replace("/", "-")
        if flaw := label_flaw(label):
            raise DataError(f"{image.where}: the label {label!r} {flaw}.")
        folder = target / image.split / label
        folder.mkdir(parents=True, exist_ok=True)
        stem = re.sub(r"[^\w.-]+", "-", image.stem).strip("-.")[:100] or "image"
        names.take(folder / f"{stem}{suffix_of(image.data)}").write_bytes(image.data)
    if image is None:
        raise DataError("It holds no image.")


def suffix_of(data: bytes) -> str:
    """Return the usual suffix of an image's format, by its first bytes; .jpg for unknown ones."""
    found = format_of(data[:HEAD])
    return found.suffixes[0] if found else ".jpg"
