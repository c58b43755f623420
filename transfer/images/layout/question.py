"""The errors for folders that can be read in two ways, or in none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from transfer.errors import DataError, option
from transfer.images.layout.datafiles import told
from transfer.images.layout.describe import Survey, named
from transfer.images.layout.filenames import propose_regex
from transfer.images.layout.plan import sizes_in_words

LAYOUT = "Expected one folder per class, like DATA/cats/1.jpg and DATA/dogs/2.jpg."


class Question(DataError):
    """A folder can be read in several ways."""


def ambiguous(survey: Survey, readings: Sequence[tuple[str, str]], why: str) -> Question:
    """Return the error for a folder with several readings.

    Args:
        survey: The folder.
        readings: What it would be read as, with counts, and the option that says so.
        why: What makes it ambiguous; a clause.
    """
    shown = "; or ".join(f"as {words}: {option}" for words, option in readings)
    return Question(f"How is {str(survey.root)!r} to be read? {why}. Say which: {shown}.")


def without_classes(
    survey: Survey, paths: Sequence[str], more: str = "", typical: Sequence[str] | None = None
) -> DataError:
    """Return the error for images that lie in no class folders, with what may say their classes.

    Args:
        survey: The folder.
        paths: The images.
        more: Other ways out; sentences.
        typical: Those whose names say what they show; None for all.
    """
    loose = len(survey.top.images)
    found = f"{loose} loose image(s)" if loose else f"{len(paths)} image(s) in no class folder"
    if loose and not survey.top.folders:
        found += " and no folder"
    if not paths:
        found = "no folder" if not survey.top.folders else "no image"
    hints = [named(survey), told(survey), regex_hint(paths, typical), more]
    return DataError(
        " ".join(
            [
                f"{str(survey.root)!r} holds no classes. {LAYOUT} Received: {found}.",
                *filter(None, hints),
            ]
        )
    )


def regex_hint(paths: Sequence[str], typical: Sequence[str] | None = None) -> str:
    """Return the option that reads the classes from the names of images; ``""`` for none."""
    pattern = propose_regex(paths if typical is None else typical)
    if pattern is None:
        return ""
    classes = Counter(match[1] for path in paths if (match := re.search(pattern, path)))
    sizes = dict(sorted(classes.items()))
    return (
        "The class seems to be in the file names:"
        f" {option('label_regex', pattern)} would read {sizes_in_words(sizes)}."
    )
