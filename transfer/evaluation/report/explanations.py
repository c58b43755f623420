"""The report's section on why: maps of what the model looked at, where a run has any."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import msgspec

from transfer.errors import RunError
from transfer.system.files import damaged

FOLDER = "explanations"
MOST = 48
_MOST_BYTES = 60_000  # of one map
_TYPES = {".webp": "image/webp", ".png": "image/png", ".jpg": "image/jpeg"}
_FIRST = {".webp": b"RIFF", ".png": b"\x89PNG", ".jpg": b"\xff\xd8\xff"}


class Entry(msgspec.Struct):
    """One row of explanations/index.json.

    Attributes:
        path: Of the photo, relative to the data folder.
        true: Its class.
        predicted: The class that is predicted.
        confidence: Its probability, 0..1.
        class_explained: The class for which the map speaks.
        method: How it was computed.
        map: Name of the picture next to index.json: the photo with the map over it.
    """

    path: str
    true: str
    predicted: str
    confidence: float
    class_explained: str
    method: str
    map: str


@dataclass(frozen=True)
class Explanation:
    """One map of the section: what index.json says of it, and the picture as a ``data:`` URI."""

    entry: Entry
    image: str


def read_explanations(directory: Path) -> list[Explanation]:
    """Return the maps of ``explanations/index.json``, at most 48; none where there is no such file.

    Maps that are missing, larger than 60 kB or no picture are left out.

    Raises:
        RunError: index.json is damaged.
    """
    path = directory / FOLDER / "index.json"
    if not path.is_file():
        return []
    hint = "Remove the folder, or explain again."
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[Entry])
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise damaged(path, error, hint) from error
    found = []
    for entry in entries[:MOST]:
        image = _picture(path, entry.map)
        if image is not None:
            found.append(Explanation(entry, image))
    return found


def _picture(index: Path, name: str) -> str | None:
    """Return a picture next to index.json as a ``data:`` URI."""
    path = index.parent / Path(name).name
    if path.name != name or path.is_symlink() or path.suffix not in _TYPES or not path.is_file():
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from error
    if len(content) > _MOST_BYTES or not content.startswith(_FIRST[path.suffix]):
        return None
    return f"data:{_TYPES[path.suffix]};base64,{base64.b64encode(content).decode('ascii')}"
