"""Finds the frames of the videos that a list names: one folder of images for each."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath

from transfer.images.layout.describe import Survey
from transfer.images.layout.tree import Folder

_ENDS = {".avi", ".mp4", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".m4v"}


class Clips:
    """Folders of frames, by the paths of the videos that these were taken from."""

    def __init__(self, survey: Survey) -> None:
        self._folders: dict[str, list[Folder]] = defaultdict(list)
        self._collect(survey.top)

    def _collect(self, folder: Folder) -> None:
        if folder.images:
            self._folders[folder.name.lower()].append(folder)
        for each in folder.folders.values():
            self._collect(each)

    def frames(self, path: str) -> list[str]:
        """Return the frames of a video: ``Archery/v_1.avi`` are those in Archery/v_1/.

        None where no folder, or more than one, fits. The path needs a folder or the suffix of a
        video: a name alone may be that of a class.
        """
        parts = PurePosixPath(path.replace("\\", "/").lower())
        name = parts.stem if parts.suffix in _ENDS else parts.name
        if name == parts.name and len(parts.parts) < 2:
            return []
        found = self._folders.get(name, [])
        if len(found) > 1:
            end = f"/{parts.parent}/{name}"
            found = [each for each in found if f"/{each.path.lower()}".endswith(end)]
        return list(found[0].images) if len(found) == 1 else []
