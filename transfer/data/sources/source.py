"""What a data source is, and what may have to be known in addition to its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfer.data.sources.members import Limits
from transfer.recipe.reading import Reading


@dataclass(frozen=True)
class Options:
    """What a source may need in addition to its name.

    Attributes:
        sha256: Of the archive at an address, as 64 hex digits.
        manual_dir: Folder of files for a builder that have to be downloaded by hand.
        reading: How a folder or table is to be read.
        limits: Limits on what an archive unpacks to.
        pages: ``first``, or ``all``: each page of a TIFF file as an image of its own.
        fixes: Table of what to do with images of a folder, see `read_actions`.
    """

    sha256: str | None = None
    manual_dir: Path | None = None
    reading: Reading = field(default_factory=Reading)
    limits: Limits = field(default_factory=Limits)
    pages: str = "first"
    fixes: Path | None = None


@dataclass(frozen=True)
class Source:
    """A data source that was recognised.

    Attributes:
        text: As the user wrote it.
        name: Short, for run directories.
        folder: Folder of the images; None where it has to be prepared.
        about: Everything that the prepared folder depends on; JSON.
        fill: Writes the images to an empty folder.
        layout: What the folders are that it writes; see `Reading.layout`.
        read_as: What was taken for what, for the user.
    """

    text: str
    name: str
    folder: Path | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    fill: Callable[[Path], None] = lambda target: None
    layout: str = "auto"
    read_as: str = ""
