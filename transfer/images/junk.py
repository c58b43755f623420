"""Files and folders that are hidden, or leftovers of other programs."""

from __future__ import annotations

import re

HIDDEN = "in a hidden folder: rename it if it is a class"
# Hidden folders that programs make, whose pictures are nobody's photos.
_OF_PROGRAMS = re.compile(
    r"\.(?:git|svn|hg|github|idea|vscode|ipynb_checkpoints|venv|env|tox|cache|config|local|dvc"
    r"|thumbnails|thumbs|trash.*|trashes|spotlight.*|fseventsd|documentrevisions.*"
    r"|temporaryitems|arranged|picasa.*|apdisk|appledouble|\.?_.*)",
    re.I,
)
_IGNORED = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


def is_of_programs(name: str) -> bool:
    """Return whether a program is known to make files or folders of this name."""
    return not name.startswith(".") or _OF_PROGRAMS.fullmatch(name) is not None


def is_junk(name: str) -> bool:
    """Return whether a file or folder is hidden or a leftover of another system."""
    return name.startswith(".") or name.lower() in _IGNORED
