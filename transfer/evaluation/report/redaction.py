"""Removes folders from the paths that a report shows, since reports are shared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# Fields of a recipe that may hold a path.
PATH_FIELDS = ("weights", "class_names", "negatives", "data", "split", "output")
_TABLE = re.compile(r"(?P<file>.+\.[ct]sv):(?P<column>.+)", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r"""(?P<quote>['"])(?P<path>(?:/|[A-Za-z]:\\)[^'"\n]*)(?P=quote)""")


def last_part(path: str) -> str:
    """Return the last part of a POSIX or Windows path; a name without folders is unchanged."""
    trimmed = path.rstrip("/\\")
    return re.split(r"[/\\]", trimmed)[-1] if trimmed else path


def redact_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe whose path fields keep only their last part.

    All other fields stay as they are: a regular expression may look like a path.
    """
    redacted = dict(recipe)
    for name in PATH_FIELDS:
        if isinstance(redacted.get(name), str):
            redacted[name] = last_part(redacted[name])
    table = _TABLE.fullmatch(str(redacted.get("group_by", "")))
    if table is not None:
        redacted["group_by"] = f"{last_part(table['file'])}:{table['column']}"
    return redacted


def redact_message(text: str, known: Iterable[Path]) -> str:
    """Return a message in which known folders, and absolute paths in quotes, lose their parents.

    Args:
        text: An error message or the reason why a file was left out.
        known: Folders that messages may name without quotes: the run's and that of the images.
            What lies below such a folder keeps its path from there.
    """
    for folder in sorted((f for f in known if f.name), key=lambda f: -len(str(f))):
        text = text.replace(str(folder), folder.name)
    return _QUOTED.sub(lambda m: f"{m['quote']}{last_part(m['path'])}{m['quote']}", text)
