"""XML files of annotation tools: the names in them, read without entities or external parts."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from transfer.data.sources.exports import Export
from transfer.errors import DataError

_MOST_BYTES = 500_000_000


def read_xml(path: Path) -> ElementTree.Element | None:
    """Return the root of an XML file; None where it is none, or declares entities.

    Raises:
        DataError: It cannot be opened.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        data = path.read_bytes()
        # entities could grow without bound, and no tool for annotations writes any
        plain = data.replace(b"\0", b"")  # of UTF-16 and UTF-32 too
        declares = b"<!ENTITY" in plain or b"<!DOCTYPE" in plain
        return None if declares else ElementTree.fromstring(data)
    except OSError as error:
        raise DataError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    except (ElementTree.ParseError, ValueError):
        return None


def read_cvat(path: Path) -> Export | None:
    """Return the labels of the images in an XML file of CVAT; None for other files."""
    root = read_xml(path)
    if root is None or root.tag != "annotations":
        return None
    records = []
    for image in root.iter("image"):
        labels = list(dict.fromkeys(mark.get("label", "") for mark in image if mark.get("label")))
        label = labels[0] if len(labels) == 1 else labels
        records.append({"path": image.get("name", ""), "label": label})
    return Export("CVAT", records) if records else None
