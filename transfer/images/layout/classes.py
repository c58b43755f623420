"""Checks the classes that a folder was read as."""

from __future__ import annotations

from collections.abc import Sequence

from transfer.errors import DataError, option
from transfer.images.formats import READ
from transfer.images.layout.describe import Survey
from transfer.images.layout.differences import difference_in_words
from transfer.images.layout.names import confusable
from transfer.images.layout.plan import Plan, readable
from transfer.images.layout.question import LAYOUT
from transfer.recipe.reading import Reading
from transfer.system.progress import warn


def check_classes(survey: Survey, plan: Plan, reading: Reading, allow_single: bool) -> None:
    """Raise DataError where splits differ in their classes, or there are too few or empty ones."""
    differ = "" if reading.allow_empty else difference_in_words(plan.folders)
    if differ:
        raise DataError(
            f"The split folders of {str(survey.root)!r} differ in their classes: {differ}. Give"
            f" each the same class folders, or allow it with {option('allow_empty', True)}."
        )
    if len(plan.classes) == 1 and not allow_single:
        raise DataError(
            f"Need at least 2 classes. {LAYOUT} Received: {plan.classes[0]!r} alone"
            f" in {str(survey.root)!r}."
        )
    full = {(split, name) for _, name, split in plan.rows}
    for split, names in plan.folders.items():
        for name, folders in names.items():
            if (split, name) not in full and not reading.allow_empty:
                raise DataError(
                    f"The class folder {str(survey.root / folders[0])!r} holds no image"
                    f" ({READ}). Add some, remove the folder, or allow it with"
                    f" {option('allow_empty', True)}."
                )


def warn_of_twins(classes: Sequence[str]) -> None:
    """Warn of class names that differ only in case, spaces or Unicode form."""
    for names in confusable(classes):
        shown = ", ".join(map(readable, names))
        warn(f"The classes {shown} are easily confused. Merge the folders if they are one.")
