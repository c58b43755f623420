"""Reading: how the user says that a folder or a table is to be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

from transfer.errors import UsageError, option
from transfer.recipe.knobs import Knobs

LAYOUTS = ("auto", "classes", "splits", "flat")
SINGLE_LABEL, MULTI_LABEL = TASKS = ("single-label", "multi-label")


@dataclass(frozen=True)
class Reading(Knobs):
    """How images, classes and splits are read from what DATA is.

    The fields are described in `Recipe`, whose part they are.
    """

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {"task": TASKS, "layout": LAYOUTS}
    BOUNDS: ClassVar[Mapping[str, tuple[int, int]]] = {
        "class_level": (1, 20),
        "limit": (1, 10_000_000),
    }
    RANGES: ClassVar[Mapping[str, str]] = {
        name: f"between {low} and {high}" for name, (low, high) in BOUNDS.items()
    }

    task: str = SINGLE_LABEL
    layout: str = "auto"
    class_level: int | None = None
    label_regex: str = "none"
    path_column: str = "auto"
    label_column: str = "auto"
    split_column: str = "auto"
    class_names: str = "none"
    negatives: str = "none"
    limit: int | None = None
    allow_empty: bool = False
    follow_links: bool = False

    @property
    def multi_label(self) -> bool:
        """Whether an image may be of several classes."""
        return self.task == MULTI_LABEL

    @property
    def asks_for_folders(self) -> bool:
        """Whether the user has said what the folders are."""
        return self.layout != "auto" or self.class_level is not None or self.label_regex != "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_regex == "none":
            return
        try:
            pattern = re.compile(self.label_regex)
        except re.error as error:
            raise UsageError(
                f"Expected {option('label_regex')} as a regular expression."
                f" Received: {self.label_regex!r} ({error})."
            ) from error
        if not pattern.groups:
            raise UsageError(
                f"Expected {option('label_regex')} with a group around the class, such as"
                f" '([^/]+)_\\d+'. Received: {self.label_regex!r}"
            )


READING = tuple(field.name for field in fields(Reading))


def reading_of(knobs: Reading) -> Reading:
    """Return how a recipe reads its images, as a record of its own."""
    return Reading(**{name: getattr(knobs, name) for name in READING})
